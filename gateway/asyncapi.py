"""`/asyncapi.json` (3.0): the websocket, made from the shapes that it is spoken with."""

from functools import cache
from typing import Annotated, Any, Literal

import msgspec
import orjson

from actors import answers
from gateway import dialogue
from gateway.fields import schema_hook
from gateway.openapi import REF
from sharding.errors import FieldError

CLOSE_CODES = {
    "1012": "restart; reconnect after `goaway`'s `retry_ms`",
    "4400": "bad frame: too large, no JSON object, or no hello in time",
    "4401": "the session has ended",
    "4408": "slow consumer; reconnect with `resume`",
    "4429": "too many connections or frames",
}


class Ack(msgspec.Struct, frozen=True, kw_only=True):
    """Done; beside these members stand those of the HTTP answer."""

    op: Literal["ack"]
    id: str


class SocketError(msgspec.Struct, frozen=True, kw_only=True):
    """Not done; `code` is one of the problem codes of HTTP."""

    op: Literal["error"]
    id: str | None
    code: str
    detail: str
    errors: tuple[FieldError, ...] = ()
    retry_after_s: float | None = None
    executed: bool | None = None


class GoAway(msgspec.Struct, frozen=True, kw_only=True):
    """This process leaves: reconnect after so long."""

    op: Literal["goaway"]
    retry_ms: Annotated[int, msgspec.Meta(ge=1_000, le=30_000)]


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """An event without a number: it is not repeated after a reconnect."""

    op: Literal["event"]
    type: Literal["upload.progress"]
    at: str
    data: msgspec.Raw


#: What clients say, and what the server does.
FROM_CLIENT: tuple[type[msgspec.Struct], ...] = (
    dialogue.Hello,
    dialogue.SaidView,
    dialogue.SaidLike,
    dialogue.SaidUnlike,
    dialogue.SaidPing,
)
FROM_SERVER: tuple[type[msgspec.Struct], ...] = (
    dialogue.Welcome,
    dialogue.Resync,
    answers.SocketEvent,
    Progress,
    Ack,
    SocketError,
    GoAway,
)


@cache
def asyncapi(*, title: str, version: str) -> bytes:
    """The document of the websocket."""
    _, components = msgspec.json.schema_components(
        [*FROM_CLIENT, *FROM_SERVER], schema_hook=schema_hook, ref_template=REF
    )
    messages = {
        each.__name__: {
            "name": each.__name__,
            "summary": (each.__doc__ or "").partition("\n")[0],
            "contentType": "application/json",
            "payload": {"$ref": REF.format(name=each.__name__)},
        }
        for each in (*FROM_CLIENT, *FROM_SERVER)
    }
    return orjson.dumps(
        {
            "asyncapi": "3.0.0",
            "info": {"title": title, "version": version},
            "defaultContentType": "application/json",
            "channels": {
                "socket": {
                    "address": "/ws",
                    "messages": {name: {"$ref": _message(name)} for name in messages},
                    "bindings": {"ws": {"method": "GET", "query": _QUERY}},
                    "x-close-codes": CLOSE_CODES,
                }
            },
            "operations": {
                "hear": _operation("receive", FROM_CLIENT),
                "tell": _operation("send", FROM_SERVER),
            },
            "components": {"messages": messages, "schemas": components},
        }
    )


_QUERY = {
    "type": "object",
    "properties": {"ticket": {"type": "string", "description": "From POST /ws/ticket."}},
}


def _operation(action: str, shapes: tuple[type[msgspec.Struct], ...]) -> dict[str, Any]:
    within = "#/channels/socket/messages/"
    return {
        "action": action,
        "channel": {"$ref": "#/channels/socket"},
        "messages": [{"$ref": within + each.__name__} for each in shapes],
    }


def _message(name: str) -> str:
    return f"#/components/messages/{name}"
