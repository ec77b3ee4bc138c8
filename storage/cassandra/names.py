"""`CassandraNames`: who has which username, by lightweight transactions.

A claim carries the moment it runs out, by our clock, as in the embedded product: the row's TTL only sweeps away
what nobody asks about. What a transaction that did not answer has come to is asked back, at SERIAL, and every step
is decided by what is there: claiming or confirming twice is harmless.
"""

from collections.abc import Awaitable, Callable

from sharding.errors import Conflict, StorageUnavailable
from storage.cassandra.session import Cassandra
from storage.cassandra.statements import Level, Statement

#: How often a step begins again because somebody else was quicker, or no answer came.
MAX_ATTEMPTS = 5
#: How much longer than its claim a row lies there, in seconds.
SWEEP_S = 3_600
#: `expires_ms` of a confirmed name.
FINAL = 0

_CLAIM = Statement(
    Level.AGREED,
    "INSERT INTO usernames (username, user_id, expires_ms) VALUES (?, ?, ?) IF NOT EXISTS USING TTL ?",
)
_TAKE = Statement(
    Level.AGREED,
    "UPDATE usernames USING TTL ? SET user_id = ?, expires_ms = ? WHERE username = ?"
    " IF user_id = ? AND expires_ms = ?",
)
_HOLD = Statement(
    Level.AGREED,
    "UPDATE usernames SET user_id = ?, expires_ms = 0 WHERE username = ?"
    " IF user_id = ? AND expires_ms = ?",
)
_HOLD_FREE = Statement(
    Level.AGREED,
    "INSERT INTO usernames (username, user_id, expires_ms) VALUES (?, ?, 0) IF NOT EXISTS",
)
_RELEASE = Statement(
    Level.AGREED, "DELETE FROM usernames WHERE username = ? IF user_id = ? AND expires_ms > 0"
)
_LOOKUP = Statement(Level.FRESH, "SELECT user_id, expires_ms FROM usernames WHERE username = ?")
_SETTLED = Statement(Level.SETTLED, "SELECT user_id, expires_ms FROM usernames WHERE username = ?")

#: Whose name it is, and until when.
Held = tuple[int, int]


class CassandraNames:
    """Fills `gateway.ports.Names`."""

    __slots__ = ("_cassandra",)

    def __init__(self, cassandra: Cassandra) -> None:
        self._cassandra = cassandra

    async def claim(self, username: str, user_id: int, ttl_ms: int) -> bool:
        """Hold a free name, or hold on to one's own; False when it is someone else's."""
        now_ms = self._cassandra.clock.unix_ms()
        until_ms, ttl_s = now_ms + ttl_ms, ttl_ms // 1000 + SWEEP_S

        async def step(held: Held | None) -> bool | None:
            if held is None:
                done = await self._decided(_CLAIM, username, user_id, until_ms, ttl_s)
            elif held in ((user_id, FINAL), (user_id, until_ms)):
                return True
            elif held[0] != user_id and not 0 < held[1] <= now_ms:
                return False
            else:
                done = await self._decided(_TAKE, ttl_s, user_id, until_ms, username, *held)
            return True if done else None

        return await self._settle(username, step, begins=True)

    async def confirm(self, username: str, user_id: int) -> None:
        """Make a claim final, also one that ran out while nobody else took the name. Idempotent.

        Raises:
            Conflict: the name is someone else's.
        """
        now_ms = self._cassandra.clock.unix_ms()

        async def step(held: Held | None) -> bool | None:
            if held is None:
                done = await self._decided(_HOLD_FREE, username, user_id)
            elif held == (user_id, FINAL):
                return True
            elif held[0] != user_id and not 0 < held[1] <= now_ms:
                return False
            else:
                done = await self._decided(_HOLD, user_id, username, *held)
            return True if done else None

        if not await self._settle(username, step):
            raise Conflict("This name is taken.")

    async def lookup(self, username: str) -> int | None:
        """Whose name it is; None for a free or merely claimed one."""
        try:
            held = await self._cassandra.first(_LOOKUP, username)
        except StorageUnavailable as error:
            # Whoever looks somebody up has done nothing yet.
            error.executed = False
            raise
        return held[0] if held is not None and held[1] == FINAL else None

    async def release(self, username: str, user_id: int) -> None:
        """Give up a claim that was not confirmed. Idempotent."""

        async def step(held: Held | None) -> bool | None:
            if held is None or held[0] != user_id or held[1] == FINAL:
                return True
            return await self._decided(_RELEASE, username, user_id) or None

        await self._settle(username, step)

    async def _settle(
        self,
        username: str,
        step: Callable[[Held | None], Awaitable[bool | None]],
        *,
        begins: bool = False,
    ) -> bool:
        """Repeat `step` on what is there now, until it comes to something.

        `begins` is for the first step of a registration: where not even a look succeeds, nothing was done.
        """
        lost: StorageUnavailable | None = None
        for _ in range(MAX_ATTEMPTS):
            try:
                found = await self._cassandra.first(_SETTLED, username)
            except StorageUnavailable as error:
                if begins and lost is None:
                    error.executed = False
                raise
            try:
                outcome = await step((found[0], found[1]) if found else None)
            except StorageUnavailable as error:
                lost = error
                continue
            if outcome is not None:
                return outcome
        raise lost or StorageUnavailable("Too many want this name at once.", context=username)

    async def _decided(self, statement: Statement, *values: object) -> bool:
        """Whether a transaction was applied."""
        row = await self._cassandra.first(statement, *values)
        return row is not None and bool(row[0])

    def __repr__(self) -> str:
        return f"<CassandraNames on {self._cassandra!r}>"
