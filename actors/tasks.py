"""The one place where a background task is born, named and awaited.

A task that nobody holds may be collected while it runs, and its exception is seen by nobody. Every task of
Kinora belongs to a `TaskSet`, whose owner closes it: nothing outlives its owner, and no failure is silent.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

Alarm = Callable[[str, BaseException], None]


class TaskSet:
    """Running tasks with one owner."""

    __slots__ = ("_alarm", "_closed", "_tasks")

    def __init__(self, alarm: Alarm) -> None:
        """`alarm` is told the name and the error of every task that fails."""
        self._alarm = alarm
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    def spawn(self, work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        """Run `work` beside the caller.

        Raises:
            RuntimeError: the set is closed; `work` was not started.
        """
        if self._closed:
            work.close()
            raise RuntimeError(f"no task {name!r} after the set was closed")
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    async def close(self) -> int:
        """Cancel what still runs and wait for it; returns how many that were."""
        self._closed = True
        running = [task for task in self._tasks if not task.done()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        return len(running)

    def __len__(self) -> int:
        return len(self._tasks)

    def __repr__(self) -> str:
        return f"<TaskSet running={len(self._tasks)} closed={self._closed}>"

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._alarm(task.get_name(), error)
