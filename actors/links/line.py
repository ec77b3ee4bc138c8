"""One connection of a gateway to a node, from hello to its end.

What is asked within one turn of the loop is written at once. Until then, and while the node does not read,
an ask is not written: should the connection end, it was certainly not executed and goes back to its owner.
What was handed to the transport counts as written, whether or not it ever left this machine.
"""

import asyncio
from typing import Protocol, cast

from actors.links import wire
from actors.links.call import Call, LinkLost, MovedAway
from actors.links.settings import CallerSettings
from actors.links.wire import Farewell, FarewellReason, Hello
from sharding.codec import UnknownMessage
from sharding.errors import KinoraError
from sharding.frames import Frame, FrameKind, FrameReader, FrameRefused, pack_header

_ASK, _REPLY, _PUSH = FrameKind.ASK, FrameKind.REPLY, FrameKind.PUSH
_CALLS = 1 << 32


class LineOwner(Protocol):
    """What a line tells whoever holds it."""

    def opened(self, line: "Line") -> None:
        """Hello was said by both sides."""
        ...

    def has_room(self, line: "Line") -> None:
        """More may be asked than a moment ago."""
        ...

    def pushed(self, action: int, number: int, seq: int, frame: bytes) -> None:
        """A node wants something done with a websocket."""
        ...

    def closed(self, line: "Line", unsent: list[Call]) -> None:
        """It is over; `unsent` were certainly not executed, all others have been told."""
        ...


