"""Where calls of the blocking driver run: on a few threads of its own, a bounded number of them waiting.

A store that hangs then costs its own callers their timeouts, and nobody else a thread.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from sharding.errors import StorageUnavailable
from storage.minio.errors import translating

T = TypeVar("T")


class Calls:
    """Runs blocking calls to the store; errors leave it translated."""

    __slots__ = ("_executor", "_max_waiting", "done", "failed", "waiting")

    def __init__(self, executor: ThreadPoolExecutor, max_waiting: int) -> None:
        self._executor = executor
        self._max_waiting = max_waiting
        #: Calls that wait or run.
        self.waiting = 0
        #: Calls that returned, and those that raised or were refused.
        self.done = 0
        self.failed = 0

    async def run(self, call: Callable[[], T]) -> T:
        """The result of `call`; a caller that is cancelled does not know whether it was made.

        Raises:
            StorageUnavailable: the store does not answer, or too much is waiting.
            Internal: the store refused the call as wrong.
        """
        if self.waiting >= self._max_waiting:
            self.failed += 1
            raise StorageUnavailable("Too much waits for the object store.", executed=False)
        self.waiting += 1
        returned = False
        try:
            with translating():
                result = await asyncio.get_running_loop().run_in_executor(self._executor, call)
            returned = True
            return result
        finally:
            self.waiting -= 1
            if returned:
                self.done += 1
            else:
                self.failed += 1

    async def close(self) -> None:
        """Wait for the calls that run; those that had not begun never will."""
        await asyncio.to_thread(self._executor.shutdown, cancel_futures=True)

    def __repr__(self) -> str:
        return f"<Calls waiting={self.waiting} done={self.done} failed={self.failed}>"
