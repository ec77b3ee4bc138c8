"""The fence: who may write a shard, decided by the data itself.

Ownership in other actor systems is agreed on by members and then trusted; each of them has had two owners
write at once. Here every write carries what its author believes (owner, epoch, sequence), and the store
compares that with the fence that lies beside the data, in the same transaction. A paused owner that wakes
up is refused by the data, whatever anyone believed meanwhile. The idea is Temporal's range id.

These functions are the rules, pure, in one place. SQLite runs them as they are; the Redis script says the
same in Lua and is compared with them by a fuzz test; the simulator mutates them and must go red.

Why `>` and never `>=` in `may_install`: an epoch names one ownership. With `>=` a second node could take over
in the very epoch of the first, and whoever compares epochs (caches, the table, answers of a node that
paused) could not tell one owner's word from the other's.
"""

from typing import Literal

import msgspec

#: Timestamps of rows are `epoch * TIMESTAMPS_PER_EPOCH + n`; an owner that used more than these in one
#: epoch forces the next epoch above its high-water (`next_epoch`).
TIMESTAMPS_PER_EPOCH = 1_000


class Fence(msgspec.Struct, frozen=True, kw_only=True):
    """What lies beside a shard's data."""

    epoch: int = 0
    #: Name of the owner's incarnation: a restarted process is another one.
    owner: str = ""
    #: Unix millisecond until which nobody may take over from a living owner.
    lease_until_ms: int = 0
    #: The owner gave the shard up after its last write.
    sealed: bool = True
    #: How many commits this shard has had.
    sequence: int = 0
    #: The highest row timestamp that was ever committed.
    timestamp_high: int = 0


class Bid(msgspec.Struct, frozen=True, kw_only=True):
    """A node's wish to own a shard."""

    shard: int
    epoch: int
    owner: str
    lease_until_ms: int
    #: An incarnation that is proven to be dead; its lease does not count.
    proven_dead: str | None = None


#: Why a write or a bid was refused; `stale` also covers a wrong owner.
Refusal = Literal["stale", "sealed", "lease_over", "lease_running", "out_of_sequence"]


def next_epoch(fence: Fence, *, intended: int, unix_ms: int) -> int:
    """The epoch to bid with: above the fence, above what the table intends, above every timestamp used.

    The clock is a floor, so that epochs keep growing even if both stores lose their memory; they never
    depend on it otherwise.
    """
    used_by_timestamps = fence.timestamp_high // TIMESTAMPS_PER_EPOCH
    return 1 + max(fence.epoch, intended, unix_ms, used_by_timestamps)


def may_install(fence: Fence, bid: Bid, *, now_ms: int) -> Refusal | None:
    """Why `bid` must be refused, or None."""
    if not bid.epoch > fence.epoch:
        return "stale"
    dead = bid.proven_dead is not None and bid.proven_dead == fence.owner
    if not (fence.sealed or dead or now_ms >= fence.lease_until_ms):
        return "lease_running"
    return None


def installed(fence: Fence, bid: Bid) -> Fence:
    """The fence after an accepted bid."""
    return msgspec.structs.replace(
        fence,
        epoch=bid.epoch,
        owner=bid.owner,
        lease_until_ms=bid.lease_until_ms,
        sealed=False,
    )


def may_commit(
    fence: Fence, *, epoch: int, owner: str, sequence: int, now_ms: int
) -> Refusal | None:
    """Why a write by `owner` in `epoch`, which expects `sequence`, must be refused, or None."""
    if fence.epoch != epoch or fence.owner != owner:
        return "stale"
    if fence.sealed:
        return "sealed"
    if now_ms >= fence.lease_until_ms:
        return "lease_over"
    if fence.sequence != sequence:
        return "out_of_sequence"
    return None


def first_timestamp(epoch: int) -> int:
    """The lowest row timestamp of an epoch; above all of the epochs before it."""
    return epoch * TIMESTAMPS_PER_EPOCH
