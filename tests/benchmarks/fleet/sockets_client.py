"""Many websockets held by one process, which says when all of them were told something.

`python -m tests.benchmarks.fleet.sockets_client`: a `Held` as JSON in the first line of standard input; on
standard output one line, a number of seconds, once all are open, then a `Told` as JSON whenever every
websocket got one more frame that counts. It ends with its standard input.
"""

import asyncio
import gc
import sys
import time

import msgspec
import uvloop

from ops.bounds import allow_open_files
from tests.benchmarks.fleet.wire import Line, Socket, handshake

#: Handshakes under way at a time.
_TOGETHER = 64
#: Longest line on standard input, in bytes.
_LINE = 64 * 1024 * 1024


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What to open."""

    host: str
    port: int
    #: More headers of each.
    headers: list[str]
    #: Whether to say hello and wait for the welcome.
    hello: bool = True
    #: What stands in a frame that counts.
    mark: str = ""
    #: Ask for this path once on each connection and keep it, instead of making it a websocket.
    idle_path: str | None = None


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """When each websocket got one frame, by the clock on the wall, in seconds; ascending."""

    at: list[float]


class Holder:
    """All connections, and what they were told."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self._mark = held.mark.encode()
        self._at: list[float] = []
        self._sockets: list[Socket | Line] = []

    async def open(self) -> None:
        """Open all of them.

        Raises:
            ConnectionError, OSError: one was refused.
        """
        numbers = iter(range(len(self._held.headers)))

        async def some() -> None:
            for number in numbers:
                self._sockets.append(await self._one(self._held.headers[number]))

        await asyncio.gather(*(some() for _ in range(_TOGETHER)))

    async def _one(self, headers: str) -> Socket | Line:
        loop, held = asyncio.get_running_loop(), self._held
        address = f"{held.host}:{held.port}"
        if held.idle_path is not None:
            _, line = await loop.create_connection(Line, held.host, held.port)
            await line.ask(
                f"GET {held.idle_path} HTTP/1.1\r\nHost: {address}\r\n{headers}\r\n".encode()
            )
            return line
        hello = b'{"op":"hello","resume":null}' if held.hello else None
        socket = Socket(handshake("/ws", host=address, headers=headers), hello, self._heard)
        await loop.create_connection(lambda: socket, held.host, held.port)
        await socket.opened
        return socket

    def _heard(self, text: bytes) -> None:
        if self._mark and self._mark not in text:
            return
        self._at.append(time.time())
        if len(self._at) == len(self._sockets):
            lost = sum(1 for each in self._sockets if isinstance(each, Socket) and each.lost)
            told = Told(at=self._at if not lost else [])
            print(msgspec.json.encode(told).decode(), flush=True)
            self._at = []


async def main() -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    held = msgspec.json.decode(await reader.readline(), type=Held)
    allow_open_files(len(held.headers) + 200)
    holder = Holder(held)
    began = time.monotonic()
    await holder.open()
    gc.collect()
    gc.freeze()
    print(time.monotonic() - began, flush=True)
    await reader.read()


if __name__ == "__main__":
    uvloop.run(main())
