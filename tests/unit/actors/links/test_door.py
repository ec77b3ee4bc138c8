"""The node's door: what it answers on the spot, what it refuses, and what it does when a gateway vanishes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors.links import wire
from actors.links.settings import DoorSettings
from actors.links.wire import Hello
from actors.messages import Caller
from sharding.errors import NotFound, NotOwner, Overloaded, RateLimited, Unavailable
from sharding.frames import Frame, FrameKind, encode_frame
from sharding.table import Home
from tests.unit.actors.links.house import SETTINGS, House
from tests.unit.actors.links.wires import FEED, LIKE, SHARD, USER
from tests.unit.actors.virtual_time import settled


async def test_hello_is_answered_with_name_start_and_window(house):
    gateway = await house.gateway()
    (hello,) = gateway.of(FrameKind.HELLO)
    assert wire.HELLOS.decode(hello.payload) == Hello(name="n1", incarnation="n1-1", window=4)


async def test_a_ready_page_is_answered_without_a_task_and_as_it_is(house):
    house.actors.ready = b"page"
    gateway = await house.gateway()
    calls = [gateway.ask() for _ in range(9)]
    await settled(5)
    assert [gateway.answer(call) for call in calls] == [b"page"] * 9
    statistics = house.door.statistics()
    assert (statistics.inline, statistics.tasks, house.actors.asked) == (9, 0, [])


async def test_answers_of_one_read_are_one_write(house):
    house.actors.ready = b"page"
    gateway = await house.gateway()
    before = len(gateway.end.other.writes)
    payload = wire.encode_ask(FEED, Caller())
    frame = encode_frame(Frame(FrameKind.ASK, shard=SHARD, entity=USER, payload=payload))
    gateway.end.write(frame * 50)
    await settled(5)
    assert len(gateway.of(FrameKind.REPLY)) == 50
    assert len(gateway.end.other.writes) == before + 1


async def test_a_command_is_asked_on_behalf_of_its_caller_with_the_time_that_is_left(house, clock):
    gateway = await house.gateway()
    more: dict[str, Any] = {"op_id": b"op", "keyed": True, "digest": b"d", "request_id": "r1"}
    call = gateway.ask(LIKE, deadline_ms=1_500, **more)
    await settled(5)
    assert gateway.answer(call) == b"{}"
    ((user_id, message, caller),) = house.actors.asked
    assert (user_id, message) == (USER, LIKE)
    deadline = clock.monotonic() + 1.5
    assert caller == Caller(session=7, deadline=deadline, **more)


async def test_refusals_travel_with_all_their_facts(house):
    gateway = await house.gateway()
    house.actors.replies[type(LIKE)] = RateLimited("Slow down.", retry_after_s=3.5)
    house.actors.ready = NotFound()
    like, feed = gateway.ask(LIKE), gateway.ask(FEED)
    await settled(5)
    record = gateway.answer(like)
    assert (record.kind, record.executed, record.retry_after_s) == ("RateLimited", False, 3.5)
    assert gateway.answer(feed).kind == "NotFound"


async def test_what_fails_unexpectedly_is_internal_and_told_to_operators(house):
    gateway = await house.gateway()
    house.actors.replies[type(LIKE)] = ZeroDivisionError("secret")
    call = gateway.ask(LIKE)
    await settled(5)
    record = gateway.answer(call)
    assert (record.kind, record.executed) == ("Internal", None)
    assert "secret" not in record.detail
    assert [name for name, _ in house.alarms] == ["ask of LikeVideo"]
    house.alarms.clear()


@pytest.mark.parametrize("late", [False, True])
async def test_a_shard_that_is_elsewhere_is_answered_with_what_is_known(house, late):
    gateway = await house.gateway()
    house.homes[SHARD] = Home("n2", 17)
    if late:
        house.actors.replies[type(LIKE)] = NotOwner()
    else:
        house.actors.owned = ()
    gateway.ask(LIKE)
    await settled(5)
    (moved,) = [wire.MOVES.decode(frame.payload) for frame in gateway.of(FrameKind.MOVED)]
    assert (moved.shard, moved.home) == (SHARD, Home("n2", 17))
    assert len(house.actors.asked) == late


async def test_beyond_the_window_an_ask_is_refused_as_not_executed(house):
    gateway = await house.gateway()
    house.actors.replies[type(LIKE)] = held = asyncio.Event()
    calls = [gateway.ask(LIKE) for _ in range(6)]
    await settled(5)
    assert len(house.actors.asked) == 4
    refused = [gateway.answer(call) for call in calls[4:]]
    assert [(each.kind, each.executed) for each in refused] == [("Overloaded", False)] * 2
    held.set()
    await settled(5)
    assert [gateway.answer(call) for call in calls[:4]] == [b"late"] * 4
    assert house.door.statistics().refused == 2


async def test_windows_are_shared_out_among_gateways(house):
    first = await house.gateway("g1")
    others = [await house.gateway(f"g{at}") for at in range(2, 5)]
    assert [frame.call for frame in first.of(FrameKind.CREDIT)] == [2]
    for each in others:
        each.end.abort()
    await settled(5)
    assert [frame.call for frame in first.of(FrameKind.CREDIT)][-1] == 4


async def test_a_gateway_that_does_not_read_is_not_read_from(house):
    house.actors.ready = b"page"
    gateway = await house.gateway()
    doorway = gateway.end.other.protocol
    doorway.pause_writing()
    calls = [gateway.ask() for _ in range(100)]
    await settled(5)
    assert gateway.of(FrameKind.REPLY) == []
    assert (house.door.statistics().inline, house.door.statistics().paused) == (0, 1)
    doorway.resume_writing()
    await settled(5)
    assert [gateway.answer(call) for call in calls] == [b"page"] * 100


async def test_a_message_of_a_newer_build_is_refused_and_the_talk_goes_on(house):
    gateway = await house.gateway()
    gateway.say(FrameKind.ASK, b"\x81\xa7message\x81\xa4type\xa5Dance", call=9, shard=SHARD)
    house.actors.ready = b"page"
    call = gateway.ask()
    await settled(5)
    assert gateway.answer(call) == b"page"
    record = gateway.answer(9)
    assert (record.kind, record.executed) == ("Unavailable", False)


@pytest.mark.parametrize(
    ("hello", "reason"),
    [
        (Hello(name="g", protocol=2), "protocol"),
        (Hello(name="g", shards=256), "shards"),
        (Hello(name=""), "malformed"),
    ],
)
async def test_a_gateway_of_other_rules_is_turned_away_with_the_reason(house, hello, reason):
    gateway = await house.gateway(greet=False)
    gateway.hello(hello)
    await settled(10)
    (goaway,) = gateway.of(FrameKind.GOAWAY)
    assert wire.FAREWELLS.decode(goaway.payload).reason == reason
    assert gateway.over
    assert house.door.statistics().links == 0


BAD = {
    "an ask before hello": (FrameKind.ASK, b"", False),
    "a hello that is none": (FrameKind.HELLO, b"\xc1", False),
    "a second hello": (FrameKind.HELLO, wire.HELLOS.encode(Hello(name="g1")), True),
    "a reply": (FrameKind.REPLY, b"", True),
    "a tell": (FrameKind.TELL, b"", True),
}


@pytest.mark.parametrize(("kind", "payload", "greet"), BAD.values(), ids=BAD)
async def test_a_gateway_that_talks_nonsense_is_sent_away(house, kind, payload, greet):
    gateway = await house.gateway(greet=greet)
    gateway.say(kind, payload)
    await settled(10)
    assert gateway.over
    assert house.door.statistics().malformed == 1
    assert wire.FAREWELLS.decode(gateway.of(FrameKind.GOAWAY)[0].payload).reason == "malformed"


async def test_who_does_not_say_hello_is_sent_away(house):
    gateway = await house.gateway(greet=False)
    await asyncio.sleep(SETTINGS.hello_s + 0.1)
    assert gateway.over


async def test_a_silent_gateway_is_gone_and_one_that_pings_is_not(house):
    silent, talks = await house.gateway("g1"), await house.gateway("g2")
    for _ in range(20):
        await asyncio.sleep(SETTINGS.sweep_s)
        talks.say(FrameKind.PING)
        await settled(5)
        house.door.sweep()
    await settled(10)
    assert (silent.over, talks.over) == (True, False)
    assert len(talks.of(FrameKind.PING)) == 20


async def test_there_is_room_for_so_many_gateways(clock, tasks, alarms):
    house = House(clock, tasks, alarms, DoorSettings(max_links=1))
    await house.gateway("g1")
    second = await house.gateway("g2")
    await settled(10)
    assert wire.FAREWELLS.decode(second.of(FrameKind.GOAWAY)[0].payload).reason == "full"


async def test_so_many_may_be_about_to_say_hello(clock, tasks, alarms):
    house = House(clock, tasks, alarms, DoorSettings(max_links=2))
    waiting = [await house.gateway(f"g{at}", greet=False) for at in range(3)]
    await settled(5)
    assert [each.over for each in waiting] == [False, False, True]
    waiting[0].hello()
    await settled(5)
    late = await house.gateway("g3", greet=False)
    assert not late.over


async def test_stopping_says_so_answers_what_is_under_way_and_hangs_up(house):
    gateway = await house.gateway()
    house.actors.replies[type(LIKE)] = held = asyncio.Event()
    call = gateway.ask(LIKE)
    await settled(5)
    stopping = asyncio.get_running_loop().create_task(house.door.stop())
    await asyncio.sleep(1)
    assert gateway.of(FrameKind.GOAWAY)
    assert not stopping.done()
    held.set()
    await stopping
    await settled(10)
    assert gateway.answer(call) == b"late"
    assert gateway.over


def test_errors_that_doors_make_say_that_nothing_was_done():
    assert Overloaded().executed is False
    assert Unavailable(executed=False).executed is False