class Line(asyncio.Protocol):
    """The gateway's end of one connection."""

    def __init__(
        self, owner: LineOwner, hello: Hello, settings: CallerSettings, now: float
    ) -> None:
        self._owner = owner
        self._hello = hello
        self._settings = settings
        self._reader = FrameReader(settings.max_payload_bytes)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        #: Asks that the node has not answered, by number; expired ones too, for they still hold a credit.
        self.calls: dict[int, Call] = {}
        #: Bytes and calls of this turn of the loop, not handed to the transport yet.
        self._out: list[bytes] = []
        self._fresh: list[Call] = []
        self._number = 0
        self._writable = True
        self._leaving = False
        self._over = False
        #: What the node takes at a time; 0 before its hello and after its goodbye.
        self.window = 0
        #: The node as it introduced itself.
        self.peer: Hello | None = None
        #: Why it ended, where somebody said so.
        self.farewell: Farewell | None = None
        #: Set by whatever arrives, cleared by whoever watches for silence.
        self.heard = True
        self.heard_at = self.pinged_at = now
        self.late = 0
        #: Done once the node has said hello, or never will.
        self.greeted: asyncio.Future[None] = self._loop.create_future()
        self.ended: asyncio.Future[None] = self._loop.create_future()

    @property
    def room(self) -> bool:
        """Whether one more may be asked now."""
        return len(self.calls) < self.window and self._writable

    @property
    def up(self) -> bool:
        """Whether it is open for asks, now or as soon as there is room."""
        return self.window > 0 and not self._over

    def send(self, call: Call, now: float) -> None:
        """Ask; only while there is room."""
        number = self._number = (self._number + 1) % _CALLS
        self.calls[number] = call
        # Of a moment at least: 0 would mean that nobody ever stops waiting.
        left = max(1, int((call.deadline - now) * 1000)) if call.deadline else 0
        payload = call.payload
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(
            pack_header(
                len(payload), number, _ASK, 0, call.shard, call.entity, min(left, _CALLS - 1)
            )
        )
        self._out.append(payload)
        self._fresh.append(call)

    def ping(self) -> None:
        """Ask for a sign of life."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(wire.PING_FRAME)

    def close(self) -> None:
        """End it without a word; safe to repeat."""
        if self._transport is not None:
            self._transport.abort()

    def _flush(self) -> None:
        if not self._writable or self._over:
            return
        out, self._out = self._out, []
        self._fresh.clear()
        assert self._transport is not None
        if out:
            self._transport.write(b"".join(out))

    # What the loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are of no class of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._settings.write_buffer_bytes)
        self._transport.write(wire.hello_frame(self._hello))

    def data_received(self, data: bytes) -> None:
        self.heard = True
        calls = self.calls
        was_full = len(calls) >= self.window
        try:
            for frame in self._reader.feed(data):
                if frame.kind is _REPLY and frame.flags == wire.PLAIN:
                    call = calls.pop(frame.call, None)
                    if call is not None and not call.future.done():
                        call.future.set_result(frame.payload)
                    else:
                        self.late += 1
                else:
                    self._take(frame)
        except (FrameRefused, UnknownMessage) as error:
            self._refuse("malformed", str(error))
            return
        if was_full and len(calls) < self.window:
            self._owner.has_room(self)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._out:
            self._flush()
        self._owner.has_room(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._over = True
        unsent, self._fresh = self._fresh, []
        kept = set(map(id, unsent))
        calls, self.calls = self.calls, {}
        self._out.clear()
        self.window = 0
        for call in calls.values():
            if id(call) not in kept:
                call.fail(LinkLost())
        self._owner.closed(self, [call for call in unsent if not call.future.done()])
        self._settle_greeting()
        if not self.ended.done():
            self.ended.set_result(None)

    def _settle_greeting(self) -> None:
        if not self.greeted.done():
            self.greeted.set_result(None)

    # What the node says.

    def _take(self, frame: Frame) -> None:
        if frame.kind is _PUSH:
            self._push(frame)
        elif frame.kind is _REPLY:
            # Read before its call is given up: should it be none, the call is lost with the line.
            reply = wire.STRUCTS.decode(frame.payload)
            call = self.calls.pop(frame.call, None)
            if call is not None and not call.future.done():
                call.future.set_result(reply)
            else:
                self.late += 1
        elif frame.kind is FrameKind.ERROR:
            error = KinoraError.of(wire.ERRORS.decode(frame.payload))
            self._answered(frame.call, error)
        elif frame.kind is FrameKind.MOVED:
            moved = wire.MOVES.decode(frame.payload)
            node = self.peer.name if self.peer is not None else ""
            self._answered(frame.call, MovedAway(node, moved))
        elif frame.kind is FrameKind.CREDIT:
            self._granted(frame.call)
        elif frame.kind is FrameKind.HELLO:
            self._greeted(wire.HELLOS.decode(frame.payload))
        elif frame.kind is FrameKind.GOAWAY:
            self.farewell = wire.FAREWELLS.decode(frame.payload)
            self._leaving = True
            self.window = 0
        elif frame.kind is not FrameKind.PING:
            raise FrameRefused(f"a node does not send {frame.kind.name}")

    def _answered(self, number: int, error: Exception) -> None:
        call = self.calls.pop(number, None)
        if call is None or call.future.done():
            self.late += 1
        else:
            call.fail(error)

    def _push(self, frame: Frame) -> None:
        seq, text = 0, b""
        if frame.flags == wire.DELIVER:
            if len(frame.payload) < wire.SEQ.size:
                raise FrameRefused("a push without its number")
            (seq,) = wire.SEQ.unpack_from(frame.payload)
            text = frame.payload[wire.SEQ.size :]
        elif frame.flags > wire.DETACH_ALL:
            raise FrameRefused(f"an unknown push {frame.flags}")
        self._owner.pushed(frame.flags, frame.entity, seq, text)

    def _granted(self, window: int) -> None:
        if self.peer is None:
            raise FrameRefused("credit before hello")
        if not self._leaving:
            self.window = window
            if self.room:
                self._owner.has_room(self)

    def _greeted(self, hello: Hello) -> None:
        if self.peer is not None:
            raise FrameRefused("hello twice")
        refusal = wire.check_hello(hello)
        if refusal is not None:
            self._refuse(refusal.reason, refusal.detail)
            return
        self.peer = hello
        self.window = hello.window
        self._settle_greeting()
        self._owner.opened(self)

    def _refuse(self, reason: FarewellReason, detail: str) -> None:
        self.farewell = Farewell(reason=reason, detail=detail)
        self.window = 0
        assert self._transport is not None
        self._transport.write(wire.goaway_frame(self.farewell))
        self._transport.close()
        self._loop.call_later(self._settings.hello_s, self._transport.abort)

    def __repr__(self) -> str:
        node = self.peer.name if self.peer is not None else "?"
        return f"<Line to={node} under_way={len(self.calls)}/{self.window} over={self._over}>"
