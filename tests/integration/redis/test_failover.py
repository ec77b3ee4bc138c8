"""A master that dies or freezes under load: what was acknowledged is there, once."""

from __future__ import annotations

import asyncio

import pytest

from actors.ports.shard_store import OutboxEntry, PartWrite
from sharding.errors import StorageUnavailable
from tests.contracts.clock import until
from tests.contracts.make import bid, commit
from tests.contracts.redis import open_test_redis

FOR_EVER = 10**15
#: Spread over all masters.
SHARDS = range(0, 1024, 43)


class Owner:
    """Commits to one shard as fast as it is answered, each with an outbox entry of its own."""

    def __init__(self, store, shard):
        self.store = store
        self.shard = shard
        self.acknowledged = 0

    async def run(self, enough):
        while not enough.is_set():
            n = self.acknowledged
            await self.store.commit(
                commit(
                    n,
                    shard=self.shard,
                    writes=(PartWrite(self.shard, "n", b"%d" % n),),
                    outbox=(OutboxEntry(number=n, payload=b"%d" % n),),
                    relayed=(n - 50,),
                ),
                now_ms=1,
            )
            self.acknowledged += 1
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("how", ["kill", "pause"])
async def test_every_acknowledged_commit_survives_the_loss_of_a_master_once(hurt, how):
    store = hurt.shards
    await store.install([bid(shard=s, lease_until_ms=FOR_EVER) for s in SHARDS], now_ms=0)
    owners, enough = [Owner(store, shard) for shard in SHARDS], asyncio.Event()
    running = [asyncio.ensure_future(owner.run(enough)) for owner in owners]
    await until(lambda: min(owner.acknowledged for owner in owners) >= 20)
    master, _ = hurt.nodes(SHARDS[0])
    getattr(master, how)()
    lost = [owner.acknowledged for owner in owners]
    await until(lambda: all(o.acknowledged >= n + 20 for o, n in zip(owners, lost, strict=True)))
    master.resume()
    await asyncio.sleep(0.3)
    enough.set()
    # None was refused: a refusal would be a commit that was lost, or done twice.
    await asyncio.gather(*running)

    for owner in owners:
        head, n = await store.open(owner.shard), owner.acknowledged
        assert head.fence.sequence == n
        assert await store.load(owner.shard, owner.shard) == {"n": b"%d" % (n - 1)}
        assert [entry.number for entry in head.outbox] == [*range(max(0, n - 50), n)]
    assert hurt.redis.statistics().resent > 0


async def test_a_cluster_that_does_not_come_back_is_given_up_in_time(hurt, request):
    client = request.node.callspec.params["hurt"]
    async with open_test_redis(client, hurt.running.addresses, give_up_after_s=1.5) as redis:
        await redis.shards.install([bid(lease_until_ms=FOR_EVER)], now_ms=0)
        hurt.running.kill()
        async with asyncio.timeout(10):
            with pytest.raises(StorageUnavailable):
                await redis.shards.commit(commit(0), now_ms=1)
            with pytest.raises(StorageUnavailable):
                await redis.shards.load(7, 1)
            with pytest.raises(StorageUnavailable):
                await redis.ping()
        hurt.running.restart()
        await redis.shards.commit(commit(0), now_ms=1)
