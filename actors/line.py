"""A line: work done one after the other, by a task that exists only while there is some.

A node owns a thousand shards, each with several of these; a task for each would cost megabytes to wait for
nothing. So a line starts its worker when something is put in and lets it end when the line is empty.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from actors.tasks import TaskSet

T = TypeVar("T")


class Line(Generic[T]):
    """Hands items to `work` in order, one at a time."""

    __slots__ = ("_items", "_name", "_running", "_tasks", "_work")

    def __init__(self, name: str, work: Callable[[T], Awaitable[None]], tasks: TaskSet) -> None:
        self._name = name
        self._work = work
        self._tasks = tasks
        self._items: deque[T] = deque()
        self._running = False

    def put(self, item: T) -> None:
        """Append `item`. How many may wait is bounded by who puts them in (`shard_backlog`)."""
        self._items.append(item)
        if not self._running:
            self._running = True
            self._tasks.spawn(self._run(), name=self._name)

    async def _run(self) -> None:
        try:
            while self._items:
                await self._work(self._items.popleft())
        finally:
            self._running = False

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is being done."""
        return not self._running

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"<Line {self._name} waiting={len(self._items)} idle={self.idle}>"
