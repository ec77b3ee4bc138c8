"""Who is in memory: at most so many, each loaded once, and nobody loses anything by being let go."""

from __future__ import annotations

import asyncio

import pytest

from sharding.errors import Overloaded, Unavailable
from tests.unit.actors.faults import Failing, Held
from tests.unit.actors.toy import Listen, Say, open_toys
from tests.unit.actors.virtual_time import settled

CROWD = range(1, 61)
ANN = 1


async def test_memory_is_bounded_and_nobody_loses_a_word():
    async with open_toys(*CROWD, max_actors=10) as node:
        for each in CROWD:
            await node.ask(each, Say(word=f"w{each}"))
            await settled(10)
            assert node.runtime.statistics().actors <= 10
        assert node.runtime.statistics().passivations >= 50
        for each in CROWD:
            assert await node.words(each) == f"w{each}"


async def test_who_is_used_all_the_time_is_let_go_at_most_once_a_turnover():
    async with open_toys(*CROWD, max_actors=20) as node:
        for each in CROWD:
            await node.words(each)
            await node.words(ANN)
        turnovers = len(CROWD) // 20
        assert node.loading.calls["load_parts"] <= len(CROWD) + turnovers


async def test_who_cannot_be_let_go_keeps_newcomers_out_undone():
    async with open_toys(*CROWD, max_actors=3) as node:
        for each in (1, 2, 3):
            await node.words(each)
            node.runtime.cells[each].actor.connections = ("phone",)
        with pytest.raises(Overloaded) as caught:
            await node.ask(4, Say(word="never"))
        assert caught.value.executed is False
        node.runtime.cells[2].actor.connections = ()
        assert await node.ask(4, Say(word="in")) == b"in"


async def test_an_actor_is_loaded_once_however_many_ask():
    async with open_toys(ANN) as node:
        answers = await asyncio.gather(*[node.ask(ANN, Say(word="w")) for _ in range(20)])
        assert node.loading.calls["load_parts"] == 1
        assert sorted(map(len, answers)) == [2 * n - 1 for n in range(1, 21)]


async def test_too_many_that_wake_up_at_a_time_are_refused_undone():
    async with open_toys(*CROWD, max_loading=1) as node:
        node.loading.before["load_parts"] = held = Held()
        waking = [node.start(each, Listen()) for each in CROWD]
        await settled()
        refused = [each.exception() for each in waking if each.done()]
        assert len(refused) == len(CROWD) - 16
        assert all(isinstance(each, Overloaded) and each.executed is False for each in refused)
        held.let_go()
        await asyncio.gather(*waking, return_exceptions=True)
        assert await node.words(60) == ""


async def test_an_actor_that_could_not_be_read_is_tried_again():
    async with open_toys(ANN) as node:
        node.loading.before["load_parts"] = Failing(1, error=KeyError)
        with pytest.raises(Unavailable) as caught:
            await node.words(ANN)
        assert caught.value.executed is False
        assert [name for name, _ in node.alarms] == [f"load-{ANN}"]
        assert await node.words(ANN) == ""


async def test_an_actor_is_not_let_go_while_a_command_waits():
    async with open_toys(ANN) as node:
        await node.words(ANN)
        held = node.fetching.before["fetch"] = Held()
        command = node.start(ANN, Say(word="one", fetch="x"))
        await held.reached.wait()
        assert not node.runtime.cells.passivate(ANN)
        held.let_go()
        assert await command == b"one"


async def test_an_actor_is_not_let_go_before_it_has_landed():
    async with open_toys(ANN) as node:
        held = node.store.before["commit"] = Held()
        command = node.start(ANN, Say(word="one"))
        await held.reached.wait()
        assert not node.runtime.cells.passivate(ANN)
        held.let_go()
        await command
        assert node.runtime.cells.passivate(ANN)


async def test_a_query_that_waited_sees_what_happened_meanwhile():
    async with open_toys(ANN) as node:
        await node.words(ANN)
        held = node.fetching.before["fetch"] = Held()
        query = node.start(ANN, Listen(fetch="x"))
        await held.reached.wait()
        node.runtime.cells.passivate(ANN)
        assert await node.ask(ANN, Say(word="meanwhile")) == b"meanwhile"
        held.let_go()
        assert await query == b"meanwhile", "there is one actor of an entity, not two"


async def test_letting_go_of_nobody_is_no_mistake():
    async with open_toys(ANN) as node:
        assert node.runtime.cells.passivate(ANN)
