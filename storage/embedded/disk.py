"""Where calls that block on the file system run: on a few threads, or inline for tests.

Not the loop's default pool: a slow disk must not hold up what others do there (hashing, name look-ups).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

from sharding.errors import StorageUnavailable
from storage.errors import translating

T = TypeVar("T")

#: Threads that wait for the disk.
DISK_THREADS = 4
#: Calls that may wait or run; more are refused, certainly not executed.
MAX_WAITING = 1024


class Disk(Protocol):
    """Runs blocking calls."""

    async def run(self, call: Callable[[], T]) -> T:
        """The result of `call`.

        Raises:
            StorageUnavailable: the file system fails, or too much is waiting.
        """
        ...


class InlineDisk:
    """Runs calls on the event loop."""

    __slots__ = ()

    async def run(self, call: Callable[[], T]) -> T:
        """`Disk.run`."""
        with translating():
            return call()


class ThreadDisk:
    """Runs calls on threads of its own."""

    __slots__ = ("_max_waiting", "_pool", "_waiting")

    def __init__(self, pool: ThreadPoolExecutor, max_waiting: int = MAX_WAITING) -> None:
        self._pool = pool
        self._max_waiting = max_waiting
        self._waiting = 0

    async def run(self, call: Callable[[], T]) -> T:
        """`Disk.run`; a caller that is cancelled does not know whether the call was made."""
        if self._waiting >= self._max_waiting:
            raise StorageUnavailable("Too much waits for the disk.", executed=False)
        self._waiting += 1
        try:
            with translating():
                return await asyncio.get_running_loop().run_in_executor(self._pool, call)
        finally:
            self._waiting -= 1

    def __repr__(self) -> str:
        return f"<ThreadDisk waiting={self._waiting}>"


@asynccontextmanager
async def open_disk(threads: int = DISK_THREADS) -> AsyncIterator[ThreadDisk]:
    """A disk whose threads end, their work done, with the block."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="disk")
    try:
        yield ThreadDisk(pool)
    finally:
        await asyncio.to_thread(pool.shutdown)
