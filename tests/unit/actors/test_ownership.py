"""What a node may do with a shard: nothing that the fence does not allow, whatever the node believes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from sharding.errors import NotOwner, StorageUnavailable, Unavailable
from sharding.shards import shard_of
from storage.embedded.database import MEMORY, open_database
from storage.embedded.runners import InlineRunner
from tests.unit.actors.faults import Failing, Held
from tests.unit.actors.toy import Listen, Say, open_toys
from tests.unit.actors.virtual_time import settled

ANN, BEN = 1, 2


@pytest.fixture
async def database():
    async with open_database(MEMORY, InlineRunner()) as database:
        yield database


def node(database, owner, **more):
    return open_toys(ANN, BEN, owner=owner, database=database, **more)


async def test_a_shard_of_a_living_owner_is_not_taken(database):
    async with node(database, "a"), node(database, "b", start=False) as b:
        assert await b.own(ANN) == []
        with pytest.raises(NotOwner) as caught:
            await b.ask(ANN, Say(word="never"))
        assert caught.value.executed is False


async def test_a_shard_is_free_when_the_lease_is_over(database):
    async with node(database, "a", lease_ms=3_000), node(database, "b", start=False) as b:
        await b.clock.sleep(2.9)
        assert await b.own(ANN) == []
        await b.clock.sleep(0.1)
        assert await b.own(ANN) == [shard_of(ANN)]


async def test_a_lease_that_is_kept_does_not_end(database):
    async with node(database, "a") as a, node(database, "b", start=False) as b:
        for _ in range(5):
            await a.clock.sleep(2)
            await a.runtime.keep()
        assert await b.own(ANN) == []


async def test_an_owner_that_is_proven_dead_is_followed_at_once(database):
    async with node(database, "a"), node(database, "b", start=False) as b:
        assert await b.own(ANN, proven_dead="someone else") == []
        assert await b.own(ANN, proven_dead="a") == [shard_of(ANN)]


async def test_a_lease_that_ran_out_under_a_commit_is_renewed_when_nobody_took_over(database):
    async with node(database, "a") as a:
        await a.words(ANN)
        held = a.store.before["commit"] = Held()
        first = a.start(ANN, Say(word="still"))
        await held.reached.wait()
        second = a.start(ANN, Say(word="here"))
        await settled()
        await a.clock.sleep(60)
        held.let_go()
        assert [await first, await second] == [b"still", b"still here"]
        assert not a.alarms


async def test_who_slept_longer_than_its_lease_answers_nobody_until_it_is_renewed(database):
    async with node(database, "a") as a:
        await a.ask(ANN, Say(word="one"))
        await a.clock.sleep(60)
        with pytest.raises(Unavailable) as caught:
            await a.words(ANN)
        assert caught.value.executed is False
        await a.runtime.keep()
        assert await a.words(ANN) == "one"


async def test_who_was_paused_and_overtaken_writes_nothing(database):
    async with node(database, "a") as a, node(database, "b", start=False) as b:
        await a.words(ANN)
        await b.own(ANN, proven_dead="a")
        with pytest.raises(Unavailable) as caught:
            await a.ask(ANN, Say(word="late"))
        assert caught.value.executed is None
        assert await b.words(ANN) == ""


async def test_memory_is_thrown_away_with_the_shard(database):
    async with node(database, "a") as a, node(database, "b", start=False) as b:
        await a.ask(ANN, Say(word="one"))
        await b.own(ANN, proven_dead="a")
        await b.ask(ANN, Say(word="two"))
        with pytest.raises(Unavailable):
            await a.ask(ANN, Say(word="late"))
        assert a.runtime.statistics().actors == 0
        assert a.runtime.statistics().shards_lost == 1
        with pytest.raises(NotOwner):
            await a.words(ANN)
        await a.own(ANN, proven_dead="b")
        assert await a.words(ANN) == "one two"


async def test_all_who_wait_for_a_lost_shard_are_told(database):
    async with node(database, "a") as a, node(database, "b", start=False) as b:
        held = a.store.before["commit"] = Held()
        begun = [a.start(ANN, Say(word="one")), a.start(ANN, Say(word="two"))]
        await held.reached.wait()
        busy = a.start(ANN, Say(word="three", fetch="x"))
        waiting = a.start(ANN, Say(word="four"))
        await b.own(ANN, proven_dead="a")
        held.let_go()
        outcomes: list[Any] = await asyncio.gather(*begun, busy, waiting, return_exceptions=True)
        assert [type(each) for each in outcomes] == [Unavailable] * 4
        assert [each.executed for each in outcomes] == [None, None, False, False]
        assert a.backlog.count == 0


async def test_who_waits_for_rows_of_a_lost_shard_is_told_too(database):
    async with node(database, "a") as a, node(database, "b", start=False) as b:
        a.facts.before["write"] = Failing(10_000)
        committed = a.start(ANN, Say(word="one", tell=(BEN,)), patience=60)
        await a.clock.sleep(0.1)
        await b.own(ANN, proven_dead="a")
        with pytest.raises(Unavailable):
            await a.ask(ANN, Say(word="two"), patience=60)
        with pytest.raises(Unavailable) as caught:
            await committed
        assert caught.value.executed is None
        assert a.backlog.count == 0


async def test_what_a_dead_owner_had_promised_lands_before_anyone_reads(database):
    async with node(database, "a") as a:
        held = a.facts.before["write"] = Held()
        lost = a.start(ANN, Say(word="one", tell=(BEN,)))
        await held.reached.wait()
        lost.cancel()
    async with node(database, "b", start=False) as b:
        held = b.facts.before["write"] = Held()
        await b.own(ANN, BEN, proven_dead="a")
        reading = asyncio.get_running_loop().create_task(b.words(ANN))
        await held.reached.wait()
        await settled()
        assert not reading.done()
        held.let_go()
        assert await reading == "one"
        assert len(await b.people.follows(BEN, direction="followers", before=None, limit=9)) == 1


async def test_what_a_dead_owner_had_to_tell_is_told(database):
    async with node(database, "a") as a:
        held = a.publishing.before["publish"] = Held()
        await a.ask(ANN, Say(word="one", tell=(BEN,)))
        await held.reached.wait()
    async with node(database, "b", start=False) as b:
        await b.own(ANN, BEN, proven_dead="a")
        await settled()
        await b.words(BEN)
        assert b.followers(BEN) == 1


async def test_what_was_told_but_not_ticked_off_is_told_again_and_counts_once(database):
    async with node(database, "a") as a:
        await a.ask(ANN, Say(word="one", tell=(BEN,)))
        await settled()
        assert a.followers(BEN) == 1
    async with node(database, "b", start=False) as b:
        await b.own(ANN, BEN, proven_dead="a")
        await settled()
        await b.words(BEN)
        assert b.followers(BEN) == 1


async def test_timestamps_of_a_new_owner_are_above_all_of_the_old_ones(database):
    stamps = []

    async def note(rows):
        stamps.append([each.timestamp for each in rows])

    for owner, dead in (("a", None), ("b", "a"), ("c", "b")):
        async with node(database, owner, start=False) as each:
            await each.own(ANN, BEN, proven_dead=dead)
            await settled()
            each.facts.after["write"] = note
            each.clock.pass_ms(-3_600_000)
            await each.ask(ANN, Say(word=owner, tell=(BEN,)))
    assert sorted(stamps) == stamps


async def test_stopping_writes_everything_and_gives_the_shards_up_at_once(database):
    async with node(database, "a") as a:
        await a.ask(ANN, Say(word="seen", soft=True))
        await a.runtime.stop()
        async with node(database, "b", start=False) as b:
            assert len(await b.own(ANN, BEN)) == 2
            assert await b.words(ANN) == "seen"
        with pytest.raises(NotOwner):
            await a.words(ANN)


async def test_stopping_waits_for_what_is_under_way(database):
    async with node(database, "a") as a:
        a.facts.before["write"] = Failing(5)
        asking = a.start(ANN, Say(word="one", tell=(BEN,)))
        await settled()
        await a.runtime.stop()
        assert await asking == b"one"
        assert [fence.sealed for fence in await fences(a)] == [True, True]


async def fences(each):
    found = await each.store.fences()
    return [found[shard_of(ANN)], found[shard_of(BEN)]]


async def test_a_shard_that_does_not_become_quiet_is_not_given_up(database):
    async with node(database, "a", drain_s=1.0) as a:
        a.facts.before["write"] = Failing(10_000)
        asking = a.start(ANN, Say(word="one", tell=(BEN,)))
        await settled()
        await a.runtime.stop()
        assert [fence.sealed for fence in await fences(a)] == [False, True]
        asking.cancel()


async def test_a_node_that_stops_takes_nothing_new(database):
    async with node(database, "a") as a:
        await a.words(ANN)
        held = a.facts.before["write"] = Held()
        asking = a.start(ANN, Say(word="one", tell=(BEN,)))
        await held.reached.wait()
        stopping = asyncio.get_running_loop().create_task(a.runtime.stop())
        await settled()
        with pytest.raises(Unavailable) as caught:
            await a.ask(ANN, Say(word="never"), patience=1)
        assert caught.value.executed is False
        held.let_go()
        await stopping
        assert await asking == b"one"


async def test_a_store_that_does_not_answer_refuses_undone(database):
    async with node(database, "a") as a:
        a.store.before["load"] = Failing(1)
        with pytest.raises(StorageUnavailable) as caught:
            await a.ask(ANN, Listen())
        assert caught.value.executed is False
        assert await a.words(ANN) == ""
