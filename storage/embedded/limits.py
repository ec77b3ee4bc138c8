"""`InProcessLimits`: limits that all gateways share, where there is one gateway.

The same rule as the script of the fleet (`storage/redis/spend.lua`): a bucket that fills evenly over its
window, kept as one number, the moment at which it will be full again. Past `max_keys` the bucket that was not
used for longest is forgotten; whoever had it gets a full one.
"""

from dataclasses import dataclass

from actors.ports.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """Bounds of `InProcessLimits`."""

    #: Buckets that are remembered at most.
    max_keys: int = 100_000


class InProcessLimits:
    """Fills the gateway's port for shared limits."""

    __slots__ = ("_clock", "_full_at_ms", "_settings")

    def __init__(self, clock: Clock, settings: LimitSettings | None = None) -> None:
        self._clock = clock
        self._settings = settings or LimitSettings()
        self._full_at_ms: dict[tuple[str, str], float] = {}

    async def spend(self, name: str, key: str, *, per_window: int, window_ms: int) -> float | None:
        """Take one of `per_window`; None, or seconds until the next is free."""
        now_ms = self._clock.unix_ms()
        each_ms = window_ms / per_window
        full_at_ms = max(self._full_at_ms.pop((name, key), 0.0), now_ms)
        wait_ms = full_at_ms + each_ms - now_ms - window_ms
        # A hundredth of a millisecond of grace: a window need not divide evenly.
        granted = wait_ms <= 0.01
        # Put back last, so that the first ones are those not used for longest.
        self._full_at_ms[name, key] = full_at_ms + each_ms if granted else full_at_ms
        if len(self._full_at_ms) > self._settings.max_keys:
            del self._full_at_ms[next(iter(self._full_at_ms))]
        return None if granted else wait_ms / 1000

    def __len__(self) -> int:
        return len(self._full_at_ms)

    def __repr__(self) -> str:
        return f"<InProcessLimits keys={len(self)}>"
