"""Events between shards: each is applied once, in the commit that notes its number, and a loss is noticed."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.events import UserFollowed, UserLeft, VideoArrived
from actors.ports.bus import Envelope
from sharding.errors import NotOwner
from sharding.shards import shard_of
from tests.unit.actors.faults import Failing, Held
from tests.unit.actors.toy import Say, open_toys, tally
from tests.unit.actors.virtual_time import VirtualLoop, settled

ANN, BEN = 1, 2
#: Where the events come from; nobody owns it.
SOURCE = 700
FOLLOWED = UserFollowed(follower_id=9, following=True)


@pytest.fixture
async def toys():
    async with open_toys(ANN, BEN) as node:
        yield node


def envelope(number, *, epoch=5, after=None, event=FOLLOWED, to=ANN):
    return Envelope(
        source=SOURCE,
        target=shard_of(to),
        epoch=epoch,
        number=number,
        after=after if after is not None else ((epoch, number - 1) if number > 1 else (0, 0)),
        to=(to,),
        event=event,
    )


async def test_an_event_that_is_delivered_twice_is_applied_once(toys):
    await toys.runtime.receive([envelope(1)])
    await toys.runtime.receive([envelope(1), envelope(1), envelope(2)])
    assert toys.followers(ANN) == 2
    assert toys.runtime.statistics().gaps == 0


async def test_copies_that_come_at_the_same_time_are_applied_once(toys):
    await asyncio.gather(*[toys.runtime.receive([envelope(1), envelope(2)]) for _ in range(5)])
    assert toys.followers(ANN) == 2


async def test_an_event_that_was_applied_is_still_known_after_a_restart(toys):
    await toys.runtime.receive([envelope(1)])
    async with open_toys(ANN, owner="b", database=toys.database, start=False) as b:
        await b.own(ANN, proven_dead="a")
        await b.runtime.receive([envelope(1)])
        await b.words(ANN)
        assert b.followers(ANN) == 1


async def test_receiving_returns_when_the_effect_is_committed(toys):
    held = toys.store.before["commit"] = Held()
    receiving = asyncio.get_running_loop().create_task(toys.runtime.receive([envelope(1)]))
    await held.reached.wait()
    await settled()
    assert not receiving.done()
    held.let_go()
    await receiving


async def test_numbers_begin_again_with_a_new_epoch(toys):
    await toys.runtime.receive([envelope(1), envelope(2)])
    await toys.runtime.receive([envelope(1, epoch=6, after=(5, 2))])
    await toys.runtime.receive([envelope(3)])
    assert toys.followers(ANN) == 3
    assert toys.runtime.statistics().gaps == 0


async def test_a_gap_marks_the_shard_and_what_came_is_applied(toys):
    toys.runtime.dirty.clear()
    await toys.runtime.receive([envelope(1)])
    assert toys.runtime.dirty == set()
    await toys.runtime.receive([envelope(4)])
    assert toys.runtime.dirty == {shard_of(ANN)}
    assert toys.runtime.statistics().gaps == 1
    assert toys.followers(ANN) == 2


async def test_counting_the_facts_mends_what_a_loss_left(toys):
    await toys.runtime.receive([envelope(4)])

    async def five(user_id):
        return tally(5)

    assert await toys.runtime.recount(ANN, "user", five) == 4
    assert toys.followers(ANN) == 5
    assert await toys.runtime.recount(ANN, "user", five) == 0


async def test_a_count_that_moved_while_it_was_taken_is_not_believed(toys):
    await toys.runtime.receive([envelope(1)])

    async def five(user_id):
        await toys.runtime.receive([envelope(2)])
        return tally(5)

    assert await toys.runtime.recount(ANN, "user", five) is None
    assert toys.followers(ANN) == 2


async def test_an_event_for_a_shard_of_somebody_else_is_refused(toys):
    stranger = next(each for each in range(3, 99) if shard_of(each) not in toys.runtime.owned)
    with pytest.raises(NotOwner):
        await toys.runtime.receive([envelope(1, to=stranger)])


async def test_an_event_wakes_its_actor(toys):
    assert toys.runtime.statistics().actors == 0
    await toys.runtime.receive([envelope(1)])
    assert toys.runtime.statistics().actors == 1


async def test_an_event_that_is_not_worth_it_wakes_nobody_and_is_noted(toys):
    arrived = VideoArrived(video_id=7, author_id=9, published_ms=1)
    await toys.runtime.receive([envelope(1, event=arrived)])
    assert toys.runtime.statistics().actors == 0
    await toys.words(ANN)
    await toys.runtime.receive([envelope(1, event=arrived), envelope(2, event=arrived)])
    assert toys.runtime.cells[ANN].actor.arrived == [7]
    assert toys.runtime.statistics().gaps == 0


async def test_what_is_for_several_must_not_fetch_for_one_of_them(toys):
    ben = next(n for n in range(3, 99_999) if shard_of(n) == shard_of(ANN))
    for each in (ANN, ben):
        await toys.words(each)
    left = msgspec.structs.replace(envelope(1, event=UserLeft(user_id=9)), to=(ANN, ben))
    with pytest.raises(RuntimeError, match="for several"):
        await toys.runtime.receive([left])
    assert toys.fetching.calls["fetch"] == 0


async def test_an_event_waits_for_the_actor_that_it_wakes(toys):
    held = toys.loading.before["load_parts"] = Held()
    receiving = asyncio.get_running_loop().create_task(toys.runtime.receive([envelope(1)]))
    await held.reached.wait()
    held.let_go()
    await receiving
    assert toys.followers(ANN) == 1


async def test_the_bus_delivers_again_until_the_receiver_could_apply_it(toys):
    toys.store.before["load"] = Failing(3)
    await toys.bus.publish([envelope(1)])
    assert toys.followers(ANN) == 1


async def test_an_event_reaches_many_through_one_envelope_for_each_shard(toys):
    await toys.ask(ANN, Say(word="w", tell=(BEN,)))
    await toys.ask(ANN, Say(word="w", tell=(BEN,)))
    await settled()
    assert toys.followers(BEN) == 2
    assert toys.runtime.statistics().gaps == 0


async def test_what_is_told_directly_is_committed_when_it_returns(toys):
    await toys.runtime.tell(ANN, FOLLOWED)
    await settled()
    toys.runtime.cells.passivate(ANN)
    await toys.words(ANN)
    assert toys.followers(ANN) == 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 7), max_size=20))
def test_whatever_is_repeated_and_brought_back_counts_are_those_of_each_event_once(order):
    async def story():
        async with open_toys(ANN) as node:
            for number in range(1, 9):
                await node.runtime.receive([envelope(number)])
                for earlier in order[number::4]:
                    if earlier < number:
                        await node.runtime.receive([envelope(earlier + 1)])
            assert node.followers(ANN) == 8
            assert node.runtime.statistics().gaps == 0

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(story())
