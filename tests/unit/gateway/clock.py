"""A clock that stands until it is moved."""

import asyncio


class StandingClock:
    def __init__(self, unix_ms: int = 1_800_000_000_000) -> None:
        self._unix_ms = unix_ms
        self._monotonic = 1_000.0

    def advance(self, seconds: float) -> None:
        self._unix_ms += round(seconds * 1000)
        self._monotonic += seconds

    def unix_ms(self) -> int:
        return self._unix_ms

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        await asyncio.sleep(0)
