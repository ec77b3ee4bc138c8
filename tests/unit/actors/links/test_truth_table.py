"""What is told of an ask when its connection breaks, point by point."""

from __future__ import annotations

import asyncio

import pytest

from actors.links.call import LinkLost
from sharding.errors import DeadlineExceeded, Overloaded, Unavailable
from tests.unit.actors.links.wires import FEED, LIKE, outcome
from tests.unit.actors.virtual_time import settled


@pytest.mark.parametrize("message", [FEED, LIKE])
async def test_what_was_not_written_waits_for_the_next_connection(wired, message):
    call = wired.ask(message)
    wired.ends[-1].protocol.connection_lost(None)
    assert outcome(call) is None
    await asyncio.sleep(0.1)
    assert [frame.entity for frame in wired.node.asks] == [call.entity]
    wired.node.answer(body=b"answer")
    await settled(5)
    assert outcome(call) == b"answer"


@pytest.mark.parametrize("message", [FEED, LIKE])
async def test_what_was_written_and_not_answered_is_lost_with_the_connection(wired, message):
    call = wired.ask(message)
    await settled(5)
    assert wired.node.asks
    wired.cut()
    await settled(5)
    assert isinstance(outcome(call), LinkLost)


async def test_what_was_written_counts_as_written_though_it_never_arrived(wired):
    wired.ends[-1].mute = True
    call = wired.ask(LIKE)
    await settled(5)
    assert wired.node.asks == []
    wired.cut()
    await settled(5)
    assert isinstance(outcome(call), LinkLost)


async def test_an_answer_that_came_before_the_end_is_an_answer(wired):
    call = wired.ask(LIKE)
    await settled(5)
    wired.node.answer(body=b"done")
    await settled(1)
    wired.cut()
    await settled(5)
    assert outcome(call) == b"done"


async def test_what_waits_for_a_node_that_reads_nothing_was_not_written(wired):
    wired.ends[-1].protocol.pause_writing()
    call = wired.ask(LIKE)
    await settled(5)
    wired.cut()
    await asyncio.sleep(0.1)
    assert outcome(call) is None
    assert len(wired.node.asks) == 1


async def test_a_node_that_is_away_costs_a_bounded_wait_and_a_definite_word(wired):
    wired.there = False
    wired.cut()
    await settled(5)
    call = wired.ask(LIKE)
    await asyncio.sleep(wired.settings.park_s - 0.1)
    wired.sweep()
    assert outcome(call) is None
    await asyncio.sleep(0.2)
    wired.sweep()
    error = outcome(call)
    assert isinstance(error, Unavailable)
    assert (error.executed, error.retry_after_s) == (False, 1.0)
    assert len(wired.parking) == wired.parking.bytes == 0


async def test_a_deadline_that_passes_unsent_says_not_executed(wired):
    wired.there = False
    wired.cut()
    await settled(5)
    call = wired.ask(LIKE, within=0.5)
    await asyncio.sleep(0.6)
    wired.sweep()
    error = outcome(call)
    assert isinstance(error, DeadlineExceeded)
    assert error.executed is False


@pytest.mark.parametrize(("message", "executed"), [(FEED, False), (LIKE, None)])
async def test_a_deadline_that_passes_after_sending_says_what_is_known(wired, message, executed):
    call = wired.ask(message, within=0.5)
    await asyncio.sleep(0.6)
    wired.node.pongs = True
    wired.sweep()
    error = outcome(call)
    assert isinstance(error, DeadlineExceeded)
    assert error.executed is executed


async def test_a_late_answer_is_dropped_and_gives_its_credit_back(wired):
    wired.ask(FEED, within=0.5)
    await asyncio.sleep(0.6)
    wired.sweep()
    assert wired.link.statistics().in_flight == 1
    wired.node.answer()
    await settled(5)
    statistics = wired.link.statistics()
    assert (statistics.in_flight, statistics.late) == (0, 1)


async def test_parking_is_bounded_for_each_shard_and_says_not_executed(wired):
    wired.there = False
    wired.cut()
    await settled(5)
    calls = [wired.ask() for _ in range(wired.settings.parked_asks_per_shard)]
    with pytest.raises(Overloaded) as refused:
        wired.ask()
    assert refused.value.executed is False
    wired.ask(user=1_002)
    assert not any(call.future.done() for call in calls)
    wired.there = True
    await asyncio.sleep(1.5)
    assert len(wired.node.asks) == wired.window


async def test_parking_is_bounded_in_bytes(wired):
    wired.there = False
    wired.cut()
    await settled(5)
    half = b"x" * (wired.settings.parked_bytes_per_shard // 2)
    wired.ask(payload=half)
    wired.ask(payload=half)
    with pytest.raises(Overloaded):
        wired.ask(payload=b"x")


async def test_whoever_goes_away_while_parked_is_not_sent(wired):
    wired.there = False
    wired.cut()
    await settled(5)
    gone, stays = wired.ask(LIKE), wired.ask(FEED, user=1_002)
    gone.future.cancel()
    wired.there = True
    await asyncio.sleep(0.1)
    assert [frame.entity for frame in wired.node.asks] == [stays.entity]
    assert len(wired.parking) == 0


async def test_who_waits_is_sent_in_the_order_of_coming(wired):
    wired.there = False
    wired.cut()
    await settled(5)
    for user in (5, 3, 9, 1):
        wired.ask(user=user)
    wired.there = True
    await asyncio.sleep(0.1)
    assert [frame.entity for frame in wired.node.asks] == [5, 3, 9, 1]


async def test_closing_refuses_what_waits_as_not_executed(wired):
    wired.there = False
    wired.cut()
    await settled(5)
    call = wired.ask(LIKE)
    wired.link.close()
    error = outcome(call)
    assert isinstance(error, Unavailable)
    assert error.executed is False
