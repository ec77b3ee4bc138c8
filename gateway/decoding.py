"""How bodies are read: JSON of one known shape, or a refusal that names the field."""

import re
from functools import cache
from typing import Any, TypeVar

import msgspec

from actors.messages import View
from gateway.bodies import Body, ViewEntry
from gateway.fields import dec_hook, plain
from sharding.errors import FieldError, InvalidRequest, UnsupportedMedia

B = TypeVar("B", bound=msgspec.Struct)

_PLACE = re.compile(r" - at `\$\.?([^`]*)`$")
_NAMED = re.compile(r"(unknown|missing required) field `([^`]*)`")
_CODE = re.compile(r"[a-z0-9_]{1,32}")


@cache
def decoder_of(kind: type[B]) -> "msgspec.json.Decoder[B]":
    """One decoder for each shape."""
    return msgspec.json.Decoder(kind, dec_hook=dec_hook)


def read_json(raw: bytes, kind: type[B]) -> B:
    """The value that `raw` writes.

    Raises:
        InvalidRequest: it is no JSON, or of another shape; `fields` names what is wrong.
    """
    try:
        decoded: B = decoder_of(kind).decode(raw)
        return plain(decoded)
    except msgspec.ValidationError as error:
        raise _refusal(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidRequest("The body is not valid JSON.") from None


def read_body(raw: bytes, content_type: str | None, kind: type[Body]) -> Body:
    """The body of a call; nothing at all is an empty object.

    Raises:
        UnsupportedMedia: it is something else than JSON.
        InvalidRequest: see `read_json`.
    """
    if not raw:
        return read_json(b"{}", kind)
    if media_type(content_type) != "application/json":
        raise UnsupportedMedia("Send application/json.")
    return read_json(raw, kind)


def media_type(content_type: str | None) -> str:
    """The bare type of a Content-Type header, lower case; empty for none."""
    return (content_type or "").partition(";")[0].strip().lower()


def read_views(entries: list[msgspec.Raw]) -> tuple[tuple[View, ...], int]:
    """The usable entries of a batch, and how many were not."""
    views: list[View] = []
    for entry in entries:
        try:
            views.append(_view(read_json(bytes(entry), ViewEntry)))
        except InvalidRequest:
            continue
    return tuple(views), len(entries) - len(views)


def json_text(value: dict[str, Any], *, max_bytes: int, field: str) -> str:
    """`value` as compact JSON.

    Raises:
        InvalidRequest: it is too long, or holds what JSON cannot.
    """
    try:
        text = msgspec.json.encode(value)
    except (ValueError, OverflowError, TypeError, RecursionError):
        raise InvalidRequest(fields=(FieldError(field, "invalid"),)) from None
    if len(text) > max_bytes:
        raise InvalidRequest(fields=(FieldError(field, "too_long"),))
    return text.decode()


def _view(entry: ViewEntry) -> View:
    return View(
        view_id=entry.view_id,
        video_id=entry.video_id,
        req_id=entry.req_id,
        position=entry.position,
        ago_ms=entry.ago_ms,
        watched_ms=entry.watched_ms,
        completed=entry.completed,
    )


def _refusal(message: str) -> InvalidRequest:
    """msgspec's one sentence as a field and a code."""
    place = _PLACE.search(message)
    field = place[1] if place else ""
    reason = message[: place.start()] if place else message
    if named := _NAMED.search(reason):
        field = f"{field}.{named[2]}" if field else named[2]
        code = "unknown" if named[1] == "unknown" else "missing"
    elif _CODE.fullmatch(reason):
        code = reason
    else:
        code = "type" if reason.startswith("Expected `") and ", got" in reason else "invalid"
    detail = f"{field}: {code}." if field else "The body is not of the documented shape."
    return InvalidRequest(detail, fields=(FieldError(field[:128], code),))
