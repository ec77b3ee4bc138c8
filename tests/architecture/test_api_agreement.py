"""The page that clients are written against and the server's own two documents say the same.

`ops/docs/api.md` is written by hand, `/openapi.json` and `/asyncapi.json` are made from the tables that
requests are served by. What stands in one and not in the other is found here, before a client finds it.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import msgspec
import pytest

from actors import answers
from actors.media import FailureCode
from actors.rows import ActivityKind, VideoStatus
from gateway.asyncapi import CLOSE_CODES, FROM_CLIENT, FROM_SERVER, asyncapi
from gateway.errors import status_of
from gateway.openapi import openapi
from gateway.routes import ROUTES
from sharding.errors import every_error
from tests.architecture.source import ROOT, python_files, tree

PAGE = (ROOT / "ops" / "docs" / "api.md").read_text()
OPENAPI: dict[str, Any] = json.loads(openapi(ROUTES, title="Kinora", version="1"))
ASYNCAPI: dict[str, Any] = json.loads(asyncapi(title="Kinora", version="1"))

#: Is served beside the table of routes, and told by /asyncapi.json.
WEBSOCKET = ("GET", "/ws")

#: Shapes of answers, and what stands before their braces on the page.
SHAPES: dict[type[msgspec.Struct], str] = {
    answers.Author: r"^Author = ",
    answers.Video: r"^Video = ",
    answers.UploadWay: r"^Upload = ",
    answers.Comment: r"201 Comment `",
    answers.UploadOpenedShape: r"^\| POST /upload/video \| JSON.* \| 201 `",
    answers.UploadAccepted: r"^\| POST /upload/video \| multipart.* \| 202 `",
    answers.UploadShape: r"^\| GET /upload/video/\{id\} \| \| `",
    answers.UploadLimits: r"^\| GET /upload/limits \| \| `",
    answers.Feed: r"^GET /feed\S* → `",
    answers.RenewedVideos: r"^GET /videos\S* \(<= 50\) → `",
    answers.Liked: r"^\| POST, DELETE /video/\{id\}/like .* 200 `",
    answers.CommentLiked: r"^\| POST, DELETE /video/\{id\}/comments/\{comment_id\}/like .* 200 `",
    answers.Shared: r"^\| POST /video/\{id\}/share .* 200 `",
    answers.ViewsAccepted: r"^\| POST /views .* 202 `",
    answers.Followed: r"^\| POST, DELETE /user/\{id\}/follow .* 200 `",
    answers.Activity: r"^\| GET /user/\{id\}/activity\S* \| `",
    answers.Notification: r"^\| GET /notifications\S* \| `",
}

_METHOD = r"(?:GET|POST|PUT|PATCH|DELETE)"
_CALL = re.compile(rf"({_METHOD}(?:, {_METHOD})*) (/[\w{{}}./-]*[\w}}])")
#: `/followers, /following` and `/healthz (alive), /readyz`: the last step changes.
_SIBLING = re.compile(r"(?:\s*\([^)]*\))?, (/[\w/.]*\w)")
#: `/user/{id} (`me`, ...)`: a path of its own.
_ME = " (`me`"
#: `... → User; DELETE → 204`: another method of the row's path.
_SAME_PATH = re.compile(rf"; ({_METHOD}) →")
#: `name`, `name?`, `name: what`, `name (at most) `.
_PART = re.compile(r'"?(\w+)"?(?: \([^)]*\))?(\?)?\s*(?::\s*(.*))?', re.DOTALL)


def test_every_call_of_the_page_is_served_and_every_served_call_is_on_the_page():
    served = {
        (method.upper(), bare(path)) for path, item in OPENAPI["paths"].items() for method in item
    }
    told = set(calls_of_the_page())
    assert told == served | {WEBSOCKET}


def test_every_field_that_a_request_may_hold_is_on_the_page():
    words = set(re.findall(r"\w+", PAGE))
    for route in ROUTES:
        for shape in (route.body, route.query):
            fields = shape.__struct_fields__ if shape is not None else ()
            assert set(fields) <= words, f"{route.name} takes {set(fields) - words}"


def test_every_error_code_has_the_status_that_the_page_gives_it():
    listed = after(r"apps translate `code`\. `").partition("`.\n")[0]
    told = {code: int(status) for code, status in re.findall(r"\b([a-z_]+) ([45]\d\d)\b", listed)}
    known = {error.code: status_of(error) for error in every_error()}
    assert told == known
    assert set(OPENAPI["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]) == set(
        told
    )


def test_a_problem_has_the_members_that_the_page_names():
    text = after(r"`application/problem\+json` `")
    more = text.partition("`, plus ")[2].partition("Titles are")[0]
    told = set(parts_of(text)) | set(re.findall(r"`([a-z_]+)(?:: false)?`", more))
    assert told == set(OPENAPI["components"]["schemas"]["Problem"]["properties"])


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_an_answer_has_the_fields_that_the_page_gives_it(shape: type[msgspec.Struct]):
    assert list(differences(after(SHAPES[shape]), shape)) == []


def test_a_user_is_an_author_and_what_the_page_adds():
    added = parts_of(after(r"^User\s* = Author \+ "))
    assert {*parts_of(after(r"^Author = ")), *added} == set(answers.User.__struct_fields__)
    for name, shape in (("counts", answers.UserCounts), ("viewer", answers.UserViewer)):
        assert list(differences(added[name][1], shape)) == []


def test_registration_answers_with_what_the_page_names():
    told = parts_of(after(r"^\| POST /auth/register .* 201 `"))
    assert set(told) == set(answers.SessionShape.__struct_fields__)


@pytest.mark.parametrize(
    ("start", "end", "kind"),
    [
        (r"^status: `", "`", VideoStatus),
        (r"`error\.code`: `", "`", FailureCode),
        (r"/activity\?kind=", " ", ActivityKind),
    ],
)
def test_an_enumeration_has_the_values_that_the_page_lists(start: str, end: str, kind: Any):
    assert set(re.findall(r"\w+", after(start).partition(end)[0])) == set(get_args(kind))


@pytest.mark.parametrize(
    ("field", "kind"), [("source", answers.ReasonSource), ("follow", answers.Follow)]
)
def test_a_field_takes_the_values_that_the_page_gives_it(field: str, kind: Any):
    listed = re.match(r'(?:\|?"\w+")+', after(rf'{field}:(?="\w+"\|)'))
    assert listed is not None
    assert set(re.findall(r"\w+", listed[0])) == set(get_args(kind))


def test_every_op_of_the_websocket_is_on_the_page_and_the_other_way_round():
    said = set(re.findall(r'"op":"(\w+)"', section("Websocket")))
    known = {op for shape in (*FROM_CLIENT, *FROM_SERVER) for op in ops_of(shape)}
    assert said == known
    assert set(ASYNCAPI["components"]["messages"]) == {
        shape.__name__ for shape in (*FROM_CLIENT, *FROM_SERVER)
    }


def test_every_type_of_event_is_on_the_page_and_the_other_way_round():
    rows = [line.split("|")[1] for line in section("Websocket").splitlines() if line[:1] == "|"]
    told = {name for row in rows for name in re.findall(r"\b[a-z]+\.[a-z]+\b", row)}
    assert told == set(announced())


def test_every_close_code_is_on_the_page_and_the_other_way_round():
    told = re.search(r"Close codes: (.*?\.)", section("Websocket"), re.DOTALL)
    assert told is not None
    codes = set(re.findall(r"\b\d{4}\b", told[1]))
    assert codes == set(CLOSE_CODES)
    assert ASYNCAPI["channels"]["socket"]["x-close-codes"] == CLOSE_CODES


def calls_of_the_page() -> Iterator[tuple[str, str]]:
    """Method and path of every call that the page names, parameters as `{}`."""
    for line in PAGE.splitlines():
        first = ""
        for found in _CALL.finditer(line):
            path = bare(found[2])
            first = first or path
            for method in found[1].split(", "):
                yield method, path
                if line.startswith(_ME, found.end()):
                    yield method, path.replace("{}", "me")
            at = found.end()
            while sibling := _SIBLING.match(line, at):
                whole = sibling[1].count("/") > 1
                yield found[1], sibling[1] if whole else path.rpartition("/")[0] + sibling[1]
                at = sibling.end()
        if first:
            yield from ((method, first) for method in _SAME_PATH.findall(line))


def bare(path: str) -> str:
    """A path whose parameters have no names."""
    return re.sub(r"\{\w+\}", "{}", path)


def section(title: str) -> str:
    """The text under a heading."""
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def after(pattern: str) -> str:
    """The page from the end of the first match on."""
    found = re.search(pattern, PAGE, re.MULTILINE)
    assert found is not None, f"the page has no {pattern}"
    return PAGE[found.end() :]


def parts_of(text: str) -> dict[str, tuple[bool, str]]:
    """Members of the first `{...}` of `text`: whether each may be absent, and what follows its colon."""
    parts, depth, part = [], 0, ""
    for sign in text[text.index("{") :]:
        depth += (sign in "{[(") - (sign in "}])")
        if depth == 0 or (depth == 1 and sign == ","):
            parts.append(part[1:])
            part = ","
        else:
            part += sign
        if depth == 0:
            break
    found = [_PART.fullmatch(each.strip()) for each in parts]
    assert all(found), f"members that cannot be read: {parts}"
    return {each[1]: (bool(each[2]), each[3] or "") for each in found if each}


def differences(text: str, shape: type[msgspec.Struct]) -> Iterator[str]:
    """Where the first `{...}` of `text` and a shape do not agree, inner shapes included."""
    told, hints = parts_of(text), get_type_hints(shape)
    for name in sorted({*told} ^ {*hints}):
        yield f"{shape.__name__}.{name} is {'not served' if name in told else 'not on the page'}"
    for field in msgspec.structs.fields(shape):
        if field.name not in told:
            continue
        optional, kind = told[field.name]
        absent = not field.required and field.default in (None, msgspec.UNSET)
        if optional is not absent:
            yield f"{shape.__name__}.{field.name} is {'not ' * optional}always there"
        inner = struct_in(hints[field.name])
        if "{" in kind and inner is not None:
            yield from differences(kind, inner)


def struct_in(hint: Any) -> type[msgspec.Struct] | None:
    """The shape within a type, where there is one."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return hint
    return next((inner for each in get_args(hint) if (inner := struct_in(each))), None)


def ops_of(shape: type[msgspec.Struct]) -> tuple[str, ...]:
    """What `op` may be in a frame."""
    tag = shape.__struct_config__.tag
    if shape.__struct_config__.tag_field == "op" and isinstance(tag, str):
        return (tag,)
    return get_args(get_type_hints(shape)["op"])


def announced() -> Iterator[str]:
    """Types of the events that actors send: what is announced, and what a frame says itself."""
    for path in python_files("actors"):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("announce"):
                yield from strings(node.args[2:3])
            elif isinstance(node, ast.Dict):
                pairs = zip(node.keys, node.values, strict=True)
                named = {key.value: value for key, value in pairs if isinstance(key, ast.Constant)}
                if "op" in named and "type" in named:
                    yield from strings([named["type"]])


def strings(nodes: list[ast.expr]) -> Iterator[str]:
    """Those of the expressions that are written-out strings."""
    yield from (
        node.value
        for node in nodes
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
