"""What every `ShardStore` promises (actors/ports/shard_store.py)."""

from __future__ import annotations

import asyncio

import pytest

from actors.ports.shard_store import Intent, KeptAnswer, Link, OutboxEntry, PartWrite, Refused
from sharding.fence import Fence
from sharding.shards import SHARD_COUNT
from tests.contracts.make import bid, commit


def answer(op_id=b"op", expires_ms=500):
    return KeptAnswer(op_id=op_id, digest=b"digest", answer=b"answer", expires_ms=expires_ms)


@pytest.fixture
async def owned(store):
    """The store, shard 7 owned by `a` in epoch 10 until 1,000."""
    (fence,) = await store.install([bid()], now_ms=0)
    assert fence.owner == "a"
    return store


async def test_a_fresh_store_has_a_sealed_fence_for_every_shard(store):
    assert list(await store.fences()) == [Fence()] * SHARD_COUNT


async def test_all_shards_are_installed_at_once(store):
    bids = [bid(shard=shard) for shard in range(SHARD_COUNT)]
    results = await store.install(bids, now_ms=0)
    assert {result.owner for result in results} == {"a"}
    assert list(await store.fences()) == list(results)


async def test_bids_are_answered_in_their_order_each_on_its_own(owned):
    results = await owned.install([bid(owner="b"), bid(shard=8, owner="b")], now_ms=0)
    assert [type(result) for result in results] == [Refused, Fence]
    assert results[0].refusal == "stale"
    assert results[0].fence.owner == "a"
    assert (results[1].owner, results[1].epoch, results[1].sealed) == ("b", 10, False)


@pytest.mark.parametrize("epoch", [9, 10])
async def test_an_epoch_that_is_not_greater_is_refused(owned, epoch):
    (result,) = await owned.install([bid(epoch=epoch, owner="b")], now_ms=5_000)
    assert result.refusal == "stale"


async def test_a_living_owner_is_not_taken_over_before_its_lease_ends(owned):
    (early,) = await owned.install([bid(epoch=11, owner="b")], now_ms=999)
    assert early.refusal == "lease_running"
    (late,) = await owned.install([bid(epoch=11, owner="b")], now_ms=1_000)
    assert late.owner == "b"


async def test_a_proven_death_ends_the_lease_of_that_incarnation_alone(owned):
    (other,) = await owned.install([bid(epoch=11, owner="b", proven_dead="z")], now_ms=0)
    assert other.refusal == "lease_running"
    (dead,) = await owned.install([bid(epoch=11, owner="b", proven_dead="a")], now_ms=0)
    assert dead.owner == "b"


async def test_a_sealed_shard_may_be_taken_at_once_and_keeps_its_sequence(owned):
    await owned.commit(commit(0), now_ms=1)
    await owned.seal(7, epoch=10, owner="a")
    (fence,) = await owned.install([bid(epoch=11, owner="b")], now_ms=1)
    assert (fence.owner, fence.sequence, fence.timestamp_high) == ("b", 1, 10_000)


async def test_a_lease_is_renewed_only_for_its_owner_and_never_after_the_seal(owned):
    await owned.install([bid(shard=8), bid(shard=9, owner="b")], now_ms=0)
    await owned.seal(8, epoch=10, owner="a")
    renewed = await owned.renew([7, 8, 9, 10], owner="a", lease_until_ms=2_000)
    assert list(renewed) == [7]
    assert [(await owned.fences())[shard].lease_until_ms for shard in (7, 8, 9)] == [
        2_000,
        1_000,
        1_000,
    ]


async def test_a_seal_ends_commits_and_may_be_repeated(owned):
    await owned.seal(7, epoch=10, owner="a")
    await owned.seal(7, epoch=10, owner="a")
    with pytest.raises(Refused) as refused:
        await owned.commit(commit(0), now_ms=1)
    assert refused.value.refusal == "sealed"


@pytest.mark.parametrize(("epoch", "owner"), [(10, "b"), (9, "a"), (11, "a")])
async def test_nobody_but_the_owner_seals(owned, epoch, owner):
    with pytest.raises(Refused):
        await owned.seal(7, epoch=epoch, owner=owner)
    await owned.commit(commit(0), now_ms=1)


