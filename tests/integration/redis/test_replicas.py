"""A replica that is frozen holds back acknowledgements until single-copy mode says otherwise."""

from __future__ import annotations

import asyncio
import time

from actors.ports.shard_store import PartWrite
from tests.contracts.make import bid, commit

SHARD = 7
FOR_EVER = 10**15


def write(sequence):
    return commit(sequence, shard=SHARD, writes=(PartWrite(1, "n", b"%d" % sequence),))


async def took(work):
    began = time.perf_counter()
    await work
    return time.perf_counter() - began


async def test_a_frozen_replica_holds_back_acks_until_single_copy_mode_and_they_return(hurt):
    shards, numbers = hurt.shards, hurt.redis.statistics
    await shards.install([bid(shard=SHARD, lease_until_ms=FOR_EVER)], now_ms=0)
    _, replica = hurt.nodes(SHARD)
    await shards.commit(write(0), now_ms=1)
    assert numbers().single_copy_writes == 0

    replica.pause()
    held = asyncio.ensure_future(took(shards.commit(write(1), now_ms=1)))
    # It is on the master, yet nobody is told so.
    while (await shards.open(SHARD)).fence.sequence < 2:
        assert not held.done()
    assert not held.done()
    assert await held >= 0.9
    assert numbers().single_copy_masters == 1
    assert await took(shards.commit(write(2), now_ms=1)) < 0.5
    assert numbers().single_copy_writes == 2

    replica.resume()
    sequence = 3
    async with asyncio.timeout(30):
        while numbers().single_copy_masters:
            await shards.commit(write(sequence), now_ms=1)
            sequence += 1
            await asyncio.sleep(0.05)
    before = numbers().single_copy_writes
    await shards.commit(write(sequence), now_ms=1)
    assert numbers().single_copy_writes == before
    assert await shards.load(SHARD, 1) == {"n": b"%d" % sequence}


async def test_a_repeat_on_a_new_connection_waits_for_the_replica_too(hurt):
    shards = hurt.shards
    await shards.install([bid(shard=SHARD, epoch=20, lease_until_ms=FOR_EVER)], now_ms=0)
    _, replica = hurt.nodes(SHARD)
    replica.pause()
    again = commit(0, shard=SHARD, epoch=20)
    given_up = asyncio.ensure_future(shards.commit(again, now_ms=1))
    while (await shards.open(SHARD)).fence.sequence < 1:
        assert not given_up.done()
    for master in hurt.redis._router._masters.values():
        master.close()
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    assert await took(shards.commit(again, now_ms=1)) >= 0.5
