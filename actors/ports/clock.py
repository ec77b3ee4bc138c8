"""Time, handed in.

Nothing in Kinora asks the machine for the time or sleeps on its own; it is handed a `Clock`. In a process
that is the loop's clock; in the simulator it is virtual, and a thousand seconds pass in one.
"""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Two readings of time and a way to wait."""

    def unix_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC: for what people see. May be set back by an operator."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment: for durations. Never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        ...


class SystemClock:
    """The clock of a real process."""

    __slots__ = ()

    def unix_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
