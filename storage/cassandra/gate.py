"""A bound on what is on its way to Cassandra, first come, first served.

The driver blocks its caller, here the event loop, for up to two seconds when a connection has no free stream
left; so it is never let come to that. What waits is bounded in number and in time, and refused with a definite
"not executed": this is the place where load is shed.
"""

import asyncio
from collections import deque

from sharding.errors import StorageUnavailable


class Gate:
    """So many may be inside; the rest wait in line."""

    __slots__ = ("_inside", "_line", "_max_inside", "_max_wait_s", "_max_waiting")

    def __init__(self, max_inside: int, max_waiting: int, max_wait_s: float) -> None:
        self._max_inside = max_inside
        self._max_waiting = max_waiting
        self._max_wait_s = max_wait_s
        self._inside = 0
        self._line: deque[asyncio.Future[None]] = deque()

    @property
    def inside(self) -> int:
        """How many have entered and not left."""
        return self._inside

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return len(self._line)

    def enter_nowait(self) -> bool:
        """Enter when there is room and nobody waits for it."""
        if self._inside >= self._max_inside or self._line:
            return False
        self._inside += 1
        return True

    async def enter(self) -> None:
        """Enter when it is one's turn.

        Raises:
            StorageUnavailable: too many wait, or it took too long; nothing was done.
        """
        if self.enter_nowait():
            return
        if len(self._line) >= self._max_waiting:
            raise StorageUnavailable("Too much waits for Cassandra.", executed=False)
        turn = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            async with asyncio.timeout(self._max_wait_s):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                # The place was given in the same moment; it goes to the next in line.
                self.leave()
            elif turn in self._line:
                self._line.remove(turn)
            if isinstance(error, TimeoutError):
                raise StorageUnavailable(
                    "Cassandra does not keep up.", executed=False, context="waited in line"
                ) from error
            raise

    def leave(self) -> None:
        """Make room; the place passes to the first in line."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._inside -= 1

    def __repr__(self) -> str:
        return f"<Gate inside={self._inside}/{self._max_inside} waiting={len(self._line)}>"
