"""What is said between a gateway and a node, as payloads of frames.

    gateway                                   node
    HELLO  Hello                        →
                                        ←     HELLO  Hello, with the window; or GOAWAY, and the end
    ASK    Asked                        →
                                        ←     REPLY  JSON as it is, or a struct; ERROR ErrorRecord; MOVED Moved
                                        ←     CREDIT the window anew, in `call`
                                        ←     PUSH   to a websocket: `entity` is its number, `call` no more than 0
    PING                                →
                                        ←     PING
                                        ←     GOAWAY Farewell: ask nothing more; what is under way is answered

An answer gives the credit of its ask back. Finished JSON is not wrapped, so that a page of a feed is copied
and never looked into. A message that the other build does not know is refused as not executed, so that
gateways and nodes may be replaced one after the other; a protocol or a number of shards that differs ends
the connection with a word.
"""

from collections.abc import Iterator
from struct import Struct as Layout
from typing import Any, Final, Literal, Union

import msgspec

from actors import messages
from actors.messages import Caller, Message
from actors.replies import Attached, CredentialFound, Granted, Uploads, UploadTicket
from sharding.codec import Codec
from sharding.errors import ErrorRecord
from sharding.frames import Frame, FrameKind, encode_frame, pack_header
from sharding.shards import SHARD_COUNT
from sharding.table import Moved

#: Raised whenever frames or their payloads mean something else.
PROTOCOL: Final = 1

#: Flag of a REPLY: the payload is the answer itself.
PLAIN: Final = 1
#: Flags of a PUSH: what is to be done with the connection.
DELIVER, END, DETACH, DETACH_ALL = 0, 1, 2, 3
#: Number of the event, before its text.
SEQ = Layout("!Q")


class Asked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message and on whose behalf it is; its deadline stands in the frame."""

    message: Any
    session: int = 0
    op_id: bytes = b""
    keyed: bool = False
    digest: bytes = b""
    request_id: str = ""


class Hello(msgspec.Struct, frozen=True, kw_only=True):
    """Who is there, and by which rules."""

    protocol: int = PROTOCOL
    shards: int = SHARD_COUNT
    #: A gateway's name has its start in it; a node's is the one in the table.
    name: str
    #: This start of it.
    incarnation: str = ""
    #: Asks that may be under way at a time; the node's to say.
    window: int = 0


FarewellReason = Literal[
    "protocol", "shards", "malformed", "full", "replaced", "silent", "stopping"
]


class Farewell(msgspec.Struct, frozen=True, kw_only=True):
    """Why a side ends the connection."""

    reason: FarewellReason
    detail: str = ""


def _members(root: type[Message[Any]] = Message) -> Iterator[type[Message[Any]]]:
    for each in root.__subclasses__():
        yield from _members(each)
        if each.__module__ == messages.__name__ and not getattr(each, "__parameters__", ()):
            yield each


#: Every message that there is, by the names of their classes.
MESSAGES: tuple[type[Message[Any]], ...] = tuple(
    sorted(set(_members()), key=lambda each: each.__name__)
)

# The decoder must know the union; whoever encodes hands over a member of it.
_AskedOfUnion = msgspec.defstruct(
    "Asked",
    [
        ("message", Union[MESSAGES]),  # noqa: UP007 - made from a tuple
        ("session", int, 0),
        ("op_id", bytes, b""),
        ("keyed", bool, False),
        ("digest", bytes, b""),
        ("request_id", str, ""),
    ],
    frozen=True,
    kw_only=True,
)
ASKS: Codec[Asked] = Codec(_AskedOfUnion)
STRUCTS: Codec[Granted | CredentialFound | UploadTicket | Uploads | Attached] = Codec(
    Granted | CredentialFound | UploadTicket | Uploads | Attached
)
ERRORS: Codec[ErrorRecord] = Codec(ErrorRecord)
MOVES: Codec[Moved] = Codec(Moved)
HELLOS: Codec[Hello] = Codec(Hello)
FAREWELLS: Codec[Farewell] = Codec(Farewell)


def encode_ask(message: Message[Any], caller: Caller) -> bytes:
    """The payload of an ASK."""
    return ASKS.encode(
        Asked(
            message=message,
            session=caller.session,
            op_id=caller.op_id,
            keyed=caller.keyed,
            digest=caller.digest,
            request_id=caller.request_id,
        )
    )


def hello_frame(hello: Hello) -> bytes:
    """The first frame of either side."""
    return encode_frame(Frame(kind=FrameKind.HELLO, payload=HELLOS.encode(hello)))


def goaway_frame(farewell: Farewell) -> bytes:
    """The last frame of a node; of a gateway, too, where it refuses what it hears."""
    return encode_frame(Frame(kind=FrameKind.GOAWAY, payload=FAREWELLS.encode(farewell)))


def push_frame(action: int, number: int, seq: int = 0, frame: bytes = b"") -> bytes:
    """One thing to be done with the gateway's connection `number`."""
    body = SEQ.pack(seq) + frame if action == DELIVER else b""
    return pack_header(len(body), 0, FrameKind.PUSH, action, 0, number, 0) + body


#: Asks for, or is, a sign of life.
PING_FRAME: Final = encode_frame(Frame(kind=FrameKind.PING))


def check_hello(hello: Hello) -> Farewell | None:
    """Why one cannot talk to who says `hello`; None if one can."""
    if hello.protocol != PROTOCOL:
        return Farewell(
            reason="protocol", detail=f"{PROTOCOL} is spoken here, not {hello.protocol}"
        )
    if hello.shards != SHARD_COUNT:
        return Farewell(reason="shards", detail=f"there are {SHARD_COUNT} here, not {hello.shards}")
    return None
