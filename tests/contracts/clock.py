"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio


class ManualClock:
    """Fills `actors.ports.clock.Clock`."""

    def __init__(self, unix_ms: int = 1_800_000_000_000) -> None:
        self._unix_ms = unix_ms
        self._seconds = 0.0
        self._sleepers: list[tuple[float, asyncio.Event]] = []

    def unix_ms(self) -> int:
        return self._unix_ms

    def monotonic(self) -> float:
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        self._sleepers.append((self._seconds + seconds, woken))
        await woken.wait()

    @property
    def sleepers(self) -> int:
        return len(self._sleepers)

    def advance(self, seconds: float) -> None:
        self._seconds += seconds
        self._unix_ms += round(seconds * 1000)
        for due, woken in self._sleepers:
            if due <= self._seconds:
                woken.set()
        self._sleepers = [each for each in self._sleepers if not each[1].is_set()]


async def settled(turns: int = 20) -> None:
    """Let everything run that is ready to."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def until(condition, clock: ManualClock | None = None, step_s: float = 0.5) -> None:
    """Wait, in turns of the loop and not in time, for threads to answer; move `clock` meanwhile."""
    async with asyncio.timeout(10):
        while not condition():
            if clock is not None and clock.sleepers:
                clock.advance(step_s)
            await asyncio.sleep(0.001)
