"""Websockets on Sanic's connections, with the sans-I/O protocol of `websockets` underneath.

Sanic's own implementation spends four tasks on a connection and one more on each read, blocks its heartbeat behind a
client that does not read, and closes with codes that say nothing. Here a connection is one
object: bytes in, messages out, and writing never blocks. What a slow client has not taken waits in a queue that is
bounded in frames and bytes; past the bound the client is closed with 4408 and resumes by number.
"""

import asyncio
from collections import deque
from typing import Any

from sanic import Request
from websockets import http11
from websockets.datastructures import Headers
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from gateway.settings import GatewaySettings
from sharding.errors import InvalidRequest

BAD_FRAME = 4400
SESSION_ENDED = 4401
SLOW_CONSUMER = 4408
TOO_MANY = 4429
RESTART = 1012
BROKEN = 1011
SILENT = 1001


class WebSocket:
    """One open connection. All methods but `receive` are immediate."""

    __slots__ = (
        "_close_timer",
        "_fragments",
        "_inbox",
        "_outbox",
        "_outbox_bytes",
        "_proto",
        "_settings",
        "_transport",
        "_waiter",
        "_writable",
        "close_code",
        "heard",
    )

    def __init__(
        self, transport: asyncio.Transport, proto: ServerProtocol, settings: GatewaySettings
    ) -> None:
        self._transport = transport
        self._proto = proto
        self._settings = settings
        self._inbox: deque[bytes] = deque()
        self._fragments: list[bytes] = []
        self._outbox: deque[bytes] = deque()
        self._outbox_bytes = 0
        self._writable = True
        self._waiter: asyncio.Future[None] | None = None
        self._close_timer: asyncio.TimerHandle | None = None
        #: Why it is over; None while it is open.
        self.close_code: int | None = None
        #: Set by whatever arrives, cleared by whoever watches for silence.
        self.heard = True

    @property
    def open(self) -> bool:
        """Whether messages still go out."""
        return self.close_code is None

    async def receive(self) -> bytes | None:
        """The next message; None when there will be no more."""
        while not self._inbox:
            if self.close_code is not None:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        message = self._inbox.popleft()
        if len(self._inbox) < self._settings.inbound_frames and not self._transport.is_closing():
            self._transport.resume_reading()
        return message

    def send(self, text: bytes) -> None:
        """Send a text message, or queue it; past the queue's bound the connection is closed."""
        if self.close_code is None:
            self._proto.send_text(text)
            self._write(b"".join(self._proto.data_to_send()))

    def ping(self) -> None:
        """Ask for a sign of life."""
        if self.close_code is None:
            self._proto.send_ping(b"")
            self._write(b"".join(self._proto.data_to_send()))

    def close(self, code: int, reason: str = "") -> None:
        """Say goodbye; what is queued goes out before, except to a client that does not read."""
        if self.close_code is not None:
            return
        self.close_code = code
        if code == SLOW_CONSUMER:
            self._outbox.clear()
        self._proto.data_to_send()
        last = Frame(Opcode.CLOSE, Close(code, reason).serialize()).serialize(mask=False)
        self._outbox.append(last)
        self._flush()
        self._wake()
        self._close_timer = asyncio.get_running_loop().call_later(
            self._settings.socket_close_s, self._transport.abort
        )

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        self.heard = True
        if self.close_code is not None:
            self._expect_goodbye(data)
            return
        self._proto.receive_data(data)
        for event in self._proto.events_received():
            if isinstance(event, Frame):
                self._take(event)
        if not self.open:
            return
        if self._proto.parser_exc is not None:
            self.close(BAD_FRAME, "bad frame")
            return
        out = self._proto.data_to_send()
        self._write(b"".join(out))
        if self._proto.state is not State.OPEN:
            self._over(self._proto.close_code or 1005)
            self._transport.close()

    def eof_received(self) -> None:
        """The client has hung up."""
        self._over(1006)
        self._transport.close()

    def connection_lost(self) -> None:
        """The connection is gone."""
        if self._close_timer is not None:
            self._close_timer.cancel()
        self._over(1006)

    def pause_writing(self) -> None:
        """The client reads too slowly; queue from now on."""
        self._writable = False

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._writable = True
        self._flush()

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY:
            self.close(BAD_FRAME, "text frames only")
        elif frame.opcode in (Opcode.TEXT, Opcode.CONT):
            self._fragments.append(bytes(frame.data))
            if frame.fin:
                self._inbox.append(b"".join(self._fragments))
                self._fragments.clear()
                if len(self._inbox) >= self._settings.inbound_frames:
                    self._transport.pause_reading()
                self._wake()

    def _write(self, data: bytes) -> None:
        if not data:
            return
        if self._writable and not self._outbox:
            self._transport.write(data)
            return
        self._outbox.append(data)
        self._outbox_bytes += len(data)
        if (
            len(self._outbox) > self._settings.outbound_frames
            or self._outbox_bytes > self._settings.outbound_bytes
        ):
            self.close(SLOW_CONSUMER, "slow consumer")

    def _flush(self) -> None:
        if self._transport.is_closing():
            self._outbox.clear()
        while self._outbox and (self._writable or self.close_code == SLOW_CONSUMER):
            data = self._outbox.popleft()
            self._outbox_bytes -= len(data)
            self._transport.write(data)

    def _expect_goodbye(self, data: bytes) -> None:
        """After our close frame only the client's matters."""
        try:
            self._proto.receive_data(data)
        except Exception:
            self._transport.close()
            return
        answered = any(
            isinstance(event, Frame) and event.opcode is Opcode.CLOSE
            for event in self._proto.events_received()
        )
        if answered or self._proto.parser_exc is not None:
            self._transport.close()

    def _over(self, code: int) -> None:
        if self.close_code is None:
            self.close_code = code
        self._outbox.clear()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __repr__(self) -> str:
        return (
            f"<WebSocket code={self.close_code} in={len(self._inbox)} "
            f"out={len(self._outbox)}/{self._outbox_bytes} bytes>"
        )


def upgrade(request: Request, settings: GatewaySettings) -> WebSocket:
    """Make a request's connection a websocket; its handler must then answer nothing.

    Raises:
        InvalidRequest: it is not a proper handshake.
    """
    protocol: Any = request.transport.get_protocol()
    proto = ServerProtocol(max_size=settings.max_frame_bytes, state=State.OPEN)
    asked = http11.Request(path=request.path, headers=Headers(request.headers.items()))
    response = proto.accept(asked)
    if response.status_code != 101:
        raise InvalidRequest("This is no websocket handshake.")
    protocol.transport.write(response.serialize())
    socket = WebSocket(protocol.transport, proto, settings)
    protocol.websocket = socket
    if protocol.recv_buffer:
        early = bytes(protocol.recv_buffer)
        protocol.recv_buffer.clear()
        socket.data_received(early)
    return socket
