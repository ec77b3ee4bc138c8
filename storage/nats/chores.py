"""The tasks of one adapter, ended together.

All tasks of a process belong to its `TaskSet`; an adapter that closes earlier than the process has to end its
own ones and to know that they are over before its connection goes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from actors.ports.clock import Clock
from actors.tasks import TaskSet
from sharding.errors import KinoraError


class Chores:
    """What runs beside the calls of one adapter."""

    __slots__ = ("_clock", "_closed", "_running", "_tasks", "failures")

    def __init__(self, clock: Clock, tasks: TaskSet) -> None:
        self._clock = clock
        self._tasks = tasks
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False
        #: Rounds that NATS did not answer.
        self.failures = 0

    def begin(self, work: Coroutine[Any, Any, Any], *, name: str) -> None:
        """Run `work` until it ends or the adapter closes; after that it is not even begun."""
        if self._closed:
            work.close()
            return
        task = self._tasks.spawn(work, name=f"nats {name}")
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def every(self, seconds: float, work: Callable[[], Awaitable[None]], *, name: str) -> None:
        """Do `work` again and again, `seconds` apart; a round that NATS does not answer is left out."""

        async def repeat() -> None:
            while True:
                await self._clock.sleep(seconds)
                try:
                    await work()
                except KinoraError:
                    self.failures += 1

        self.begin(repeat(), name=name)

    async def close(self) -> None:
        """Cancel what still runs and wait for it."""
        self._closed = True
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
