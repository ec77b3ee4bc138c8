"""`ThreadRunner`: one thread writes, a few read.

SQLite has one writer at a time and its price is the fsync. So everything that waits while the writer syncs
becomes its next transaction: each effect under a savepoint of its own, so that one refusal does not hurt
the others, and no caller is answered before the commit. Many shards share one fsync.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

import msgspec

from actors.ports.clock import Clock
from sharding.errors import StorageUnavailable
from storage.embedded.runners import (
    DatabaseStatistics,
    Effect,
    Outcome,
    Source,
    T,
    closed,
    run_alone,
    run_together,
)
from storage.errors import translating


class ThreadSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of a `ThreadRunner`."""

    #: Writes that may wait; more are refused, certainly not executed.
    max_waiting_writes: int = 4096
    #: Writes that share one transaction at most: bounds how long the first of them waits.
    max_batch: int = 256
    #: Threads that read, each with a connection of its own.
    readers: int = 2
    #: Reads that may wait or run; more are refused.
    max_waiting_reads: int = 4096


@dataclass(slots=True)
class _Item:
    effect: Effect[Any]
    future: "asyncio.Future[Any]"
    writes: bool = True


class ThreadRunner:
    """Runs effects on one writing thread and a few reading ones.

    A caller that is cancelled does not know whether its effect happened.
    """

    def __init__(self, clock: Clock, settings: ThreadSettings | None = None) -> None:
        self._clock = clock
        self._settings = settings or ThreadSettings()
        self._queue: SimpleQueue[_Item | None] = SimpleQueue()
        self._idle: deque[sqlite3.Connection] = deque()
        self._pool: ThreadPoolExecutor | None = None
        self._thread: Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open = False
        self._waiting = self._reading = 0
        self._batches = self._writes = self._reads = 0
        self._write_s = 0.0

    async def start(self, source: Source) -> None:
        """Open all connections and start the writing thread."""
        self._loop = asyncio.get_running_loop()
        readers = 0 if source.shared else self._settings.readers
        with translating():
            writer = await asyncio.to_thread(source.connect, reader=False)
            for _ in range(readers):
                self._idle.append(await asyncio.to_thread(source.connect, reader=True))
        if readers:
            self._pool = ThreadPoolExecutor(readers, thread_name_prefix="sqlite-reader")
        self._thread = Thread(target=self._work, args=(writer,), name="sqlite-writer", daemon=True)
        self._thread.start()
        self._open = True

    async def write(self, effect: Effect[T]) -> T:
        """`Runner.write`."""
        value: T = await self._hand_in(effect, writes=True)
        return value

    async def read(self, effect: Effect[T]) -> T:
        """`Runner.read`; with a single shared connection it takes its turn among the writes."""
        if self._pool is None:
            value: T = await self._hand_in(_undone(effect), writes=False)
            return value
        if not self._open:
            raise closed()
        if self._reading >= self._settings.max_waiting_reads:
            raise StorageUnavailable("Too many reads are waiting.", executed=False)
        assert self._loop is not None
        self._reading += 1
        self._reads += 1
        try:
            outcome = await self._loop.run_in_executor(self._pool, self._read, effect)
        finally:
            self._reading -= 1
        found: T = outcome.unwrap()
        return found

    async def close(self) -> None:
        """`Runner.close`."""
        if not self._open:
            return
        self._open = False
        self._queue.put(None)
        if self._pool is not None:
            await asyncio.to_thread(self._pool.shutdown)
        assert self._thread is not None
        await asyncio.to_thread(self._thread.join)
        while self._idle:
            self._idle.pop().close()

    def statistics(self) -> DatabaseStatistics:
        """`Runner.statistics`."""
        return DatabaseStatistics(
            waiting=self._waiting + self._reading,
            batches=self._batches,
            writes=self._writes,
            reads=self._reads,
            write_s=self._write_s,
        )

    async def _hand_in(self, effect: Effect[Any], *, writes: bool) -> Any:
        if not self._open:
            raise closed()
        if self._waiting >= self._settings.max_waiting_writes:
            raise StorageUnavailable("Too many writes are waiting.", executed=False)
        assert self._loop is not None
        item = _Item(effect, self._loop.create_future(), writes)
        self._waiting += 1
        self._queue.put(item)
        return await item.future

    def _read(self, effect: Effect[Any]) -> Outcome:
        # There are as many connections as threads, so one is always idle.
        connection = self._idle.pop()
        try:
            return run_alone(connection, effect)
        finally:
            self._idle.append(connection)

    def _work(self, connection: sqlite3.Connection) -> None:
        try:
            while batch := self._next_batch():
                started = self._clock.monotonic()
                wanted = [item for item in batch if not item.future.cancelled()]
                outcomes = run_together(connection, [item.effect for item in wanted])
                taken_s = self._clock.monotonic() - started
                self._on_loop(self._settle, len(batch), wanted, outcomes, taken_s)
        finally:
            connection.close()

    def _next_batch(self) -> list[_Item]:
        batch: list[_Item] = []
        item = self._queue.get()
        try:
            while item is not None:
                batch.append(item)
                if len(batch) == self._settings.max_batch:
                    return batch
                item = self._queue.get_nowait()
            # What was handed in before the end is still done; the end is seen again afterwards.
            if batch:
                self._queue.put(None)
        except Empty:
            pass
        return batch

    def _on_loop(self, callback: Callable[..., None], *args: object) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            # The loop is gone, and with it everybody who could be answered.
            pass

    def _settle(
        self, taken: int, wanted: list[_Item], outcomes: list[Outcome], taken_s: float
    ) -> None:
        self._waiting -= taken
        writes = sum(item.writes for item in wanted)
        self._writes += writes
        self._reads += len(wanted) - writes
        self._batches += writes > 0
        self._write_s += taken_s
        for item, outcome in zip(wanted, outcomes, strict=True):
            if item.future.done():
                continue
            if outcome.error is not None:
                item.future.set_exception(outcome.error)
            else:
                item.future.set_result(outcome.value)

    def __repr__(self) -> str:
        return f"<ThreadRunner {self.statistics()}>"


def _undone(effect: Effect[T]) -> Effect[T]:
    """`effect`, of which nothing stays: in the writer's transaction it could write."""

    def run(connection: sqlite3.Connection) -> T:
        connection.execute("SAVEPOINT look")
        try:
            return effect(connection)
        finally:
            connection.execute("ROLLBACK TO look")
            connection.execute("RELEASE look")

    return run
