"""One commit, applied to the tables behind its fence; runs inside a transaction of the store."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors.ports.shard_store import Commit, Refused
from sharding.fence import Bid, Fence, Refusal, installed, may_commit, may_install

#: Expired answers that a commit with answers of its own removes at most, so that no sweep is ever long.
SWEEP_BITE = 16

#: Columns that `fence_of` reads.
FENCE = "epoch, owner, lease_until_ms, sealed, sequence, timestamp_high"


@dataclass(frozen=True, slots=True, kw_only=True)
class FenceRules:
    """The rules in force; another set is for tests that prove that these matter."""

    may_install: Callable[..., Refusal | None] = may_install
    may_commit: Callable[..., Refusal | None] = may_commit
    installed: Callable[[Fence, Bid], Fence] = installed


def apply(connection: sqlite3.Connection, commit: Commit, now_ms: int, rules: FenceRules) -> None:
    """Take over `commit` whole.

    Raises:
        Refused: the fence turns it down; the caller undoes whatever was written.
    """
    shard = commit.shard
    fence = read_fence(connection, shard)
    # Asked before the rules: a repeat whose lease ended meanwhile did take effect, and must hear so.
    if (fence.epoch, fence.owner) == (commit.epoch, commit.owner) and (
        fence.sequence == commit.sequence + 1
    ):
        return
    refusal = rules.may_commit(
        fence, epoch=commit.epoch, owner=commit.owner, sequence=commit.sequence, now_ms=now_ms
    )
    if refusal is not None:
        raise Refused(shard, refusal, fence)
    if commit.answers:
        _keep_answers(connection, commit, fence, now_ms)
    parts = {(write.entity, write.part): write.value for write in commit.writes}
    connection.executemany(
        "INSERT OR REPLACE INTO parts (shard, entity, part, value) VALUES (?, ?, ?, ?)",
        [(shard, *part, value) for part, value in parts.items() if value is not None],
    )
    connection.executemany(
        "DELETE FROM parts WHERE shard = ? AND entity = ? AND part = ?",
        [(shard, *part) for part, value in parts.items() if value is None],
    )
    connection.executemany(
        "INSERT INTO intents (shard, number, rows) VALUES (?, ?, ?)",
        [(shard, intent.number, intent.rows) for intent in commit.intents],
    )
    connection.executemany(
        "INSERT INTO outbox (shard, number, payload) VALUES (?, ?, ?)",
        [(shard, entry.number, entry.payload) for entry in commit.outbox],
    )
    connection.executemany(
        "DELETE FROM intents WHERE shard = ? AND number = ?",
        [(shard, number) for number in commit.landed],
    )
    connection.executemany(
        "DELETE FROM outbox WHERE shard = ? AND number = ?",
        [(shard, number) for number in commit.relayed],
    )
    connection.executemany(
        "INSERT OR REPLACE INTO links (shard, direction, peer, epoch, number)"
        " VALUES (?, ?, ?, ?, ?)",
        [
            (shard, direction, link.peer, link.epoch, link.number)
            for direction, links in (("sent", commit.sent), ("received", commit.received))
            for link in links
        ],
    )
    connection.execute(
        "UPDATE fences SET sequence = ?, timestamp_high = max(timestamp_high, ?) WHERE shard = ?",
        (commit.sequence + 1, commit.timestamp_high, shard),
    )


def _keep_answers(
    connection: sqlite3.Connection, commit: Commit, fence: Fence, now_ms: int
) -> None:
    for kept in commit.answers:
        found = connection.execute(
            "SELECT 1 FROM answers WHERE shard = ? AND op_id = ? AND expires_ms > ?",
            (commit.shard, kept.op_id, now_ms),
        ).fetchone()
        if found:
            raise Refused(commit.shard, "stale", fence)
    connection.execute(
        "DELETE FROM answers WHERE shard = :shard AND op_id IN (SELECT op_id FROM answers"
        " WHERE shard = :shard AND expires_ms <= :now_ms ORDER BY expires_ms LIMIT :bite)",
        {"shard": commit.shard, "now_ms": now_ms, "bite": SWEEP_BITE},
    )
    connection.executemany(
        "INSERT OR REPLACE INTO answers (shard, op_id, digest, answer, expires_ms)"
        " VALUES (?, ?, ?, ?, ?)",
        [(commit.shard, a.op_id, a.digest, a.answer, a.expires_ms) for a in commit.answers],
    )


def read_fence(connection: sqlite3.Connection, shard: int) -> Fence:
    """The fence beside a shard's data."""
    return fence_of(
        connection.execute(f"SELECT {FENCE} FROM fences WHERE shard = ?", (shard,)).fetchone()
    )


def fence_of(row: Sequence[Any]) -> Fence:
    """The fence that the columns `FENCE` hold."""
    epoch, owner, lease_until_ms, sealed, sequence, timestamp_high = row
    return Fence(
        epoch=epoch,
        owner=owner,
        lease_until_ms=lease_until_ms,
        sealed=bool(sealed),
        sequence=sequence,
        timestamp_high=timestamp_high,
    )


def save_fences(connection: sqlite3.Connection, fences: Mapping[int, Fence]) -> None:
    """Replace the fences of these shards."""
    connection.executemany(
        "UPDATE fences SET epoch = ?, owner = ?, lease_until_ms = ?, sealed = ?, sequence = ?,"
        " timestamp_high = ? WHERE shard = ?",
        [
            (f.epoch, f.owner, f.lease_until_ms, f.sealed, f.sequence, f.timestamp_high, shard)
            for shard, f in fences.items()
        ],
    )