async def test_a_commit_takes_effect_as_a_whole(owned):
    await owned.commit(
        commit(
            0,
            writes=(PartWrite(1, "taste", b"t"), PartWrite(1, "seen", b"s")),
            answers=(answer(),),
            intents=(Intent(number=2, rows=b"two"), Intent(number=1, rows=b"one")),
            outbox=(OutboxEntry(number=4, payload=b"four"), OutboxEntry(number=3, payload=b"3")),
            sent=(Link(peer=1, epoch=10, number=5),),
            received=(Link(peer=1, epoch=9, number=6),),
        ),
        now_ms=1,
    )
    assert await owned.load(7, 1) == {"taste": b"t", "seen": b"s"}
    assert await owned.answer(7, b"op", now_ms=1) == answer()
    head = await owned.open(7)
    assert [intent.number for intent in head.intents] == [1, 2]
    assert [entry.payload for entry in head.outbox] == [b"3", b"four"]
    assert head.sent == (Link(peer=1, epoch=10, number=5),)
    assert head.received == (Link(peer=1, epoch=9, number=6),)
    assert (head.fence.sequence, head.fence.timestamp_high) == (1, 10_000)


async def test_parts_are_replaced_whole_and_removed_by_none(owned):
    await owned.commit(
        commit(0, writes=(PartWrite(1, "a", b"1"), PartWrite(1, "b", b"1"))), now_ms=1
    )
    await owned.commit(
        commit(1, writes=(PartWrite(1, "a", b"2"), PartWrite(1, "b", None))), now_ms=1
    )
    assert await owned.load(7, 1) == {"a": b"2"}


async def test_entities_and_shards_do_not_see_each_other(owned):
    await owned.install([bid(shard=8)], now_ms=0)
    await owned.commit(commit(0, writes=(PartWrite(1, "a", b"7"),)), now_ms=1)
    await owned.commit(commit(0, shard=8, writes=(PartWrite(1, "a", b"8"),)), now_ms=1)
    assert await owned.load(7, 1) == {"a": b"7"}
    assert await owned.load(8, 1) == {"a": b"8"}
    assert await owned.load(7, 2) == {}


async def test_an_id_of_63_bits_and_binary_values_come_back_as_they_were(owned):
    entity = (1 << 63) - 1
    await owned.commit(commit(0, writes=(PartWrite(entity, "p", b"\x00\xff" * 999),)), now_ms=1)
    assert await owned.load(7, entity) == {"p": b"\x00\xff" * 999}


async def test_a_commit_of_many_thousand_values_takes_effect_as_a_whole(owned):
    many = range(5_001)
    parts = {f"part{n}": b"%d" % n for n in many}
    intents = tuple(Intent(number=n, rows=b"%d" % n) for n in many)
    writes = tuple(PartWrite(1, part, value) for part, value in parts.items())
    await owned.commit(commit(0, writes=writes, intents=intents), now_ms=1)
    assert await owned.load(7, 1) == parts
    assert (await owned.open(7)).intents == intents
    gone = tuple(PartWrite(1, part, None) for part in parts)
    await owned.commit(commit(1, writes=gone, landed=tuple(many)), now_ms=1)
    assert await owned.load(7, 1) == {}
    assert (await owned.open(7)).intents == ()


async def test_what_landed_and_was_relayed_is_gone(owned):
    await owned.commit(
        commit(
            0,
            intents=(Intent(number=1, rows=b"1"), Intent(number=2, rows=b"2")),
            outbox=(OutboxEntry(number=3, payload=b"3"), OutboxEntry(number=4, payload=b"4")),
        ),
        now_ms=1,
    )
    await owned.commit(commit(1, landed=(1,), relayed=(4,)), now_ms=1)
    head = await owned.open(7)
    assert [intent.number for intent in head.intents] == [2]
    assert [entry.number for entry in head.outbox] == [3]


async def test_a_link_remembers_the_last_number_of_each_direction_and_peer(owned):
    await owned.commit(commit(0, sent=(Link(peer=1, epoch=10, number=1),)), now_ms=1)
    await owned.commit(
        commit(1, sent=(Link(peer=1, epoch=10, number=2), Link(peer=2, epoch=10, number=1))),
        now_ms=1,
    )
    head = await owned.open(7)
    assert {(link.peer, link.number) for link in head.sent} == {(1, 2), (2, 1)}
    assert head.received == ()


