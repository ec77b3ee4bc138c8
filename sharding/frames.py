"""Frames: how messages lie on a byte stream between two processes.

    length u32 · call u32 · kind u8 · flags u8 · shard u16 · entity u64 · deadline u32    then `length` bytes

Big-endian, 24 bytes of header. `call` pairs an answer with its question, so that many are under way on one
connection. `deadline` is how many milliseconds the sender still waits: a duration, since clocks of two
machines differ. Length-prefixed frames, not a request-reply broker: a frame that was not written was
certainly not executed, which no broker can say.

Sans-I/O: `FrameReader` takes what the socket gave and returns whole frames. A frame of an unknown kind, or
longer than `max_payload`, is refused as soon as its header is there, before anything is buffered for it.
"""

from enum import IntEnum
from struct import Struct

import msgspec

_HEADER = Struct("!IIBBHQI")
HEADER_BYTES = _HEADER.size
#: The largest payload that a reader takes, in bytes, unless told otherwise.
MAX_PAYLOAD_BYTES = 1024 * 1024


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


class FrameRefused(ValueError):
    """The peer does not speak this protocol, or sends more than agreed; the connection must end."""


class Frame(msgspec.Struct, frozen=True, kw_only=True):
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
        _HEADER.pack(
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

    __slots__ = ("_buffer", "_max_payload")

    def __init__(self, max_payload: int = MAX_PAYLOAD_BYTES) -> None:
        self._buffer = bytearray()
        self._max_payload = max_payload

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes, in order.

        Raises:
            FrameRefused: a header names an unknown kind or too long a payload.
        """
        buffer = self._buffer
        buffer += data
        frames: list[Frame] = []
        at = 0
        while len(buffer) - at >= HEADER_BYTES:
            length, call, kind, flags, shard, entity, deadline = _HEADER.unpack_from(buffer, at)
            if length > self._max_payload:
                raise FrameRefused(f"a payload of {length} bytes; {self._max_payload} are allowed")
            try:
                known = FrameKind(kind)
            except ValueError:
                raise FrameRefused(f"unknown frame kind {kind}") from None
            end = at + HEADER_BYTES + length
            if len(buffer) < end:
                break
            frames.append(
                Frame(
                    kind=known,
                    call=call,
                    shard=shard,
                    entity=entity,
                    deadline_ms=deadline,
                    flags=flags,
                    payload=bytes(buffer[at + HEADER_BYTES : end]),
                )
            )
            at = end
        del buffer[:at]
        return frames

    @property
    def buffered_bytes(self) -> int:
        """How much of an unfinished frame is held; at most one header and `max_payload`."""
        return len(self._buffer)
