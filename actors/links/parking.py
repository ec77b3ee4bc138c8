"""Asks that wait for a node: bounded per shard and in all, in number, bytes and time.

Whatever waits here has certainly not been executed. Beyond a bound an ask is refused at once and says so,
so that a node that is away costs its own users a moment and everybody else nothing.
"""

from collections import Counter

from actors.links.call import Call
from actors.links.settings import CallerSettings
from sharding.errors import Overloaded

#: What is told to those that do not fit.
RETRY_AFTER_S = 1.0


class Parking:
    """Counts what waits in one gateway."""

    __slots__ = ("_bytes", "_settings", "asks", "bytes", "refused")

    def __init__(self, settings: CallerSettings) -> None:
        self._settings = settings
        #: Waiting asks, and their bytes, by shard.
        self.asks: Counter[int] = Counter()
        self._bytes: Counter[int] = Counter()
        self.bytes = 0
        self.refused = 0

    def enter(self, call: Call, now: float) -> None:
        """Count a call that has to wait; one that already does is not counted twice.

        Raises:
            Overloaded: too much waits already.
        """
        if call.parked:
            return
        size, shard, bounds = len(call.payload), call.shard, self._settings
        if (
            self.asks[shard] >= bounds.parked_asks_per_shard
            or self._bytes[shard] + size > bounds.parked_bytes_per_shard
            or self.bytes + size > bounds.parked_bytes
        ):
            self.refused += 1
            raise Overloaded("Too many wait for this user's node.", retry_after_s=RETRY_AFTER_S)
        self.asks[shard] += 1
        self._bytes[shard] += size
        self.bytes += size
        call.parked = True
        if not call.parked_until:
            call.parked_until = now + bounds.park_s

    def leave(self, call: Call) -> None:
        """It waits no longer. Idempotent."""
        if not call.parked:
            return
        call.parked = False
        shard, size = call.shard, len(call.payload)
        self.bytes -= size
        self._bytes[shard] -= size
        self.asks[shard] -= 1
        if not self.asks[shard]:
            del self.asks[shard], self._bytes[shard]

    def __len__(self) -> int:
        return self.asks.total()

    def __repr__(self) -> str:
        return f"<Parking {len(self)} asks, {self.bytes} bytes, {len(self.asks)} shards>"