@pytest.mark.parametrize(
    ("wrong", "now_ms", "refusal"),
    [
        ({"epoch": 9}, 1, "stale"),
        ({"epoch": 11}, 1, "stale"),
        ({"owner": "b"}, 1, "stale"),
        ({}, 1_000, "lease_over"),
        ({"sequence": 1}, 1, "out_of_sequence"),
    ],
)
async def test_a_commit_past_the_fence_is_refused_and_does_nothing(owned, wrong, now_ms, refusal):
    before = await owned.open(7)
    with pytest.raises(Refused) as refused:
        await owned.commit(
            commit(**wrong, writes=(PartWrite(1, "a", b"1"),), answers=(answer(),)), now_ms=now_ms
        )
    assert refused.value.refusal == refusal
    assert refused.value.fence == before.fence
    assert await owned.load(7, 1) == {}
    assert await owned.answer(7, b"op", now_ms=1) is None
    assert await owned.open(7) == before


async def test_a_paused_owner_cannot_commit_after_a_takeover(owned):
    await owned.install([bid(epoch=11, owner="b", lease_until_ms=9_000)], now_ms=1_000)
    with pytest.raises(Refused):
        await owned.commit(commit(0), now_ms=1_001)
    await owned.commit(commit(0, epoch=11, owner="b"), now_ms=1_001)


async def test_the_same_commit_again_is_accepted_and_done_once(owned):
    first = commit(
        0, writes=(PartWrite(1, "a", b"1"),), outbox=(OutboxEntry(number=1, payload=b""),)
    )
    await owned.commit(first, now_ms=1)
    before = await owned.open(7)
    await owned.commit(first, now_ms=1)
    assert await owned.open(7) == before


async def test_a_repeat_is_accepted_though_lease_or_shard_ended_meanwhile(owned):
    await owned.commit(commit(0), now_ms=1)
    await owned.commit(commit(0), now_ms=5_000)
    await owned.seal(7, epoch=10, owner="a")
    await owned.commit(commit(0), now_ms=1)


async def test_a_repeat_of_an_older_commit_is_out_of_sequence(owned):
    await owned.commit(commit(0), now_ms=1)
    await owned.commit(commit(1), now_ms=1)
    with pytest.raises(Refused) as refused:
        await owned.commit(commit(0), now_ms=1)
    assert refused.value.refusal == "out_of_sequence"


async def test_an_op_that_was_answered_is_not_done_again(owned):
    await owned.commit(commit(0, answers=(answer(),)), now_ms=1)
    with pytest.raises(Refused) as refused:
        await owned.commit(
            commit(1, answers=(answer(b"new"), answer()), writes=(PartWrite(1, "a", b""),)),
            now_ms=1,
        )
    assert refused.value.refusal == "stale"
    assert await owned.load(7, 1) == {}
    assert await owned.answer(7, b"new", now_ms=1) is None
    await owned.commit(commit(1), now_ms=1)


async def test_an_answer_expires_and_its_op_may_be_done_anew(owned):
    await owned.commit(commit(0, answers=(answer(expires_ms=500),)), now_ms=1)
    assert await owned.answer(7, b"op", now_ms=499) is not None
    assert await owned.answer(7, b"op", now_ms=500) is None
    await owned.commit(commit(1, answers=(answer(expires_ms=900),)), now_ms=500)
    assert (await owned.answer(7, b"op", now_ms=500)).expires_ms == 900


async def test_the_timestamp_high_water_never_falls(owned):
    await owned.commit(commit(0, timestamp_high=10_050), now_ms=1)
    await owned.commit(commit(1, timestamp_high=10_020), now_ms=1)
    assert (await owned.open(7)).fence.timestamp_high == 10_050


async def test_of_two_bids_with_one_epoch_only_one_is_accepted(store):
    results = await asyncio.gather(
        store.install([bid(owner="a")], now_ms=0), store.install([bid(owner="b")], now_ms=0)
    )
    assert sorted(type(result).__name__ for (result,) in results) == ["Fence", "Refused"]


async def test_one_refusal_does_not_hurt_commits_that_run_beside_it(store):
    await store.install([bid(shard=shard) for shard in range(50)], now_ms=0)
    results = await asyncio.gather(
        *(
            store.commit(
                commit(shard % 2, shard=shard, writes=(PartWrite(1, "a", b"1"),)), now_ms=1
            )
            for shard in range(50)
        ),
        return_exceptions=True,
    )
    assert [isinstance(result, Refused) for result in results] == [False, True] * 25
    for shard in range(50):
        assert bool(await store.load(shard, 1)) == (shard % 2 == 0)
