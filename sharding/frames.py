"""Frames: how messages lie on a byte stream between two processes.

    length u32 · call u32 · kind u8 · flags u8 · shard u16 · entity u64 · deadline u32    then `length` bytes

Big-endian, 24 bytes of header. `call` pairs an answer with its question, so that many are under way on one
connection. `deadline` is how many milliseconds the sender still waits: a duration, since clocks of two
machines differ. Length-prefixed frames, not a request-reply broker: a frame that was not written was
certainly not executed, which no broker can say.

Sans-I/O: `FrameReader` takes what the socket gave and returns whole frames. A frame of an unknown kind, or
longer than `max_payload`, is refused as soon as its header is there, before anything is buffered for it.
It is on the way of every request: whole frames are cut straight out of what came, and only the unfinished
rest of it is ever copied aside.
"""

from enum import IntEnum
from struct import Struct

import msgspec

_HEADER = Struct("!IIBBHQI")
HEADER_BYTES = _HEADER.size
#: The largest payload that a reader takes, in bytes, unless told otherwise.
MAX_PAYLOAD_BYTES = 1024 * 1024

#: The header of a frame from (length, call, kind, flags, shard, entity, deadline), for who writes many.
pack_header = _HEADER.pack
_unpack_from = _HEADER.unpack_from


class FrameKind(IntEnum):
    """What a frame is."""

    ASK = 1
    TELL = 2
    REPLY = 3
    ERROR = 4
    MOVED = 5
    PUSH = 6
    CREDIT = 7
    GOAWAY = 8
    HELLO = 9
    PING = 10


#: By number; an enum's own lookup costs more than the rest of a header.
_KINDS: dict[int, FrameKind] = {int(kind): kind for kind in FrameKind}


class FrameRefused(ValueError):
    """The peer does not speak this protocol, or sends more than agreed; the connection must end."""


# Holds no references back, so the collector of cycles need not know of it.
class Frame(msgspec.Struct, frozen=True, gc=False):
    """One message on the wire."""

    kind: FrameKind
    call: int = 0
    shard: int = 0
    entity: int = 0
    #: Milliseconds that the sender still waits; 0 for kinds that nobody waits for.
    deadline_ms: int = 0
    flags: int = 0
    payload: bytes = b""


def encode_frame(frame: Frame) -> bytes:
    """The bytes of a frame."""
    return (
        pack_header(
            len(frame.payload),
            frame.call,
            frame.kind,
            frame.flags,
            frame.shard,
            frame.entity,
            frame.deadline_ms,
        )
        + frame.payload
    )


class FrameReader:
    """Cuts a byte stream into frames, whatever pieces it comes in."""

    __slots__ = ("_max_payload", "_rest", "_wanted")

    def __init__(self, max_payload: int = MAX_PAYLOAD_BYTES) -> None:
        self._rest = bytearray()
        #: How long `_rest` must be before it is worth another look.
        self._wanted = HEADER_BYTES
        self._max_payload = max_payload

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes, in order.

        Raises:
            FrameRefused: a header names an unknown kind or too long a payload.
        """
        rest = self._rest
        if rest:
            rest += data
            if len(rest) < self._wanted:
                return []
            data = bytes(rest)
            rest.clear()
        frames: list[Frame] = []
        at, size = 0, len(data)
        wanted = HEADER_BYTES
        while size - at >= HEADER_BYTES:
            length, call, kind, flags, shard, entity, deadline = _unpack_from(data, at)
            if length > self._max_payload:
                raise FrameRefused(f"a payload of {length} bytes; {self._max_payload} are allowed")
            known = _KINDS.get(kind)
            if known is None:
                raise FrameRefused(f"unknown frame kind {kind}")
            end = at + HEADER_BYTES + length
            if size < end:
                wanted = HEADER_BYTES + length
                break
            payload = data[at + HEADER_BYTES : end]
            frames.append(Frame(known, call, shard, entity, deadline, flags, payload))
            at = end
        if at < size:
            rest += data[at:] if at else data
        self._wanted = wanted
        return frames

    @property
    def buffered_bytes(self) -> int:
        """How much of an unfinished frame is held; at most one header and `max_payload`."""
        return len(self._rest)
