"""`Warmer`: has the edge fetch what everybody will ask for, before anybody does.

A video that becomes ready is pushed to all followers at once. The first slice of an object is what starts it;
one byte of it, asked for through the edge, brings all of it into the cache. Warming only saves time: what fails
is fetched by the first viewer, so no failure goes further than a count.
"""

import asyncio
from collections.abc import Iterable

import aiohttp

from ops.edge.settings import EdgeSettings


class Warmer:
    """Asks the edge for first slices."""

    __slots__ = ("_places", "_session", "_timeout", "failed", "warmed")

    def __init__(self, session: aiohttp.ClientSession, settings: EdgeSettings) -> None:
        self._session = session
        self._places = asyncio.Semaphore(settings.warm_together)
        self._timeout = aiohttp.ClientTimeout(total=settings.warm_timeout_s)
        #: Addresses that were warmed, and that could not be.
        self.warmed = 0
        self.failed = 0

    async def warm(self, urls: Iterable[str]) -> int:
        """Bring the first slice of each address into the cache; how many are there now."""
        return sum(await asyncio.gather(*map(self._warm, urls)))

    async def _warm(self, url: str) -> bool:
        async with self._places:
            try:
                async with self._session.get(
                    url, headers={"Range": "bytes=0-0"}, timeout=self._timeout
                ) as answer:
                    await answer.read()
                    warm = answer.status in (200, 206)
            except (aiohttp.ClientError, TimeoutError):
                warm = False
        self.warmed += warm
        self.failed += not warm
        return warm

    def __repr__(self) -> str:
        return f"<Warmer warmed={self.warmed} failed={self.failed}>"
