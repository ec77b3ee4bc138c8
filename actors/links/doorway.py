"""One connection of a gateway, as its node sees it.

Answers of one turn of the loop are one write. A gateway that does not read what it asked for is not read
from either: its asks wait with it, not here.
"""

import asyncio
from typing import TYPE_CHECKING, Any, cast

from actors.links import wire
from actors.links.pushes import PushLane
from actors.links.wire import Farewell, FarewellReason, Hello
from actors.messages import AttachSocket, Caller, Message
from actors.replies import Reply
from sharding.codec import UnknownMessage
from sharding.errors import Internal, KinoraError, NotOwner, Overloaded, Unavailable
from sharding.frames import Frame, FrameKind, FrameReader, FrameRefused, encode_frame, pack_header
from sharding.table import Moved

if TYPE_CHECKING:
    from actors.links.door import NodeDoor

_ASK, _REPLY = FrameKind.ASK, FrameKind.REPLY


class Doorway(asyncio.Protocol):
    """The node's end of one connection."""

    def __init__(self, door: "NodeDoor") -> None:
        self._door = door
        self._settings = door.settings
        self._ask_nowait = door.runtime.ask_nowait
        self._reader = FrameReader(door.settings.max_payload_bytes)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._lane = PushLane(door.settings.push_bytes, self._wake)
        self._out: list[bytes] = []
        self._scheduled = False
        self._over = False
        self._heard = True
        self._heard_at = self._came_at = door.clock.monotonic()
        self._window = 0
        #: Name of the gateway, once it has said so.
        self.gateway = ""
        #: Asks that a task works on.
        self.in_flight = 0
        #: Whether the gateway does not read, so that it is not read from.
        self.paused = False

    # What the door wants.

    def grant(self, window: int) -> None:
        """Set how many asks may be under way."""
        if window != self._window:
            self._window = window
            self._write(pack_header(0, window, FrameKind.CREDIT, 0, 0, 0, 0))

    def leave(self) -> None:
        """Ask for nothing more."""
        self._write(wire.goaway_frame(Farewell(reason="stopping")))

    def hang_up(self) -> None:
        """Write what is left and close; who does not read it in time is cut off."""
        if self._transport is not None and not self._over:
            self._flush()
            self._transport.close()
            self._loop.call_later(self._settings.hello_s, self._transport.abort)

    def end(self, reason: FarewellReason, detail: str = "") -> None:
        """Say why, and close."""
        if not self._over:
            self._write(wire.goaway_frame(Farewell(reason=reason, detail=detail)))
            self.hang_up()
            self._gone()

    def sweep(self, now: float) -> None:
        """End a connection that has been silent for too long."""
        if self._heard:
            self._heard, self._heard_at = False, now
        elif now - self._heard_at >= self._settings.silence_s:
            self._door.counts.turned_away += 1
            self.end("silent")

    # What the loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's are of no class of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=self._settings.write_buffer_bytes)
        if not self._door.knocked(self):
            self._transport.abort()
            return
        self._loop.call_later(self._settings.hello_s, self._expect_hello)

    def data_received(self, data: bytes) -> None:
        if self._over:
            return
        self._heard = True
        # What is answered on the spot leaves at the end of this, with no turn of the loop in between.
        self._scheduled = True
        try:
            for frame in self._reader.feed(data):
                if frame.kind is _ASK and self.gateway:
                    self._ask(frame)
                else:
                    self._take(frame)
        except (FrameRefused, UnknownMessage) as error:
            self._door.counts.malformed += 1
            self.end("malformed", str(error))
        finally:
            self._scheduled = False
        self._flush()

    def pause_writing(self) -> None:
        self.paused = True
        assert self._transport is not None
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self.paused = False
        self._heard = True
        assert self._transport is not None
        if not self._transport.is_closing():
            self._transport.resume_reading()
            self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gone()

    def _gone(self) -> None:
        if self._over:
            return
        self._over = True
        self._out.clear()
        self._door.sockets.close(self.gateway, self._lane)
        self._door.went(self)

    def _expect_hello(self) -> None:
        if not self.gateway and not self._over:
            self._door.counts.turned_away += 1
            self.end("silent", "hello first")

    # What the gateway says.

    def _take(self, frame: Frame) -> None:
        if not self.gateway:
            if frame.kind is not FrameKind.HELLO:
                raise FrameRefused("hello first")
            self._greet(wire.HELLOS.decode(frame.payload))
        elif frame.kind is FrameKind.PING:
            self._write(wire.PING_FRAME)
        elif frame.kind is FrameKind.GOAWAY:
            self.hang_up()
        else:
            raise FrameRefused(f"a gateway does not send {frame.kind.name}")

    def _greet(self, hello: Hello) -> None:
        refusal = wire.check_hello(hello)
        reason = self._door.refuses()
        if refusal is None and reason is not None:
            refusal = Farewell(reason=reason)
        if refusal is None and not hello.name:
            refusal = Farewell(reason="malformed", detail="a gateway has a name")
        if refusal is not None:
            self._door.counts.turned_away += 1
            self.end(refusal.reason, refusal.detail)
            return
        self.gateway = hello.name
        self._window = self._door.came(self)
        ours = self._door.hello
        self._write(
            wire.hello_frame(
                Hello(name=ours.name, incarnation=ours.incarnation, window=self._window)
            )
        )
        self._door.sockets.open(self.gateway, self._lane)

    def _ask(self, frame: Frame) -> None:
        door, number = self._door, frame.call
        try:
            asked = wire.ASKS.decode(frame.payload)
        except UnknownMessage as error:
            door.counts.refused += 1
            self._error(
                number,
                Unavailable(
                    "This node does not know such a message.", executed=False, context=str(error)
                ),
            )
            return
        if frame.shard not in door.runtime.owned:
            self._moved(number, frame.shard)
            return
        message: Message[Any] = asked.message
        if not message.COMMAND:
            try:
                reply = self._ask_nowait(frame.entity, message, asked.session)
            except Exception as error:
                self._failed(number, frame.shard, message, error)
                return
            if reply is not None:
                door.counts.inline += 1
                self._reply(number, reply)
                return
        # What was granted before a smaller window was said may still be on its way.
        if self.in_flight >= self._settings.window:
            door.counts.refused += 1
            self._error(number, Overloaded("More is asked than was granted."))
            return
        caller = Caller(
            session=asked.session,
            op_id=asked.op_id,
            keyed=asked.keyed,
            digest=asked.digest,
            deadline=door.clock.monotonic() + frame.deadline_ms / 1000
            if frame.deadline_ms
            else 0.0,
            request_id=asked.request_id,
        )
        try:
            door.note(self, frame.entity, message)
            door.tasks.spawn(self._work(frame, message, caller), name=f"ask {frame.entity}")
        except KinoraError as error:
            self._error(number, error)
            return
        except RuntimeError:
            self._error(number, Unavailable("This node is stopping.", executed=False))
            return
        self.in_flight += 1
        door.counts.tasks += 1

    async def _work(self, frame: Frame, message: Message[Any], caller: Caller) -> None:
        door = self._door
        try:
            reply: Reply = await door.runtime.ask(frame.entity, message, caller)
        except Exception as error:
            if isinstance(message, AttachSocket):
                door.forget(self, message.connection)
            self._failed(frame.call, frame.shard, message, error)
        else:
            self._reply(frame.call, reply)
        finally:
            self.in_flight -= 1

    # Answers.

    def _reply(self, number: int, reply: Reply) -> None:
        plain = type(reply) is bytes
        payload: bytes = reply if plain else wire.STRUCTS.encode(reply)  # type: ignore[assignment, arg-type]
        size = len(payload)
        if size > self._settings.max_payload_bytes:
            # Nobody could read it; whether something was done is not said here.
            self._error(number, Internal(context=f"an answer of {size} bytes"))
            return
        self._write(pack_header(size, number, _REPLY, wire.PLAIN if plain else 0, 0, 0, 0))
        self._out.append(payload)

    def _failed(self, number: int, shard: int, message: Message[Any], error: Exception) -> None:
        if isinstance(error, NotOwner):
            self._moved(number, shard)
        elif isinstance(error, KinoraError):
            self._error(number, error)
        else:
            self._door.alarm(f"ask of {type(message).__name__}", error)
            self._error(number, Internal(context=repr(error)))

    def _moved(self, number: int, shard: int) -> None:
        door = self._door
        door.counts.moved += 1
        moved = Moved(shard=shard, home=door.whereabouts(shard))
        self._say(FrameKind.MOVED, number, wire.MOVES.encode(moved))

    def _error(self, number: int, error: KinoraError) -> None:
        self._say(FrameKind.ERROR, number, wire.ERRORS.encode(error.record()))

    def _say(self, kind: FrameKind, number: int, payload: bytes) -> None:
        self._write(encode_frame(Frame(kind=kind, call=number, payload=payload)))

    # Writing.

    def _write(self, data: bytes) -> None:
        self._out.append(data)
        self._wake()

    def _wake(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._scheduled_flush)

    def _scheduled_flush(self) -> None:
        self._scheduled = False
        self._flush()

    def _flush(self) -> None:
        if self.paused or self._over or self._transport is None:
            return
        out, self._out = self._out, []
        if self._lane.waiting:
            out += self._lane.take()
        if out:
            self._transport.write(b"".join(out))

    def __repr__(self) -> str:
        return (
            f"<Doorway from={self.gateway or '?'} under_way={self.in_flight}/{self._window}"
            f" paused={self.paused}>"
        )
