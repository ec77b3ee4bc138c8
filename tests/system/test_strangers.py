"""A second account with the first one's ids: every call, every id, every cursor, every key.

What comes back is a documented refusal or what anybody may see, never a failure and never what is private
to the other. Calls are read from the server's own document, so a new one cannot stay untried.
"""

import asyncio
import base64
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import jsonschema
import orjson
import pytest
import pytest_asyncio

from ops.processes import Serving
from tests.support.people import People, Person, Reply
from tests.support.product import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Stands in everything that is private to the first account.
PRIVATE = "PRIVATE-7f3a"
#: Ids that nothing can have.
NONSENSE = ("0", "1", "abc", "-5", "9" * 19, "9" * 40, "%00", "%2e%2e%2f", "1%20OR%201=1", "me")
#: Smallest bodies that each call takes, with ids of whoever is tried.
BODIES: dict[str, dict[str, Any]] = {
    "POST /upload/video": {"caption": "c", "size_bytes": 9, "content_type": "video/mp4"},
    "PATCH /video/{video_id}": {"caption": "mine now"},
    "POST /views": {"views": []},
    "POST /video/{video_id}/comments": {"text": "hello"},
    "PATCH /user/me": {"bio": "me"},
    "POST /notifications/read": {"up_to_seq": 1},
    "POST /reports": {"target_kind": "video", "target_id": "1", "reason": "spam"},
}
#: Tried elsewhere: they end accounts and sessions, or take no JSON.
ELSEWHERE = {
    "POST /auth/register",
    "POST /auth/login",
    "POST /auth/refresh",
    "POST /auth/logout",
    "POST /auth/password",
    "DELETE /user/me",
    "POST /user/me/avatar",
}


