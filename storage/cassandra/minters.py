"""Minter numbers: each process that makes ids holds one that nobody else has.

A number is leased by a lightweight transaction with a TTL and renewed well before that. It is never given back:
what a process leaves lapses, so the next start cannot have it at once, and ids stay unique when the clock of
a machine was set back between them. A holder that could not renew for longer than a newcomer would need to take
the number and lose it again cannot know, and says so: it must make no more ids.
"""

import random
from collections.abc import Awaitable, Callable

from actors.tasks import TaskSet
from sharding.errors import StorageUnavailable
from sharding.ids import MINTER_COUNT
from storage.cassandra.session import Cassandra
from storage.cassandra.statements import Level, Statement

_TAKEN = Statement(Level.FRESH, "SELECT number FROM minters LIMIT ?")
_TAKE = Statement(
    Level.AGREED, "INSERT INTO minters (number, holder) VALUES (?, ?) IF NOT EXISTS USING TTL ?"
)
_RENEW = Statement(
    Level.AGREED, "UPDATE minters USING TTL ? SET holder = ? WHERE number = ? IF holder = ?"
)
_HOLDER = Statement(Level.SETTLED, "SELECT holder FROM minters WHERE number = ?")

#: Called once when the number may be someone else's.
Lost = Callable[[], None]


class MinterLost(Exception):
    """Another process may hold this minter number now: no more ids may be made here."""


class MinterLease:
    """A number that is this process's own for as long as `held` says so."""

    __slots__ = ("_cassandra", "_holder", "_renewed_s", "_ttl_s", "number")

    def __init__(self, cassandra: Cassandra, number: int, holder: str) -> None:
        #: 0..1023.
        self.number = number
        self._cassandra = cassandra
        self._holder = holder
        self._ttl_s = cassandra.settings.minter_lease_s
        self._renewed_s = cassandra.clock.monotonic()

    @property
    def held(self) -> bool:
        """Whether the number is certainly no one else's."""
        return self._cassandra.clock.monotonic() - self._renewed_s < self._ttl_s

    async def renew(self) -> None:
        """Hold the number for another while.

        Raises:
            MinterLost: someone else may have, or have had, the number.
            StorageUnavailable: not known; to be repeated.
        """
        cassandra = self._cassandra
        # Counted from before asking, when the TTL cannot have begun yet.
        asked_s = cassandra.clock.monotonic()
        row = await cassandra.first(_RENEW, self._ttl_s, self._holder, self.number, self._holder)
        if not (row and row[0]):
            held = await cassandra.first(_HOLDER, self.number)
            # Whoever took it after it lapsed would still have it, until twice the lease is over.
            lapsed = held is None and asked_s - self._renewed_s < 2 * self._ttl_s
            if not lapsed or not await take(cassandra, self.number, self._holder):
                raise MinterLost(f"minter {self.number} is held by {held}")
        self._renewed_s = asked_s

    async def keep(self) -> None:
        """Renew for ever.

        Raises:
            MinterLost: see `renew`.
        """
        clock = self._cassandra.clock
        while True:
            await clock.sleep(self._ttl_s / 3)
            try:
                await self.renew()
            except StorageUnavailable:
                # The next turn is early enough; `held` says when it is not.
                continue

    def __repr__(self) -> str:
        return f"<MinterLease {self.number} held={self.held}>"


async def lease_minter(
    cassandra: Cassandra, tasks: TaskSet, dice: random.Random, lost: Lost
) -> MinterLease:
    """A minter number that no other living process holds, renewed by a task of `tasks`.

    `lost` is called when it may be another's; whoever mints must stop then.

    Raises:
        StorageUnavailable: Cassandra does not answer, or all numbers are taken.
    """
    holder = f"{dice.getrandbits(128):032x}"
    found = await cassandra.rows(_TAKEN, MINTER_COUNT)
    taken = {number for (number,) in found}
    free = [number for number in range(MINTER_COUNT) if number not in taken]
    dice.shuffle(free)
    for number in free:
        lease = MinterLease(cassandra, number, holder)
        if await take(cassandra, number, holder):
            tasks.spawn(_kept(lease.keep, lost), name=f"minter {number}")
            return lease
    raise StorageUnavailable("All minter numbers are taken.", executed=False)


async def take(cassandra: Cassandra, number: int, holder: str) -> bool:
    """Take a free number; an answer that was lost is asked back.

    Raises:
        StorageUnavailable: whether it was taken is not known.
    """
    try:
        row = await cassandra.first(_TAKE, number, holder, cassandra.settings.minter_lease_s)
        return bool(row and row[0])
    except StorageUnavailable:
        row = await cassandra.first(_HOLDER, number)
        return row is not None and row[0] == holder


async def _kept(keep: Callable[[], Awaitable[None]], lost: Lost) -> None:
    try:
        await keep()
    except MinterLost:
        lost()
        raise
