"""Shard state behind its fence: the port that Redis Cluster fills in the fleet and SQLite in one process.

What lies here is what only the owner of a shard may write: parts of actors' state, open intents, the
outbox, answers kept for repeats, and the numbers of the links between shards. Facts lie elsewhere
(`actors.ports.facts`), so that losing all of this loses no fact.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from sharding.fence import Bid, Fence, Refusal
from sharding.shards import SHARD_COUNT


class PartWrite(msgspec.Struct, frozen=True):
    """One part of an entity's state, replaced whole; None removes it."""

    entity: int
    part: str
    value: bytes | None


class KeptAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a command answered, kept for a repeat of the same op."""

    op_id: bytes
    #: Digest of the request's body: a repeat with another body is a conflict.
    digest: bytes
    answer: bytes
    expires_ms: int


class OutboxEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One event or errand on its way out, numbered within the shard."""

    number: int
    payload: bytes


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that a commit promised to write, numbered within the shard."""

    number: int
    rows: bytes


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """The last event that went over the link from one shard to another: an epoch and a number in it."""

    peer: int
    epoch: int
    number: int


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that one batch of turns of one shard changes; takes effect whole or not at all."""

    shard: int
    epoch: int
    owner: str
    #: How many commits the shard has had before this one.
    sequence: int
    #: The highest row timestamp used so far.
    timestamp_high: int
    writes: tuple[PartWrite, ...] = ()
    answers: tuple[KeptAnswer, ...] = ()
    intents: tuple[Intent, ...] = ()
    outbox: tuple[OutboxEntry, ...] = ()
    #: Last numbers sent to, and received from, other shards.
    sent: tuple[Link, ...] = ()
    received: tuple[Link, ...] = ()
    #: Intents whose rows have landed, and outbox entries that were taken over.
    landed: tuple[int, ...] = ()
    relayed: tuple[int, ...] = ()


class ShardHead(msgspec.Struct, frozen=True, kw_only=True):
    """What a new owner of a shard reads before it serves."""

    fence: Fence
    intents: tuple[Intent, ...]
    outbox: tuple[OutboxEntry, ...]
    sent: tuple[Link, ...]
    received: tuple[Link, ...]


class Refused(Exception):
    """A bid or a commit that the fence turned down; nothing of it was done."""

    def __init__(self, shard: int, refusal: Refusal, fence: Fence) -> None:
        super().__init__(f"shard {shard}: {refusal}, the fence is {fence}")
        self.shard = shard
        self.refusal = refusal
        self.fence = fence


class ShardStore(Protocol):
    """State of shards, written only past the fence.

    A store may lie on several machines, shards with neighbouring numbers together: a call for many shards
    fails when one of them cannot be reached, so callers ask for a few neighbours at a time.

    Every method raises `sharding.errors.StorageUnavailable` when the store does not answer; for a write,
    whether it took effect is then unknown and the same call may be repeated.
    """

    async def fences(self, shards: Sequence[int] = range(SHARD_COUNT)) -> Sequence[Fence]:
        """The fence of each of `shards`, in this order; `Fence()` for one that is not there."""
        ...

    async def install(self, bids: Sequence[Bid], *, now_ms: int) -> Sequence[Fence | Refused]:
        """Try to become the owner of each shard; for each bid, the fence now in force or why not.

        Accepted by `sharding.fence.may_install`; an accepted bid is on every copy before this returns.
        """
        ...

    async def renew(
        self, shards: Sequence[int], *, owner: str, lease_until_ms: int
    ) -> Sequence[int]:
        """Prolong the lease of those shards that `owner` still owns and has not sealed; returns them."""
        ...

    async def seal(self, shard: int, *, epoch: int, owner: str) -> None:
        """Give a shard up: no commit of this epoch is accepted afterwards. Repeating it changes nothing.

        Raises:
            Refused: somebody else owns the shard.
        """
        ...

    async def open(self, shard: int) -> ShardHead:
        """What the last owner left: intents and outbox in order of their numbers, and the links."""
        ...

    async def commit(self, commit: Commit, *, now_ms: int) -> None:
        """Take over `commit` whole, durably, or refuse it whole.

        Accepted by `sharding.fence.may_commit`. The very same commit sent again after it took effect (same
        epoch and owner, sequence one behind) is accepted without doing it again.

        Raises:
            Refused: the fence says no, or an op of it has an answer already (`stale`).
        """
        ...

    async def load(self, shard: int, entity: int) -> Mapping[str, bytes]:
        """All parts of an entity's state; empty for an unknown one."""
        ...

    async def answer(self, shard: int, op_id: bytes, *, now_ms: int) -> KeptAnswer | None:
        """The kept answer of an op, None when there is none or it has expired."""
        ...
