"""How turns become durable: few commits for many, each once, and no answer before everything has landed."""

from __future__ import annotations

import asyncio

import pytest

from actors.rows import FollowRow
from sharding.errors import IdempotencyConflict, InProgress, Overloaded, Unavailable
from sharding.ids import ID_LIMIT
from sharding.shards import shard_of
from tests.unit.actors.faults import Failing, Held
from tests.unit.actors.toy import Say, open_toys
from tests.unit.actors.virtual_time import settled

ANN = 1
#: Somebody in Ann's shard, and somebody in another.
SAME = next(each for each in range(2, 9_999) if shard_of(each) == shard_of(ANN))
OTHER = 2


@pytest.fixture
async def toys():
    async with open_toys(ANN, OTHER) as node:
        await node.words(ANN)
        yield node


async def test_an_answer_leaves_only_when_its_rows_have_landed(toys):
    held = toys.facts.before["write"] = Held()
    asking = toys.start(ANN, Say(word="one", tell=(OTHER,)))
    await held.reached.wait()
    await toys.clock.sleep(10)
    assert not asking.done()
    held.let_go()
    assert await asking == b"one"
    assert [row.follower_id for row in await following(toys)] == [ANN]


async def following(toys):
    found: list[FollowRow] = await toys.people.follows(
        OTHER, direction="followers", before=None, limit=9
    )
    return found


async def test_an_answer_that_changed_nothing_waits_for_what_it_rests_on(toys):
    held = toys.store.before["commit"] = Held()
    first = toys.start(ANN, Say(word="one"))
    await held.reached.wait()
    again = toys.start(ANN, Say())
    await toys.clock.sleep(10)
    assert not again.done()
    held.let_go()
    assert {await first, await again} == {b"one"}


async def test_a_query_waits_for_the_commit_of_what_it_saw(toys):
    held = toys.store.before["commit"] = Held()
    first = toys.start(ANN, Say(word="one"))
    await held.reached.wait()
    query = asyncio.get_running_loop().create_task(toys.words(ANN))
    await settled()
    assert not query.done()
    held.let_go()
    assert await query == "one"
    await first


async def test_many_operations_of_a_shard_share_few_commits(toys):
    await asyncio.gather(*[toys.ask(ANN, Say(word=f"w{n}")) for n in range(100)])
    numbers = toys.runtime.statistics()
    assert numbers.operations == 100
    assert numbers.commits <= 3
    assert (await toys.words(ANN)).split() == [f"w{n}" for n in range(100)]


async def test_a_commit_carries_no_more_than_its_bound():
    async with open_toys(ANN, commit_max_ops=10) as node:
        await node.words(ANN)
        await asyncio.gather(*[node.ask(ANN, Say(word="w")) for _ in range(100)])
        assert 10 <= node.runtime.statistics().commits <= 11


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_commit_that_is_sent_again_lands_once(toys, moment):
    getattr(toys.store, moment)["commit"] = Failing(3)
    assert await toys.ask(ANN, Say(word="one", tell=(OTHER,))) == b"one"
    assert (await toys.store.fences())[shard_of(ANN)].sequence == 1
    await toys.clock.sleep(1)
    assert await toys.words(OTHER) == ""
    assert toys.followers(OTHER) == 1


async def test_rows_are_written_again_until_they_land(toys):
    toys.facts.before["write"] = Failing(4)
    assert await toys.ask(ANN, Say(word="one", tell=(OTHER,))) == b"one"
    assert toys.facts.calls["write"] == 5
    assert len(await following(toys)) == 1


async def test_a_pause_before_trying_again_grows_and_stays_bounded():
    async with open_toys(ANN, retry_first_s=0.1, retry_longest_s=0.4) as node:
        node.store.before["commit"] = Failing(6)
        began = node.clock.monotonic()
        await node.ask(ANN, Say(word="one"))
        assert node.clock.monotonic() - began == pytest.approx(0.1 + 0.2 + 4 * 0.4)


async def test_frames_are_pushed_only_after_the_commit(toys):
    held = toys.store.before["commit"] = Held()
    asking = toys.start(ANN, Say(word="one", frame=b"hello"))
    await held.reached.wait()
    assert toys.sockets.frames == {}
    held.let_go()
    await asking
    assert toys.sockets.frames == {"c1": [b"hello"]}


async def test_too_many_writes_under_way_are_refused_undone():
    async with open_toys(ANN, shard_backlog=3) as node:
        await node.words(ANN)
        held = node.store.before["commit"] = Held()
        taken = [node.start(ANN, Say(word=f"w{n}")) for n in range(3)]
        await held.reached.wait()
        with pytest.raises(Overloaded) as caught:
            await node.ask(ANN, Say(word="never"))
        assert caught.value.executed is False
        held.let_go()
        await asyncio.gather(*taken)
        await settled()
        assert await node.ask(ANN, Say(word="next")) == b"w0 w1 w2 next"


