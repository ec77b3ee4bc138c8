"""What Sanic's HTTP connection lacks: becoming a websocket of ours, an ending that the client can read, and no
patience with who trickles.

Sanic measures its time-outs from the last byte, so a byte now and then holds a connection for ever. Here the
time of a request runs from its first byte, but for uploads, which have a time-out of their own.
"""

import asyncio
from typing import Any

from sanic import Request
from sanic.http.constants import Stage
from sanic.server.protocols.http_protocol import HttpProtocol

from gateway.websocket import WebSocket

#: How long a client may go on sending a body that was refused, in seconds.
LINGER_S = 1.0


class GatewayProtocol(HttpProtocol):
    """Sanic's HTTP connection, able to become a `WebSocket` and to end politely."""

    __slots__ = ("_ending", "linger", "patient", "websocket")

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        # Sanic sets it when its task begins, which uvloop may do after the first bytes have come.
        self._http = None
        self.websocket: WebSocket | None = None
        #: Set when a request was answered before its body was read.
        self.linger = False
        #: Set while an upload arrives.
        self.patient = False
        self._ending: asyncio.TimerHandle | None = None

    def data_received(self, data: bytes) -> None:
        if self.websocket is not None:
            self.websocket.data_received(data)
        elif self._ending is None:
            began = self._time
            arriving = self._http is not None and self._http.stage is not Stage.IDLE
            super().data_received(data)
            if arriving and not self.patient:
                self._time = began

    def check_timeouts(self) -> None:
        """Sanic's look at the clock; after a refusal for time nobody waits for the rest of a body."""
        super().check_timeouts()  # type: ignore[no-untyped-call]
        late = self._http is not None and self._http.exception is not None
        if late and self._ending is None and self.transport is not None:
            self._ending = self.loop.call_later(LINGER_S, self.transport.abort)

    def eof_received(self) -> bool | None:
        if self.websocket is not None:
            self.websocket.eof_received()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        if self.websocket is not None:
            self.websocket.connection_lost()
        if self._ending is not None:
            self._ending.cancel()
        super().connection_lost(exc)  # type: ignore[no-untyped-call]

    def pause_writing(self) -> None:
        super().pause_writing()  # type: ignore[no-untyped-call]
        if self.websocket is not None:
            self.websocket.pause_writing()

    def resume_writing(self) -> None:
        super().resume_writing()  # type: ignore[no-untyped-call]
        if self.websocket is not None:
            self.websocket.resume_writing()

    def close(self, timeout: float | None = None) -> None:
        """Called when the handler is done; a websocket ends with its own goodbye."""
        if self.websocket is not None:
            self.websocket.close(1000)
        elif self.linger and self.transport is not None and self.transport.can_write_eof():
            self.linger = False
            self._end_politely(self.transport)
        elif self._ending is None:
            super().close(timeout)

    def _end_politely(self, transport: asyncio.Transport) -> None:
        """Say that nothing more comes, and swallow what the client still sends for a moment.

        Closing at once would reset the connection, and the client would never read why it was refused.
        """
        if transport.is_closing():
            return
        self.recv_buffer.clear()
        transport.write_eof()
        transport.resume_reading()
        self._ending = self.loop.call_later(LINGER_S, transport.abort)

    def close_if_idle(self) -> bool:
        """A websocket is never idle: whoever drains says goodbye to it."""
        return False if self.websocket is not None else bool(super().close_if_idle())


def linger_if_unread(request: Request) -> None:
    """Let the connection of a refused request end politely when too much of its body is still to come.

    A short rest Sanic reads itself, and goes on with the next request.
    """
    stream: Any = request.stream
    if stream is None or not stream.request_body:
        return
    protocol: Any = request.transport.get_protocol()
    if stream.request_body == "chunked" or stream.request_bytes > protocol.request_max_size:
        stream.keep_alive = False
        protocol.linger = True
