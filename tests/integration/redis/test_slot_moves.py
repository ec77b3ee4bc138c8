"""A slot moves to another master, key by key, while its shard is written: MOVED, ASK and TRYAGAIN, for real."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from redis.asyncio import Connection

from actors.ports.shard_store import OutboxEntry, PartWrite
from storage.redis.tags import slot_of
from tests.contracts.clock import until
from tests.contracts.make import bid, commit

FOR_EVER = 10**15
SHARD = 500


class Node:
    """One node, spoken to in its own words."""

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self.port = int(port)
        self._connection = Connection(host=host, port=self.port, protocol=2)

    async def __aenter__(self):
        await self._connection.connect()
        return self

    async def __aexit__(self, *error):
        await self._connection.disconnect()

    async def say(self, *words):
        await self._connection.send_command(*words)
        return await self._connection.read_response()


async def test_commits_go_on_while_their_slot_moves(hurt):
    store, slot, acknowledged = hurt.shards, slot_of(SHARD), 0
    await store.install([bid(shard=SHARD, lease_until_ms=FOR_EVER)], now_ms=0)
    enough = asyncio.Event()

    async def own():
        nonlocal acknowledged
        while not enough.is_set():
            n = acknowledged
            entry = OutboxEntry(number=n, payload=b"o")
            writes = (PartWrite(n % 40, "n", b"%d" % n),)
            await store.commit(
                commit(n, shard=SHARD, writes=writes, outbox=(entry,), relayed=(n - 50,)), now_ms=1
            )
            acknowledged += 1
            await asyncio.sleep(0.001)

    running = asyncio.ensure_future(own())
    await until(lambda: acknowledged > 100)
    old = hurt.nodes(SHARD)[0]
    new = hurt.nodes(1023 if old is not hurt.nodes(1023)[0] else 0)[0]
    async with AsyncExitStack() as stack:
        source, target = [
            await stack.enter_async_context(Node(each.address)) for each in (old, new)
        ]
        await move(source, target, slot)
        before = acknowledged
        await until(lambda: acknowledged > before + 100)
        enough.set()
        # None was refused: a refusal would be a commit that was lost, or done twice.
        await running
        assert (await store.open(SHARD)).fence.sequence == acknowledged
        assert await target.say("CLUSTER", "COUNTKEYSINSLOT", slot) > 40
        assert await source.say("CLUSTER", "COUNTKEYSINSLOT", slot) == 0
    head = await store.open(SHARD)
    assert [each.number for each in head.outbox] == [*range(acknowledged - 50, acknowledged)]
    for n in range(acknowledged - 40, acknowledged):
        assert await store.load(SHARD, n % 40) == {"n": b"%d" % n}


async def move(source, target, slot):
    """As an operator's tool does it, with pauses in which the slot is on both sides."""
    names = [await node.say("CLUSTER", "MYID") for node in (source, target)]
    await target.say("CLUSTER", "SETSLOT", slot, "IMPORTING", names[0])
    await source.say("CLUSTER", "SETSLOT", slot, "MIGRATING", names[1])
    while keys := await source.say("CLUSTER", "GETKEYSINSLOT", slot, 10):
        await source.say("MIGRATE", "127.0.0.1", target.port, "", 0, 5_000, "KEYS", *keys)
        await asyncio.sleep(0.02)
    for node in (target, source):
        await node.say("CLUSTER", "SETSLOT", slot, "NODE", names[1])