async def test_all_shards_together_have_a_bound_too():
    async with open_toys(ANN, OTHER, node_backlog=2) as node:
        await asyncio.gather(node.words(ANN), node.words(OTHER))
        held = node.store.before["commit"] = Held()
        taken = [node.start(each, Say(word="w")) for each in (ANN, OTHER)]
        await held.reached.wait()
        with pytest.raises(Overloaded):
            await node.ask(OTHER, Say(word="never"))
        held.let_go()
        await asyncio.gather(*taken)
        await settled()
        assert node.backlog.count == 0


async def test_what_has_not_been_passed_on_counts_as_under_way():
    async with open_toys(ANN, OTHER, shard_backlog=1) as node:
        held = node.publishing.before["publish"] = Held()
        await node.ask(ANN, Say(word="one", tell=(OTHER,)))
        await held.reached.wait()
        with pytest.raises(Overloaded):
            await node.ask(ANN, Say(word="never"))
        held.let_go()
        await settled()
        assert await node.ask(ANN, Say(word="two")) == b"one two"


async def test_an_answer_is_given_again_for_the_same_key(toys):
    first = await toys.ask(ANN, Say(word="one"), key=b"k", digest=b"d")
    await toys.ask(ANN, Say(word="two"))
    assert await toys.ask(ANN, Say(word="one"), key=b"k", digest=b"d") == first
    assert await toys.words(ANN) == "one two"


async def test_an_answer_is_given_again_after_the_actor_was_forgotten(toys):
    await toys.ask(ANN, Say(word="one"), key=b"k", digest=b"d")
    await settled()
    assert toys.runtime.cells.passivate(ANN)
    assert await toys.ask(ANN, Say(word="one"), key=b"k", digest=b"d") == b"one"
    assert await toys.words(ANN) == "one"


async def test_another_request_under_the_same_key_is_a_conflict(toys):
    await toys.ask(ANN, Say(word="one"), key=b"k", digest=b"d")
    with pytest.raises(IdempotencyConflict):
        await toys.ask(ANN, Say(word="two"), key=b"k", digest=b"e")


async def test_a_key_whose_request_is_running_is_in_progress(toys):
    held = toys.facts.before["write"] = Held()
    running = toys.start(ANN, Say(word="one", tell=(OTHER,)), key=b"k", digest=b"d")
    await held.reached.wait()
    with pytest.raises(InProgress) as caught:
        await toys.ask(ANN, Say(word="one", tell=(OTHER,)), key=b"k", digest=b"d")
    assert caught.value.retry_after_s
    with pytest.raises(IdempotencyConflict):
        await toys.ask(ANN, Say(word="two"), key=b"k", digest=b"e")
    held.let_go()
    assert await running == b"one"


async def test_a_refusal_is_not_kept_for_its_key(toys):
    toys.store.before["answer"] = Failing(1)
    with pytest.raises(Unavailable):
        await toys.ask(ANN, Say(word="one"), key=b"k", digest=b"d")
    assert await toys.ask(ANN, Say(word="one"), key=b"k", digest=b"e") == b"one"


async def test_a_kept_answer_expires(toys):
    await toys.ask(ANN, Say(word="one"), key=b"k", digest=b"d")
    toys.clock.pass_ms(24 * 3_600_000)
    await toys.runtime.keep()
    assert await toys.ask(ANN, Say(word="one"), key=b"k", digest=b"d") == b"one one"


async def test_what_has_landed_is_forgotten_by_the_store_when_it_is_quiet(toys):
    await toys.ask(ANN, Say(word="one", tell=(OTHER,)))
    await settled()
    assert (await toys.store.open(shard_of(ANN))).intents
    toys.runtime.tick()
    await settled()
    head = await toys.store.open(shard_of(ANN))
    assert (head.intents, head.outbox) == ((), ())
    assert toys.runtime.quiet


async def test_soft_state_is_written_behind_within_a_tick(toys):
    await toys.ask(ANN, Say(word="seen", soft=True))
    assert toys.runtime.statistics().commits == 0
    assert not toys.runtime.quiet
    toys.runtime.tick()
    await settled()
    assert toys.runtime.cells.passivate(ANN)
    assert await toys.words(ANN) == "seen"


async def test_an_actor_with_soft_state_is_not_let_go(toys):
    await toys.ask(ANN, Say(word="seen", soft=True))
    assert not toys.runtime.cells.passivate(ANN)


async def test_timestamps_of_rows_ascend_within_an_epoch(toys):
    written: list[int] = []

    async def note(rows):
        written.extend(each.timestamp for each in rows)

    toys.facts.after["write"] = note
    for _ in range(3):
        await toys.ask(ANN, Say(word="w", tell=(OTHER, SAME)))
    epoch = toys.runtime.owned[shard_of(ANN)].epoch
    assert written == [epoch * 1_000 + n for n in range(1, 7)]
    assert written[-1] < ID_LIMIT
