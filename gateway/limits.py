"""How often a principal may do something: the generic cell rate algorithm, one number a key.

GCRA (ITU-T I.371) keeps for each key only the time at which its next request would be exactly on schedule. A
request is let in while that time is at most `burst` intervals ahead. A refused one changes nothing, so hammering
does not lengthen the wait. Tables are bounded: under a flood of keys the oldest is forgotten, which lets someone
in too early rather than keep everyone out.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

from actors.ports.clock import Clock
from gateway.bounded import BoundedTable
from gateway.settings import Rate
from sharding.errors import RateLimited

K = TypeVar("K", bound=Hashable)


class Limit(Generic[K]):
    """One rate, for many keys."""

    __slots__ = ("_clock", "_due", "_interval", "_name", "_slack")

    def __init__(self, name: str, rate: Rate, *, keys: int, clock: Clock) -> None:
        if rate.per_s <= 0 or rate.burst < 1:
            raise ValueError(f"limit {name!r} would let nothing in: {rate}")
        self._name = name
        self._interval = 1 / rate.per_s
        self._slack = rate.burst * self._interval
        self._clock = clock
        self._due: BoundedTable[K, float] = BoundedTable(keys)

    def spend(self, key: K) -> None:
        """Count one request.

        Raises:
            RateLimited: it comes too early; `retry_after_s` later it would not.
        """
        now = self._clock.monotonic()
        due = max(now, self._due.get(key, now)) + self._interval
        if due - now > self._slack + 1e-9:
            raise RateLimited(
                f"Too many requests of this kind ({self._name}).",
                retry_after_s=round(due - now - self._slack, 3),
            )
        self._due.put(key, due)

    def __repr__(self) -> str:
        return f"<Limit {self._name} keys={len(self._due)}>"
