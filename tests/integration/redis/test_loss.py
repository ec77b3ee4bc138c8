"""A Redis that comes back empty, behind, or without our scripts."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis as Node

from actors.ports.shard_store import Intent, KeptAnswer, OutboxEntry, PartWrite, Refused
from sharding.fence import Fence
from sharding.shards import SHARD_COUNT
from storage.redis.keys import ShardKeys
from tests.contracts.make import bid, commit
from tests.contracts.redis import masters

SHARD = 7
FOR_EVER = 10**15


async def on_every_master(hurt, *command):
    for host, port in await masters(hurt.running.addresses):
        async with Node(host=host, port=port) as node:
            await node.execute_command(*command)


def write(sequence, **more):
    return commit(
        sequence,
        shard=SHARD,
        writes=(PartWrite(1, "n", b"%d" % sequence),),
        intents=(Intent(number=sequence, rows=b"i"),),
        **more,
    )


@pytest.fixture
async def owned(hurt):
    await hurt.shards.install([bid(shard=SHARD, lease_until_ms=FOR_EVER)], now_ms=0)
    return hurt


async def test_of_a_wiped_redis_nothing_is_half_there_and_old_owners_are_refused(owned):
    shards = owned.shards
    kept = KeptAnswer(op_id=b"op", digest=b"", answer=b"", expires_ms=FOR_EVER)
    entry = OutboxEntry(number=1, payload=b"o")
    await shards.commit(write(0, answers=(kept,), outbox=(entry,)), now_ms=1)
    await on_every_master(owned, "FLUSHALL")

    assert list(await shards.fences()) == [Fence()] * SHARD_COUNT
    head = await shards.open(SHARD)
    assert (head.intents, head.outbox, await shards.load(SHARD, 1)) == ((), (), {})
    assert await shards.answer(SHARD, b"op", now_ms=1) is None
    with pytest.raises(Refused) as refused:
        await shards.commit(write(1), now_ms=1)
    assert (refused.value.refusal, refused.value.fence) == ("stale", Fence())
    assert list(await shards.renew([SHARD], owner="a", lease_until_ms=FOR_EVER)) == []
    (fence,) = await shards.install([bid(shard=SHARD, epoch=11, lease_until_ms=FOR_EVER)], now_ms=1)
    assert (fence.epoch, fence.sequence) == (11, 0)
    await shards.commit(write(0, epoch=11), now_ms=1)


async def test_a_redis_that_comes_back_behind_says_where_and_takes_the_rest_again(owned):
    shards = owned.shards
    journal = [write(sequence) for sequence in range(5)]
    for each in journal:
        await shards.commit(each, now_ms=1)
    keys = ShardKeys(shards._keys[SHARD].stem.partition(b"{")[0], SHARD)
    master, _ = owned.nodes(SHARD)
    host, _, port = master.address.rpartition(":")
    async with Node(host=host, port=int(port)) as node:
        await node.hset(keys.fence, "q", 2)
        await node.hset(keys.parts(1), "n", b"1")
        await node.hdel(keys.intents, 2, 3, 4)

    with pytest.raises(Refused) as refused:
        await shards.commit(write(5), now_ms=1)
    assert refused.value.refusal == "out_of_sequence"
    for each in journal[refused.value.fence.sequence :]:
        await shards.commit(each, now_ms=1)
    await shards.commit(write(5), now_ms=1)
    assert await shards.load(SHARD, 1) == {"n": b"5"}
    assert [intent.number for intent in (await shards.open(SHARD)).intents] == [*range(6)]


async def test_scripts_that_redis_forgot_are_told_again(owned):
    await owned.shards.commit(write(0), now_ms=1)
    await on_every_master(owned, "SCRIPT", "FLUSH")
    await owned.shards.commit(write(1), now_ms=1)
    assert await owned.redis.limits.spend("l", "k", per_window=1, window_ms=1_000) is None
    assert owned.redis.statistics().scripts_reloaded >= 1
