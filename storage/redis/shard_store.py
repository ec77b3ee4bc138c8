"""`RedisShardStore`: state of shards in Redis Cluster, behind the same fence as everywhere.

What SQLite decides in a transaction, a Lua script decides here: Redis runs one script at a time, and all keys
of a shard lie in one slot. The scripts say what `sharding.fence` says; a fuzz test compares them.

Whatever writes is acknowledged when a replica has it (`replicas`). Reads go to masters, and see at once what a
script wrote: a new owner's reads come after its bid, which its replica has, and so has it everything before.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from actors.ports.shard_store import (
    Commit,
    Intent,
    KeptAnswer,
    OutboxEntry,
    Refused,
    ShardHead,
)
from sharding.fence import Bid, Fence
from sharding.shards import SHARD_COUNT
from storage.redis import packing
from storage.redis.keys import ShardKeys
from storage.redis.packing import FENCE_FIELDS, OK, fence_of, refusal_of
from storage.redis.router import Router
from storage.redis.settings import RedisSettings


class RedisShardStore:
    """Fills `actors.ports.shard_store.ShardStore`."""

    __slots__ = ("_keys", "_router", "_sweep_bite")

    def __init__(self, router: Router, settings: RedisSettings) -> None:
        self._router = router
        self._sweep_bite = settings.sweep_bite
        prefix = settings.prefix.encode()
        self._keys = tuple(ShardKeys(prefix, shard) for shard in range(SHARD_COUNT))

    async def fences(self, shards: Sequence[int] = range(SHARD_COUNT)) -> Sequence[Fence]:
        """The fence of each of `shards`, in this order."""
        return await asyncio.gather(*[self._fence(shard) for shard in shards])

    async def install(self, bids: Sequence[Bid], *, now_ms: int) -> Sequence[Fence | Refused]:
        """Judge every bid on its own, all of them under way at once."""
        return await asyncio.gather(*[self._install(bid, now_ms) for bid in bids])

    async def renew(
        self, shards: Sequence[int], *, owner: str, lease_until_ms: int
    ) -> Sequence[int]:
        """Prolong leases that `owner` still holds; a lease never gets shorter."""
        arguments = (owner.encode(), b"%d" % lease_until_ms)
        kept = await asyncio.gather(*[self._renew(shard, arguments) for shard in shards])
        return [shard for shard, still in zip(shards, kept, strict=True) if still]

    async def seal(self, shard: int, *, epoch: int, owner: str) -> None:
        """Give a shard up for good in this epoch."""
        keys = self._keys[shard]
        (said, *fence), _ = await self._router.write(
            keys.slot,
            self._router.scripts.seal,
            (keys.fence,),
            (b"%d" % epoch, owner.encode()),
        )
        _raise_if_refused(shard, said, fence)

    async def open(self, shard: int) -> ShardHead:
        """Everything that a new owner needs; consistent, since nobody but the owner writes."""
        keys = self._keys[shard]
        fence, intents, outbox, sent, received = await self._router.read(
            keys.slot,
            (
                (b"HMGET", keys.fence, *FENCE_FIELDS),
                (b"HGETALL", keys.intents),
                (b"HGETALL", keys.outbox),
                (b"HGETALL", keys.sent),
                (b"HGETALL", keys.received),
            ),
        )
        return ShardHead(
            fence=fence_of(fence),
            intents=tuple(Intent(number=n, rows=rows) for n, rows in packing.by_number(intents)),
            outbox=tuple(
                OutboxEntry(number=n, payload=payload) for n, payload in packing.by_number(outbox)
            ),
            sent=packing.unpack_links(sent),
            received=packing.unpack_links(received),
        )

    async def commit(self, commit: Commit, *, now_ms: int) -> None:
        """Take over one batch of turns whole, or refuse it whole."""
        keys = self._keys[commit.shard]
        touched, arguments = packing.pack_commit(
            keys, commit, now_ms=now_ms, sweep_bite=self._sweep_bite
        )
        (said, *fence), _ = await self._router.write(
            keys.slot, self._router.scripts.commit, touched, arguments
        )
        _raise_if_refused(commit.shard, said, fence)

    async def load(self, shard: int, entity: int) -> Mapping[str, bytes]:
        """All parts of an entity."""
        keys = self._keys[shard]
        (fields,) = await self._router.read(keys.slot, ((b"HGETALL", keys.parts(entity)),))
        return {part.decode(): value for part, value in packing.pairs(fields)}

    async def answer(self, shard: int, op_id: bytes, *, now_ms: int) -> KeptAnswer | None:
        """The answer that was kept for an op, until it expires."""
        keys = self._keys[shard]
        (packed,) = await self._router.read(keys.slot, ((b"HGET", keys.answers, op_id),))
        if packed is None:
            return None
        kept = packing.unpack_answer(op_id, packed)
        return kept if kept.expires_ms > now_ms else None

    async def _fence(self, shard: int) -> Fence:
        keys = self._keys[shard]
        (fields,) = await self._router.read(keys.slot, ((b"HMGET", keys.fence, *FENCE_FIELDS),))
        return fence_of(fields)

    async def _install(self, bid: Bid, now_ms: int) -> Fence | Refused:
        keys = self._keys[bid.shard]
        dead = bid.proven_dead
        (said, *fields), unsure = await self._router.write(
            keys.slot,
            self._router.scripts.install,
            (keys.fence,),
            (
                b"%d" % bid.epoch,
                bid.owner.encode(),
                b"%d" % bid.lease_until_ms,
                b"0" if dead is None else b"1",
                (dead or "").encode(),
                b"%d" % now_ms,
            ),
        )
        fence = fence_of(fields)
        if said == OK or (unsure and _is_of(fence, bid)):
            return fence
        return Refused(bid.shard, refusal_of(said), fence)

    async def _renew(self, shard: int, arguments: tuple[bytes, ...]) -> bool:
        keys = self._keys[shard]
        (said,), _ = await self._router.write(
            keys.slot, self._router.scripts.renew, (keys.fence,), arguments
        )
        return bool(said == OK)

    def __repr__(self) -> str:
        return f"<RedisShardStore over {self._router!r}>"


def _is_of(fence: Fence, bid: Bid) -> bool:
    # An epoch names one ownership of one incarnation: what lies there came from this very bid, in an attempt
    # whose answer was lost.
    return (fence.epoch, fence.owner, fence.lease_until_ms, fence.sealed) == (
        bid.epoch,
        bid.owner,
        bid.lease_until_ms,
        False,
    )


def _raise_if_refused(shard: int, said: bytes, fields: Sequence[Any]) -> None:
    if said != OK:
        raise Refused(shard, refusal_of(said), fence_of(fields))
