"""`SqliteNames`: who has which username.

A name is claimed for a while and made final by `confirm`, a step of registration; a registration that dies
half-way gives its name back by itself.
"""

import sqlite3

from actors.ports.clock import Clock
from sharding.errors import Conflict
from storage.embedded.database import Database


class SqliteNames:
    """Fills `gateway.ports.Names`."""

    __slots__ = ("_clock", "_database")

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def claim(self, username: str, user_id: int, ttl_ms: int) -> bool:
        """Hold a free name, or hold on to one's own; False when it is someone else's."""
        now_ms = self._clock.unix_ms()

        def effect(connection: sqlite3.Connection) -> bool:
            # Of one's own names only a claim gets a new expiry; a confirmed one stays confirmed.
            connection.execute(
                "INSERT INTO usernames (username, user_id, expires_ms)"
                " VALUES (:username, :user_id, :until_ms)"
                " ON CONFLICT (username) DO UPDATE SET user_id = :user_id, expires_ms = :until_ms"
                " WHERE expires_ms IS NOT NULL AND (expires_ms <= :now_ms OR user_id = :user_id)",
                {
                    "username": username,
                    "user_id": user_id,
                    "until_ms": now_ms + ttl_ms,
                    "now_ms": now_ms,
                },
            )
            return _holder(connection, username) == user_id

        return await self._database.write(effect)

    async def confirm(self, username: str, user_id: int) -> None:
        """Make a claim final, also one that ran out while nobody else took the name. Idempotent.

        Raises:
            Conflict: the name is someone else's.
        """
        now_ms = self._clock.unix_ms()

        def effect(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO usernames (username, user_id, expires_ms)"
                " VALUES (:username, :user_id, NULL)"
                " ON CONFLICT (username) DO UPDATE SET user_id = :user_id, expires_ms = NULL"
                " WHERE user_id = :user_id OR expires_ms <= :now_ms",
                {"username": username, "user_id": user_id, "now_ms": now_ms},
            )
            if _holder(connection, username) != user_id:
                raise Conflict("This name is taken.")

        await self._database.write(effect)

    async def lookup(self, username: str) -> int | None:
        """Whose name it is; None for a free or merely claimed one."""

        def effect(connection: sqlite3.Connection) -> int | None:
            row = connection.execute(
                "SELECT user_id FROM usernames WHERE username = ? AND expires_ms IS NULL",
                (username,),
            ).fetchone()
            return row[0] if row else None

        return await self._database.read(effect)

    async def release(self, username: str, user_id: int) -> None:
        """Give up a claim that was not confirmed. Idempotent."""
        await self._database.write(
            lambda connection: (
                connection.execute(
                    "DELETE FROM usernames"
                    " WHERE username = ? AND user_id = ? AND expires_ms IS NOT NULL",
                    (username, user_id),
                ).rowcount
            )
        )

    def __repr__(self) -> str:
        return f"<SqliteNames on {self._database!r}>"


def _holder(connection: sqlite3.Connection, username: str) -> int | None:
    row = connection.execute(
        "SELECT user_id FROM usernames WHERE username = ?", (username,)
    ).fetchone()
    return row[0] if row else None
