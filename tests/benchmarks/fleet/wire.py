"""A lean HTTP/1.1 client and websocket for the fleet's own load: bytes out, bytes in, one at a time."""

import asyncio
import struct
from collections.abc import Callable

_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


class Line(asyncio.Protocol):
    """One keep-alive connection that asks, and waits for what it asked for."""

    __slots__ = ("_buffer", "_transport", "_waiter")

    def __init__(self) -> None:
        self._buffer = b""
        self._waiter: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(exc or ConnectionError("the server closed a connection"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0 or self._waiter is None:
            return
        lines = self._buffer[:head].lower()
        at = lines.find(b"\r\ncontent-length:")
        length = int(lines[at + 17 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < head + 4 + length:
            return
        status, body = int(self._buffer[9:12]), self._buffer[head + 4 : head + 4 + length]
        self._buffer = b""
        waiter, self._waiter = self._waiter, None
        if not waiter.done():
            waiter.set_result((status, body))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of one request."""
        waiter: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()
        self._waiter = waiter
        self._transport.write(request)
        return await waiter

    def close(self) -> None:
        """Hang up."""
        self._transport.close()


class Socket(asyncio.Protocol):
    """One websocket: says hello, answers pings, and hands on what it is told."""

    __slots__ = ("_asked", "_buffer", "_on_text", "_open", "_transport", "lost", "opened")

    def __init__(
        self, handshake: bytes, hello: bytes | None, on_text: Callable[[bytes], None]
    ) -> None:
        """`opened` is done with the first text, or at once after the handshake where no hello is said."""
        self._buffer = b""
        self._open = False
        self._asked = (handshake, hello)
        self._on_text = on_text
        self.lost = False
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._transport.write(self._asked[0])

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if not self.opened.done():
            self.opened.set_exception(exc or ConnectionError("a websocket was closed"))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._open:
            head = self._buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            if not self._buffer.startswith(b"HTTP/1.1 101"):
                self.opened.set_exception(ConnectionError(repr(self._buffer[:500])))
                self._transport.close()
                return
            self._open, self._buffer = True, self._buffer[head + 4 :]
            hello = self._asked[1]
            if hello is None:
                self.opened.set_result(None)
            else:
                self._transport.write(frame(_TEXT, hello))
        while (found := _frame(self._buffer)) is not None:
            opcode, payload, self._buffer = found
            if opcode == _PING:
                self._transport.write(frame(_PONG, payload))
            elif opcode == _TEXT:
                if not self.opened.done():
                    self.opened.set_result(None)
                self._on_text(payload)

    def close(self) -> None:
        """Say goodbye and hang up."""
        self._transport.write(frame(_CLOSE, struct.pack(">H", 1000)))
        self._transport.close()


def frame(opcode: int, payload: bytes) -> bytes:
    """One frame of a client; masked with zeros, which is a mask."""
    size = len(payload)
    head = bytes((0x80 | opcode, 0x80 | size if size < 126 else 0x80 | 126))
    return head + (struct.pack(">H", size) if size >= 126 else b"") + b"\0\0\0\0" + payload


def handshake(path: str, *, host: str, headers: str = "") -> bytes:
    """The request that opens a websocket."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
    ).encode()


def _frame(data: bytes) -> tuple[int, bytes, bytes] | None:
    """Opcode, payload and what is left, once a whole frame of a server is there."""
    if len(data) < 2:
        return None
    size, at = data[1] & 0x7F, 2
    if size >= 126:
        kind = ">H" if size == 126 else ">Q"
        at += struct.calcsize(kind)
        if len(data) < at:
            return None
        (size,) = struct.unpack(kind, data[2:at])
    if len(data) < at + size:
        return None
    return data[0] & 0x0F, data[at : at + size], data[at + size :]
