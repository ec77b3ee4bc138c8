"""The scripts decide as SQLite does, and so as the pure rules do; whatever a random owner and its rivals try."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from actors.ports.shard_store import (
    Commit,
    Intent,
    KeptAnswer,
    Link,
    OutboxEntry,
    PartWrite,
    Refused,
)
from storage.embedded.database import MEMORY, open_database
from storage.embedded.runners import InlineRunner
from storage.embedded.shard_store import SqliteShardStore
from storage.redis.scripts import Script, read_scripts
from tests.contracts.make import bid, commit
from tests.contracts.redis import REDIS, open_test_redis

#: Sequences, each on a shard of its own, and calls in each.
SEQUENCES, CALLS = 96, 30

ENTITIES, PARTS, OPS = (1, 2, (1 << 63) - 1), ("a", "b", "c"), (b"x", b"y\x00", b"z")


def some(dice, things, most=3):
    return tuple(dice.choice(things) for _ in range(dice.randint(0, most)))


def a_commit(dice, shard, fence, now_ms, numbers):
    return commit(
        sequence=fence.sequence + dice.choice([0, 0, 0, 0, 0, -1, 1]),
        shard=shard,
        epoch=fence.epoch + dice.choice([0] * 9 + [-1, 1]),
        owner=dice.choice([fence.owner] * 9 + ["a", "b"]),
        timestamp_high=dice.randint(0, 99)
        + (1_800_000_000_000 * 1000 if dice.random() < 0.1 else 0),
        writes=tuple(
            PartWrite(
                dice.choice(ENTITIES),
                dice.choice(PARTS),
                dice.choice([None, b"", dice.randbytes(5)]),
            )
            for _ in range(dice.randint(0, 5))
        ),
        answers=tuple(
            KeptAnswer(
                op_id=op,
                digest=dice.randbytes(dice.randint(0, 3)),
                answer=dice.randbytes(4),
                expires_ms=now_ms + dice.randint(0, 6),
            )
            for op in dict.fromkeys(some(dice, OPS, 2))
        ),
        intents=tuple(
            Intent(number=next(numbers), rows=dice.randbytes(3)) for _ in some(dice, "i")
        ),
        outbox=tuple(
            OutboxEntry(number=next(numbers), payload=dice.randbytes(3)) for _ in some(dice, "o")
        ),
        sent=tuple(
            Link(peer=peer, epoch=dice.randint(0, 9), number=dice.randint(0, 9))
            for peer in some(dice, (1, 2, 1023))
        ),
        received=tuple(
            Link(peer=peer, epoch=dice.randint(0, 9), number=dice.randint(0, 9))
            for peer in some(dice, (1, 2, 1023))
        ),
        landed=tuple(dice.randint(0, 40) for _ in some(dice, "l")),
        relayed=tuple(dice.randint(0, 40) for _ in some(dice, "r")),
    )


def a_call(dice, shard, fence, now_ms, numbers, last):
    """A call as a function of a store, likely to be right and sometimes wrong by one."""
    kind = dice.choice(
        ["install", "commit", "commit", "commit", "commit", "repeat", "seal", "renew"]
    )
    owner = dice.choice([fence.owner or "a", "a", "b"])
    if kind == "install":
        wish = bid(
            shard=shard,
            epoch=max(0, fence.epoch + dice.choice([1, 1, 1, 0, -1, 5])),
            owner=owner,
            lease_until_ms=now_ms + dice.randint(0, 9),
            proven_dead=dice.choice([None, None, "a", "b", ""]),
        )
        return lambda store: store.install([wish], now_ms=now_ms)
    if kind == "seal":
        epoch = fence.epoch + dice.choice([0, 0, 1])
        return lambda store: store.seal(shard, epoch=epoch, owner=owner)
    if kind == "renew":
        until = now_ms + dice.randint(0, 9)
        return lambda store: store.renew([shard], owner=owner, lease_until_ms=until)
    if kind == "commit" or not last:
        last.append(a_commit(dice, shard, fence, now_ms, numbers))
    again = last[-1]
    return lambda store: store.commit(again, now_ms=now_ms)


async def outcome(call, store):
    try:
        result = await call(store)
    except Refused as refused:
        result = [refused]
    return [
        (each.refusal, each.fence) if isinstance(each, Refused) else each for each in result or ()
    ]


async def state(store, shard, now_ms):
    head = await store.open(shard)
    links = [sorted(each, key=lambda link: link.peer) for each in (head.sent, head.received)]
    parts = [await store.load(shard, entity) for entity in ENTITIES]
    answers = [await store.answer(shard, op, now_ms=now_ms) for op in OPS]
    return head.fence, head.intents, head.outbox, links, parts, answers


async def compare(seed, shard, left, right, calls):
    dice, now_ms, numbers = random.Random(f"{seed} {shard}"), 1, iter(range(10**9))
    last: list[Commit] = []
    for step in range(calls):
        now_ms += dice.choice([0, 1, 1, 2, 9])
        fence = (await left.open(shard)).fence
        call = a_call(dice, shard, fence, now_ms, numbers, last)
        ours, theirs = await outcome(call, left), await outcome(call, right)
        assert ours == theirs, (seed, shard, step)
        if step % 5 == 4 or step == calls - 1:
            assert await state(left, shard, now_ms) == await state(right, shard, now_ms), (
                seed,
                shard,
                step,
            )


async def disagreements(client, engines, sequences, scripts=None, seed=1):
    async with (
        open_database(MEMORY, InlineRunner()) as database,
        open_test_redis(client, engines.redis(), scripts=scripts) as redis,
    ):
        sqlite = SqliteShardStore(database)
        outcomes = await asyncio.gather(
            *(compare(seed, shard, sqlite, redis.shards, CALLS) for shard in range(sequences)),
            return_exceptions=True,
        )
    return [each for each in outcomes if each is not None]


@pytest.mark.parametrize("client", REDIS)
async def test_redis_and_sqlite_never_disagree(client, engines):
    assert await disagreements(client, engines, SEQUENCES) == []


@pytest.mark.engines
@pytest.mark.parametrize(
    ("name", "ours", "wrong"),
    [
        ("commit", "tonumber(ARGV[6]) >= tonumber(lease)", "false"),
        ("commit", "tonumber(ARGV[6]) >= tonumber(lease)", "tonumber(ARGV[6]) > tonumber(lease)"),
        ("commit", "if sealed == '1'", "if false"),
        ("commit", "if sequence ~= ARGV[3]", "if false"),
        ("commit", " and owner == ARGV[2]", ""),
        ("commit", "epoch == ARGV[1] and ", ""),
        ("commit", "if mine and sequence == ARGV[4]", "if false"),
        ("commit", "tonumber(expires) > tonumber(ARGV[6])", "false"),
        ("commit", "if tonumber(ARGV[5]) > tonumber(high)", "if true"),
        ("install", "tonumber(ARGV[1]) <= tonumber(epoch)", "tonumber(ARGV[1]) < tonumber(epoch)"),
        ("install", "sealed == '1' or ", ""),
        ("install", "owner == ARGV[5]", "true"),
        ("install", " or tonumber(ARGV[6]) >= tonumber(lease)", ""),
        ("install", "'q', sequence", "'q', '0'"),
        ("renew", " or f[2] ~= '0'", ""),
        ("renew", "and ARGV[2] or f[3]", "and ARGV[2] or ARGV[2]"),
        ("seal", "epoch ~= ARGV[1] or ", ""),
        ("seal", " or owner ~= ARGV[2]", ""),
    ],
)
async def test_a_wrong_script_is_noticed(name, ours, wrong, engines):
    scripts = read_scripts()
    text = getattr(scripts, name).text
    assert ours.encode() in text
    mutant = replace(scripts, **{name: Script(text.replace(ours.encode(), wrong.encode()))})
    found = await disagreements("redis-aioredis", engines, 24, mutant)
    assert any(isinstance(each, AssertionError) for each in found)
