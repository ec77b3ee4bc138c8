"""The load generator: a process that asks over HTTP/1.1 keep-alive and notes when the answers came.

`python -m tests.benchmarks.generator`: a `Load` as msgpack on standard input, a `Seen` on standard output.
Every answer is framed by its Content-Length and its status is counted; some are kept whole for whoever
knows what they should say. In the closed loop a connection asks again as soon as it was answered, which
finds the highest throughput. In the open loop requests have a timetable, and a late answer counts from
when its request was due, so a stall is seen by all who would have waited in it.
"""

import asyncio
import gc
import re
import sys
import time
from array import array
from collections import Counter, deque
from typing import cast

import msgspec
import uvloop

from tests.benchmarks.cores import cpu_s
from tests.benchmarks.load import Kept, Load, Seen

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Window:
    """What is noted, and whether it counts yet."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.latencies = array("I")
        self.statuses: Counter[bytes] = Counter()
        self.kept: list[Kept] = []
        self.counting = load.once
        self.running = True
        self.answers = 0
        self.unfinished = len(load.connections)
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._began: list[float] = []
        #: Seconds; processor time of the server, of this process, and of each of the others.
        self.used: list[float] = []

    def begin(self) -> None:
        """From now on answers count."""
        self.counting = True
        self._began = self._readings()

    def end(self) -> None:
        """Nothing counts any more."""
        if self.running:
            self.running = self.counting = False
            self.used = [b - a for a, b in zip(self._began, self._readings(), strict=True)]
            self.over.set_result(None)

    def _readings(self) -> list[float]:
        watched = (self.load.server, *self.load.others)
        server, *others = (cpu_s(each) for each in watched)
        return [time.perf_counter(), server, time.process_time(), *others]

    def lost(self, error: Exception | None) -> None:
        """A connection ended; nobody asked for that while the load runs."""
        if self.running:
            self.running = False
            self.over.set_exception(error or ConnectionError("the server closed a connection"))


class Connection(asyncio.Protocol):
    """Goes round its requests, one at a time."""

    __slots__ = ("_at", "_buffer", "_due", "_need", "_number", "_requests", "_timetable",
                 "_transport", "_window")  # fmt: skip

    def __init__(self, number: int, window: Window, timetable: "Timetable | None") -> None:
        self._number = number
        self._window = window
        self._timetable = timetable
        self._requests = window.load.connections[number]
        self._at = -1
        self._due = 0.0
        self._buffer = b""
        self._need = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport has the methods of asyncio's, but not its base class.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._window.lost(exc)

    def ask(self, due: float) -> None:
        """Send the next request."""
        self._at += 1
        if self._at == len(self._requests):
            self._at = 0
        self._due = due
        self._transport.write(self._requests[self._at])

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        if not self._need:
            head = data.find(b"\r\n\r\n")
            if head < 0:
                self._buffer = data
                return
            length = _LENGTH.search(data, 0, head + 2)
            self._need = head + 4 + (int(length[1]) if length else 0)
        if len(data) < self._need:
            self._buffer = data
            return
        if len(data) > self._need:
            self._window.lost(ValueError(f"more than one answer: {data[self._need :][:200]!r}"))
            return
        self._buffer, self._need = b"", 0
        self._answered(data)

    def _answered(self, answer: bytes) -> None:
        window = self._window
        now = time.perf_counter()
        window.statuses[answer[9:12]] += 1
        if window.counting:
            window.latencies.append(int((now - self._due) * 1e6))
            window.answers += 1
            if window.answers % window.load.keep_every == 0:
                window.kept.append(Kept(self._number, self._at, answer))
        if not window.running:
            return
        if self._timetable is not None:
            self._timetable.free(self)
        elif not window.load.once or self._at + 1 < len(self._requests):
            self.ask(now)
        else:
            window.unfinished -= 1
            if not window.unfinished:
                window.end()


class Timetable:
    """Hands requests to free connections when they are due; spins, because timers are too coarse."""

    def __init__(self, window: Window, rate: float) -> None:
        self._window = window
        self._interval = 1 / rate
        self._next = time.perf_counter()
        self._free: deque[Connection] = deque()
        self._loop = asyncio.get_running_loop()

    def free(self, connection: Connection) -> None:
        """A connection has been answered."""
        self._free.append(connection)

    def turn(self) -> None:
        """Send what is due."""
        now = time.perf_counter()
        while self._next <= now and self._free:
            self._free.popleft().ask(self._next)
            self._next += self._interval
        if self._window.running:
            self._loop.call_soon(self.turn)

    @property
    def unsent(self) -> int:
        """Requests that are due."""
        return max(0, int((time.perf_counter() - self._next) / self._interval))


async def run(load: Load) -> Seen:
    """Make the load, and say what was seen.

    Raises:
        ConnectionError, OSError: a connection could not be made, or ended.
    """
    loop = asyncio.get_running_loop()
    window = Window(load)
    timetable = Timetable(window, load.rate) if load.rate is not None else None
    connections = [
        (
            await loop.create_connection(
                lambda number=number: Connection(number, window, timetable),  # type: ignore[misc]
                load.host,
                load.port,
            )
        )[1]
        for number in range(len(load.connections))
    ]
    gc.disable()
    if load.once:
        window.begin()
    else:
        loop.call_later(load.warm_s, window.begin)
        loop.call_later(load.warm_s + load.seconds, window.end)
    for connection in connections:
        if timetable is None:
            connection.ask(time.perf_counter())
        else:
            timetable.free(connection)
    if timetable is not None:
        timetable.turn()
    await window.over
    seconds, server_s, own_s, *others_s = window.used
    return Seen(
        seconds=seconds,
        latencies=window.latencies.tobytes(),
        statuses={int(status): count for status, count in window.statuses.items()},
        kept=window.kept,
        server_cpu_s=server_s,
        generator_cpu_s=own_s,
        others_cpu_s=tuple(others_s),
        unsent=timetable.unsent if timetable is not None else 0,
    )


def main() -> None:
    """Entry point."""
    load = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Load)
    seen = uvloop.run(run(load))
    # Not sys.stdout.buffer: unbuffered (PYTHONUNBUFFERED) it may write a part only, and says so quietly.
    with open(sys.stdout.fileno(), "wb", closefd=False) as output:
        output.write(msgspec.msgpack.encode(seen))


if __name__ == "__main__":
    main()