@dataclass(slots=True, kw_only=True)
class Scene:
    """The first account with all that it has, and the second one."""

    owner: Person
    stranger: Person
    #: Shown by the owner to everybody.
    video: str
    comment: str
    #: Announced and not there yet, and removed: nobody else's business.
    pending: str
    removed: str
    document: dict[str, Any]
    #: Path to a cursor that the owner got for it.
    cursors: dict[str, str] = field(default_factory=dict)

    @property
    def calls(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for path, operations in self.document["paths"].items():
            for method, operation in operations.items():
                if f"{method.upper()} {path}" not in ELSEWHERE:
                    yield method.upper(), path, operation


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(people: People, clip: Path) -> Scene:
    owner, stranger = await people.join("owner"), await people.join("stranger")
    fan = await people.join("fan")
    video, second, removed = [await owner.publish(clip, f"public {each}") for each in range(3)]
    comments = [
        (await owner.call("POST", f"/video/{video}/comments", {"text": f"said {each}"}))[
            "comment_id"
        ]
        for each in range(3)
    ]
    announced = BODIES["POST /upload/video"] | {
        "caption": PRIVATE,
        "metadata": {"note": PRIVATE},
    }
    pending = [(await owner.call("POST", "/upload/video", announced))["video_id"] for _ in "ab"]
    await owner.call("DELETE", f"/video/{removed}")
    for person in (fan, stranger):
        await person.call("POST", f"/user/{owner.user_id}/follow")
        await person.call("POST", f"/video/{video}/comments", {"text": "from a fan"})
    for each in (video, second):
        await fan.call("POST", f"/video/{each}/like")
        await owner.call("POST", f"/video/{each}/like")
    await owner.call("POST", f"/user/{fan.user_id}/follow")
    await owner.call("POST", f"/user/{stranger.user_id}/follow")
    document = (await people.ask("GET", "/openapi.json")).body
    scene = Scene(
        owner=owner,
        stranger=stranger,
        video=video,
        comment=comments[0],
        pending=pending[0],
        removed=removed,
        document=document,
    )

    async def noticed() -> bool:
        return len((await owner.call("GET", "/notifications"))["items"]) >= 3

    await eventually(noticed)
    for path in (
        "/feed?tab=foryou",
        "/feed?tab=following",
        "/upload/video",
        "/notifications",
        "/user/me/likes",
        f"/user/{owner.user_id}/videos",
        f"/user/{owner.user_id}/followers",
        f"/user/{owner.user_id}/following",
        f"/user/{owner.user_id}/activity",
        f"/video/{video}/comments",
    ):
        joint = "&" if "?" in path else "?"
        page = await owner.call("GET", f"{path}{joint}limit=1")
        if page["next_cursor"] is not None:
            scene.cursors[path] = page["next_cursor"]
    return scene


def check(scene: Scene, operation: dict[str, Any], what: str, answer: Reply) -> None:
    """Hold an answer against the document, and look that nothing private is in it."""
    assert answer.status < 500, f"{what}: {answer}"
    assert str(answer.status) in operation["responses"], f"{what}: {answer}"
    assert PRIVATE.encode() not in answer.raw, f"{what} tells what is private: {answer}"
    assert scene.owner.refresh.encode() not in answer.raw, what
    content = operation["responses"][str(answer.status)].get("content", {})
    if "application/json" in content and answer.body is not None:
        schema = content["application/json"]["schema"] | {
            "components": scene.document["components"]
        }
        jsonschema.validate(answer.body, schema)


async def test_every_call_with_every_id_of_somebody_else_is_answered_as_documented(scene: Scene):
    owner = scene.owner
    choices = {
        "video_id": (scene.video, scene.pending, scene.removed, owner.user_id, *NONSENSE),
        "comment_id": (scene.comment, scene.video, owner.user_id, *NONSENSE),
        "user_id": (owner.user_id, f"@{owner.name}", scene.video, "@nobody_at_all", *NONSENSE),
    }
    tried = 0
    for method, path, operation in scene.calls:
        names = [each["name"] for each in operation["parameters"] if each["in"] == "path"]
        if f"{method} {path}" in ("DELETE /video/{video_id}", "POST /user/{user_id}/block"):
            continue
        required = operation.get("requestBody", {}).get("required", False)
        body = BODIES.get(f"{method} {path}")
        assert body is not None or not required, f"say what {method} {path} takes"
        for values in itertools.product(*(choices[name] for name in names)):
            at = path
            for name, value in zip(names, values, strict=True):
                at = at.replace(f"{{{name}}}", value)
            at += "?ids=1" if path == "/videos" else ""
            answer = await scene.stranger.ask(method, at, body)
            check(scene, operation, f"{method} {at}", answer)
            tried += 1
    assert tried > 250
    assert (await owner.call("GET", f"/video/{scene.video}"))["caption"] == "public 0"


async def test_what_is_not_shown_yet_is_nobody_elses(scene: Scene):
    for hidden in (scene.pending, scene.removed):
        for method, path in (
            ("GET", "/video/{}"),
            ("PATCH", "/video/{}"),
            ("DELETE", "/video/{}"),
            ("GET", "/upload/video/{}"),
            ("POST", "/upload/video/{}/complete"),
            ("POST", "/video/{}/like"),
            ("POST", "/video/{}/share"),
            ("GET", "/video/{}/comments"),
            ("POST", "/video/{}/not-interested"),
        ):
            body = {"caption": "mine now"} if method == "PATCH" else None
            answer = await scene.stranger.ask(method, path.format(hidden), body)
            assert answer.status == 404, f"{method} {path}: {answer}"
    kept = await scene.owner.call("GET", f"/upload/video/{scene.pending}")
    assert kept["status"] == "awaiting_upload"


async def test_what_is_visible_and_somebody_elses_cannot_be_changed(scene: Scene):
    stranger = scene.stranger
    for method, path, body in (
        ("PATCH", f"/video/{scene.video}", {"caption": "mine now"}),
        ("DELETE", f"/video/{scene.video}", None),
        ("DELETE", f"/video/{scene.video}/comments/{scene.comment}", None),
        ("GET", f"/user/{scene.owner.user_id}/activity", None),
    ):
        answer = await stranger.ask(method, path, body)
        assert (answer.status, answer.code) == (403, "forbidden"), f"{method} {path}"
        assert answer.body["executed"] is False
    assert (await scene.owner.ask("GET", f"/video/{scene.video}")).status == 200


async def test_nobody_acts_for_somebody_else(scene: Scene):
    owner, stranger = scene.owner.user_id, scene.stranger
    for method, path, body in (
        ("GET", f"/feed?user_id={owner}", None),
        ("POST", f"/video/{scene.video}/like", {"user_id": owner}),
        ("DELETE", f"/video/{scene.video}/like", {"user_id": owner}),
        ("POST", "/upload/video", BODIES["POST /upload/video"] | {"user_id": owner}),
        ("POST", f"/user/{owner}/follow", {"follower_id": owner}),
    ):
        answer = await stranger.ask(method, path, body)
        assert (answer.status, answer.code) == (403, "forbidden"), f"{method} {path}: {answer}"
    wrong = await stranger.ask("POST", f"/user/{owner}/follow", {"followee_id": stranger.user_id})
    assert (wrong.status, wrong.code) == (400, "invalid_request")


async def test_ids_in_bodies_and_queries_open_nothing(scene: Scene):
    stranger = scene.stranger
    hidden = (scene.pending, scene.removed)
    for each in hidden:
        report = {"target_kind": "video", "target_id": each, "reason": "spam"}
        assert (await stranger.ask("POST", "/reports", report)).status == 404
        answer = await stranger.ask("GET", f"/videos?ids={each},{scene.video}")
        assert [item["video_id"] for item in answer.body["items"]] == [scene.video]
        assert answer.body["missing"] == [each]
        views = {"views": [{"view_id": "s", "video_id": each, "watched_ms": 1}]}
        assert (await stranger.call("POST", "/views", views))["accepted"] == 0
    path = f"/video/{scene.video}/comments"
    for parent in (scene.video, "1", scene.owner.user_id):
        answer = await stranger.ask("POST", path, {"text": "x", "parent_id": parent})
        assert answer.status in (400, 404), answer
        answer = await stranger.ask("GET", f"{path}?parent_id={parent}")
        assert answer.status in (200, 400, 404)
        assert answer.status != 200 or answer.body["items"] == []


async def test_notifications_and_uploads_are_only_ever_ones_own(scene: Scene):
    stranger = scene.stranger
    seq = (await scene.owner.call("GET", "/notifications"))["items"][0]["seq"]
    unread = (await scene.owner.call("GET", "/notifications"))["unread"]
    assert unread > 0
    assert (await stranger.ask("POST", "/notifications/read", {"up_to_seq": seq})).status == 204
    assert (await scene.owner.call("GET", "/notifications"))["unread"] == unread
    mine = {each["video_id"] for each in await scene.stranger.items("/upload/video")}
    assert scene.pending not in mine


async def test_a_cursor_is_only_good_for_who_got_it_and_where(scene: Scene):
    assert len(scene.cursors) >= 8, scene.cursors
    for path, cursor in scene.cursors.items():
        joint = "&" if "?" in path else "?"
        own = await scene.owner.ask("GET", f"{path}{joint}limit=1&cursor={quote(cursor)}")
        assert own.status == 200, f"{path}: {own}"
        if "/activity" not in path:
            answer = await scene.stranger.ask("GET", f"{path}{joint}cursor={quote(cursor)}")
            assert (answer.status, answer.code) == (400, "invalid_cursor"), f"{path}: {answer}"
        for other in scene.cursors:
            if other != path:
                joint = "&" if "?" in other else "?"
                answer = await scene.owner.ask("GET", f"{other}{joint}cursor={quote(cursor)}")
                assert answer.code == "invalid_cursor", f"the cursor of {path} at {other}"
        for forged in (cursor[:-1], cursor[::-1], f"{cursor}A", "A" * 5_000, "é", "", "%00"):
            joint = "&" if "?" in path else "?"
            answer = await scene.owner.ask("GET", f"{path}{joint}cursor={quote(forged, safe='%')}")
            assert answer.status == 400, f"{path} with {forged[:20]!r}: {answer}"


async def test_somebody_elses_idempotency_key_is_another_key(scene: Scene):
    path, body = f"/video/{scene.video}/comments", {"text": "under one key"}
    first = await scene.owner.call("POST", path, body, key="shared-key")
    other = await scene.stranger.call("POST", path, body, key="shared-key")
    assert first["comment_id"] != other["comment_id"]
    assert other["author"]["user_id"] == scene.stranger.user_id
    again = await scene.stranger.call("POST", path, body, key="shared-key")
    assert again["comment_id"] == other["comment_id"]
    conflict = await scene.stranger.ask("POST", path, {"text": "another"}, key="shared-key")
    assert (conflict.status, conflict.code) == (409, "idempotency_conflict")
    announced = BODIES["POST /upload/video"]
    mine = await scene.owner.call("POST", "/upload/video", announced, key="up")
    theirs = await scene.stranger.call("POST", "/upload/video", announced, key="up")
    assert mine["video_id"] != theirs["video_id"]
    for bad in ("", "x" * 65, "é"):
        answer = await scene.owner.people.ask(
            "POST", path, body, headers=scene.owner.bearer | {"Idempotency-Key": bad}
        )
        assert (answer.status, answer.code) == (400, "invalid_request"), bad


def segments(token: str) -> list[dict[str, Any]]:
    """Header and claims of a token."""
    return [
        orjson.loads(base64.urlsafe_b64decode(each + "=" * (-len(each) % 4)))
        for each in token.split(".")[:2]
    ]


def packed(value: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")


async def test_forged_and_expired_tokens_prove_nobody(scene: Scene, serving: Serving):
    owner, stranger = scene.owner, scene.stranger
    header, claims = segments(stranger.access)
    signature = stranger.access.rpartition(".")[2]
    as_owner = claims | {"sub": owner.user_id}
    forged = {
        "somebody else's name": f"{packed(header)}.{packed(as_owner)}.{signature}",
        "no signature": f"{packed(header | {'alg': 'none'})}.{packed(as_owner)}.",
        "a symmetric one": f"{packed(header | {'alg': 'HS256'})}.{packed(as_owner)}.{signature}",
        "longer": f"{packed(header)}.{packed(claims | {'exp': 1 << 33})}.{signature}",
        "an unknown key": f"{packed(header | {'kid': 'x'})}.{packed(claims)}.{signature}",
        "cut short": stranger.access[:-4],
        "a refresh token": owner.refresh,
        "nothing": "",
        "noise": "é.ü.ö".encode().decode("latin-1"),
        "much": "A" * 4_000,
        "dots": "." * 50,
    }
    for what, token in forged.items():
        person = Person(owner.people, "nobody", access=token)
        answer = await person.ask("GET", "/user/me")
        assert (answer.status, answer.code) == (401, "unauthenticated"), what
        assert answer.body["executed"] is False
    clock = _Shifted(serving.product.gateway.clock, -3600)
    keys = serving.product.gateway.keys
    old = type(serving.server._edge.access)(keys, serving.product.gateway.settings, clock)
    expired = old.sign(int(owner.user_id), int(segments(owner.access)[1]["sid"]))
    answer = await Person(owner.people, "late", access=expired).ask("GET", "/user/me")
    assert (answer.status, answer.code) == (401, "unauthenticated")
    for wrong in ("Basic abc", "bearer", f"Token {owner.access}"):
        answer = await owner.people.ask("GET", "/feed", headers={"Authorization": wrong})
        assert answer.status == 401
    assert (await owner.people.ask("GET", "/feed")).status == 401
    for token in ("", "x", stranger.access, owner.refresh[:-2], owner.refresh + "A"):
        answer = await owner.people.ask("POST", "/auth/refresh", {"refresh_token": token})
        assert answer.status in (400, 401), token


class _Shifted:
    """A clock that goes wrong by so many seconds."""

    def __init__(self, clock: Any, seconds: int) -> None:
        self._clock = clock
        self._ms = seconds * 1000

    def unix_ms(self) -> int:
        return int(self._clock.unix_ms()) + self._ms

    def monotonic(self) -> float:
        return float(self._clock.monotonic())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def test_a_used_refresh_token_ends_its_family_and_nobody_elses(people: People):
    thief, other = await people.join("victim"), await people.join("other")
    first = thief.refresh
    second = await people.ask("POST", "/auth/refresh", {"refresh_token": first})
    assert second.status == 200
    repeat = await people.ask("POST", "/auth/refresh", {"refresh_token": first})
    assert repeat.body["refresh_token"] == second.body["refresh_token"], "a lost answer"
    thief.take(second)
    third = await people.ask("POST", "/auth/refresh", {"refresh_token": thief.refresh})
    assert third.status == 200
    stolen = await people.ask("POST", "/auth/refresh", {"refresh_token": first})
    assert stolen.status == 401
    thief.take(third)
    assert (await thief.ask("GET", "/user/me")).status == 401, "the whole family has ended"
    assert (await other.ask("GET", "/user/me")).status == 200


async def test_media_are_served_to_who_has_the_address_and_to_nobody_else(scene: Scene):
    people = scene.owner.people
    media = (await scene.stranger.call("GET", f"/video/{scene.video}"))["media"]
    good = media["base"] + media["mp4"]
    assert (await people.ask("GET", good, well_mannered=False)).status == 200
    head, _, rest = media["base"].partition("/media/")
    signature, expiry, path = rest.split("/", 2)
    for bad in (
        f"{head}/media/{'A' * len(signature)}/{expiry}/{path}{media['mp4']}",
        f"{head}/media/{signature}/{int(expiry) + 3600}/{path}{media['mp4']}",
        f"{head}/media/{signature}/{expiry}/quarantine/{scene.pending}",
        f"{head}/media/{signature}/{expiry}/{path}..%2f..%2f..%2fsecrets%2fcursors.key",
        f"{head}/media/{signature}/{expiry}/{path}../../../../kinora.db",
        f"{head}/media/{signature}/{expiry}/v/{scene.removed}/1/{media['mp4']}",
    ):
        answer = await people.ask("GET", bad, well_mannered=False)
        assert answer.status in (400, 403, 404, 410), f"{bad}: {answer.status}"


async def test_a_signed_upload_takes_what_was_signed_and_nothing_else(scene: Scene, clip: Path):
    owner, people = scene.owner, scene.owner.people
    content = await asyncio.to_thread(clip.read_bytes)
    announced = {"caption": "x", "size_bytes": len(content), "content_type": "video/mp4"}
    signed = (await owner.call("POST", "/upload/video", announced))["upload"]
    other = (await owner.call("POST", "/upload/video", announced))["upload"]

    async def send(fields: dict[str, str], body: bytes, kind: str = "video/mp4") -> int:
        form = aiohttp.FormData()
        for name, value in fields.items():
            form.add_field(name, value)
        form.add_field(signed["file_field"], body, filename="x.mp4", content_type=kind)
        answer = await people.ask("POST", signed["url"], data=form, well_mannered=False)
        return answer.status

    swapped = signed["fields"] | {"key": other["fields"].get("key", "quarantine/1")}
    assert 400 <= await send(swapped, content) < 500
    assert 400 <= await send(signed["fields"], content + b"more") < 500
    forged = {name: value[::-1] for name, value in signed["fields"].items()}
    assert 400 <= await send(forged, content) < 500
    assert 200 <= await send(signed["fields"], content) < 300
