"""`SqliteShardStore`: state of shards in SQLite, behind the same fence as everywhere.

The rules are the pure functions of `sharding.fence`, called inside the transaction that writes; this file
only reads the fence, asks, and puts down what was accepted. A test hands in a wrong rule and must see the
suite fail. All shards commit through one writer, which groups them into one fsync.
"""

import sqlite3
from collections.abc import Mapping, Sequence

from actors.ports.shard_store import (
    Commit,
    Intent,
    KeptAnswer,
    Link,
    OutboxEntry,
    Refused,
    ShardHead,
)
from sharding.fence import Bid, Fence
from sharding.shards import SHARD_COUNT
from storage.embedded.database import Database
from storage.embedded.shard_commit import (
    FENCE,
    FenceRules,
    apply,
    fence_of,
    read_fence,
    save_fences,
)


class SqliteShardStore:
    """Fills `actors.ports.shard_store.ShardStore`."""

    __slots__ = ("_database", "_rules")

    def __init__(self, database: Database, rules: FenceRules | None = None) -> None:
        self._database = database
        self._rules = rules or FenceRules()

    async def fences(self, shards: Sequence[int] = range(SHARD_COUNT)) -> Sequence[Fence]:
        """The fence of each of `shards`."""

        def effect(connection: sqlite3.Connection) -> list[Fence]:
            rows = connection.execute(f"SELECT shard, {FENCE} FROM fences")
            fences = {shard: fence_of(row) for shard, *row in rows}
            return [fences[shard] for shard in shards]

        return await self._database.read(effect)

    async def install(self, bids: Sequence[Bid], *, now_ms: int) -> Sequence[Fence | Refused]:
        """Judge all bids in one transaction, one after another."""
        rules = self._rules

        def effect(connection: sqlite3.Connection) -> list[Fence | Refused]:
            fences = {
                shard: fence_of(row)
                for shard, *row in connection.execute(f"SELECT shard, {FENCE} FROM fences")
            }
            results: list[Fence | Refused] = []
            changed: dict[int, Fence] = {}
            for bid in bids:
                fence = fences[bid.shard]
                refusal = rules.may_install(fence, bid, now_ms=now_ms)
                if refusal is not None:
                    results.append(Refused(bid.shard, refusal, fence))
                    continue
                fence = rules.installed(fence, bid)
                fences[bid.shard] = changed[bid.shard] = fence
                results.append(fence)
            save_fences(connection, changed)
            return results

        return await self._database.write(effect)

    async def renew(
        self, shards: Sequence[int], *, owner: str, lease_until_ms: int
    ) -> Sequence[int]:
        """Prolong leases that `owner` still holds; a lease never gets shorter."""

        def effect(connection: sqlite3.Connection) -> list[int]:
            owned = {
                shard
                for (shard,) in connection.execute(
                    "SELECT shard FROM fences WHERE owner = ? AND sealed = 0", (owner,)
                )
            }
            renewed = [shard for shard in shards if shard in owned]
            connection.executemany(
                "UPDATE fences SET lease_until_ms = max(lease_until_ms, ?) WHERE shard = ?",
                [(lease_until_ms, shard) for shard in renewed],
            )
            return renewed

        return await self._database.write(effect)

    async def seal(self, shard: int, *, epoch: int, owner: str) -> None:
        """Give a shard up for good in this epoch."""

        def effect(connection: sqlite3.Connection) -> None:
            fence = read_fence(connection, shard)
            if (fence.epoch, fence.owner) != (epoch, owner):
                raise Refused(shard, "stale", fence)
            connection.execute("UPDATE fences SET sealed = 1 WHERE shard = ?", (shard,))

        await self._database.write(effect)

    async def open(self, shard: int) -> ShardHead:
        """Everything that a new owner needs, from one snapshot."""

        def effect(connection: sqlite3.Connection) -> ShardHead:
            links: dict[str, list[Link]] = {"sent": [], "received": []}
            for direction, peer, epoch, number in connection.execute(
                "SELECT direction, peer, epoch, number FROM links WHERE shard = ?", (shard,)
            ):
                links[direction].append(Link(peer=peer, epoch=epoch, number=number))
            intents = connection.execute(
                "SELECT number, rows FROM intents WHERE shard = ? ORDER BY number", (shard,)
            )
            outbox = connection.execute(
                "SELECT number, payload FROM outbox WHERE shard = ? ORDER BY number", (shard,)
            )
            return ShardHead(
                fence=read_fence(connection, shard),
                intents=tuple(Intent(number=number, rows=rows) for number, rows in intents),
                outbox=tuple(
                    OutboxEntry(number=number, payload=payload) for number, payload in outbox
                ),
                sent=tuple(links["sent"]),
                received=tuple(links["received"]),
            )

        return await self._database.read(effect)

    async def commit(self, commit: Commit, *, now_ms: int) -> None:
        """Take over one batch of turns whole, or refuse it whole."""
        await self._database.write(
            lambda connection: apply(connection, commit, now_ms, self._rules)
        )

    async def load(self, shard: int, entity: int) -> Mapping[str, bytes]:
        """All parts of an entity."""

        def effect(connection: sqlite3.Connection) -> dict[str, bytes]:
            return dict(
                connection.execute(
                    "SELECT part, value FROM parts WHERE shard = ? AND entity = ?", (shard, entity)
                )
            )

        return await self._database.read(effect)

    async def answer(self, shard: int, op_id: bytes, *, now_ms: int) -> KeptAnswer | None:
        """The answer that was kept for an op, until it expires."""

        def effect(connection: sqlite3.Connection) -> KeptAnswer | None:
            row = connection.execute(
                "SELECT digest, answer, expires_ms FROM answers"
                " WHERE shard = ? AND op_id = ? AND expires_ms > ?",
                (shard, op_id, now_ms),
            ).fetchone()
            if row is None:
                return None
            digest, answer, expires_ms = row
            return KeptAnswer(op_id=op_id, digest=digest, answer=answer, expires_ms=expires_ms)

        return await self._database.read(effect)

    def __repr__(self) -> str:
        return f"<SqliteShardStore on {self._database!r}>"
