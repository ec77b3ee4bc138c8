"""`RedisLimits`: limits that all gateways count together, such as logins by name.

One script and one key a limit, in whatever slot the key falls into. No replica is waited for: what a failover
forgets is a few tokens.
"""

from actors.ports.clock import Clock
from storage.redis.keys import limit_key
from storage.redis.router import Router
from storage.redis.settings import RedisSettings


class RedisLimits:
    """Fills the gateway's port for shared limits."""

    __slots__ = ("_clock", "_prefix", "_router")

    def __init__(self, router: Router, settings: RedisSettings, clock: Clock) -> None:
        self._router = router
        self._prefix = settings.prefix.encode()
        self._clock = clock

    async def spend(self, name: str, key: str, *, per_window: int, window_ms: int) -> float | None:
        """Take one of `per_window`; None, or seconds until the next is free.

        Raises:
            StorageUnavailable: it was not counted, as far as is known.
        """
        slot, place = limit_key(self._prefix, name, key)
        wait_ms = await self._router.script(
            slot,
            self._router.scripts.spend,
            (place,),
            (b"%d" % per_window, b"%d" % window_ms, b"%d" % self._clock.unix_ms()),
        )
        return None if wait_ms == b"0" else float(wait_ms) / 1000

    def __repr__(self) -> str:
        return f"<RedisLimits over {self._router!r}>"
