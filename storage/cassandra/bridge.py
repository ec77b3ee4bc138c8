"""From the driver's thread to the event loop, in bursts.

Callbacks of the driver run on its own thread, where an exception is swallowed and a slow one holds up every
connection. So they only append to a deque; the first of a burst wakes the loop, which then takes all. One
write to the loop's pipe serves as many answers as came in meanwhile.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any


class Bridge:
    """Runs callables on a loop, handed over from any thread, in order."""

    __slots__ = ("_handed", "_loop", "_woken", "bursts")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._handed: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._woken = False
        #: How often the loop was woken.
        self.bursts = 0

    def hand_over(self, work: Callable[..., None], *arguments: Any) -> None:
        """Have `work(*arguments)` run on the loop soon; never blocks, never raises."""
        self._handed.append((work, arguments))
        if self._woken:
            return
        self._woken = True
        try:
            self._loop.call_soon_threadsafe(self._take)
        except RuntimeError:
            # The loop is closed: nobody is left to be told.
            self._handed.clear()

    def _take(self) -> None:
        # Before looking: whatever is appended from here on wakes the loop again.
        self._woken = False
        self.bursts += 1
        handed = self._handed
        while handed:
            work, arguments = handed.popleft()
            work(*arguments)

    def __repr__(self) -> str:
        return f"<Bridge handed={len(self._handed)} bursts={self.bursts}>"
