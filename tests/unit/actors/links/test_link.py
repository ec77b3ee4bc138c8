"""The gateway's end of a link: credits, signs of life, and a node that does not keep to the protocol."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from actors.links import wire
from actors.links.call import LinkLost, MovedAway
from actors.links.wire import Farewell, Hello
from actors.replies import Attached
from sharding.errors import NotFound
from sharding.frames import FrameKind
from sharding.table import Home, Moved
from tests.unit.actors.links.wires import LIKE, SHARD, Wired, outcome
from tests.unit.actors.virtual_time import settled


async def test_no_more_is_asked_than_was_granted_and_each_answer_grants_one(wired):
    calls = [wired.ask() for _ in range(12)]
    await settled(5)
    assert len(wired.node.asks) == wired.window == 8
    wired.node.answer(0)
    await settled(5)
    assert len(wired.node.asks) == 9
    for at in range(1, 12):
        wired.node.answer(min(at, len(wired.node.asks) - 1))
        await settled(5)
    assert [outcome(call) for call in calls] == [b"{}"] * 12
    assert len(wired.parking) == 0


async def test_a_node_may_grant_more_and_less(wired):
    wired.node.say(FrameKind.CREDIT, call=2)
    await settled(5)
    for _ in range(5):
        wired.ask()
    await settled(5)
    assert len(wired.node.asks) == 2
    wired.node.say(FrameKind.CREDIT, call=4)
    await settled(5)
    assert len(wired.node.asks) == 4


async def test_asks_of_one_turn_are_one_write(wired):
    before = len(wired.ends[-1].writes)
    for _ in range(8):
        wired.ask()
    await settled(5)
    assert len(wired.ends[-1].writes) == before + 1


async def test_answers_find_their_questions_in_any_order(wired):
    first, second, third = wired.ask(), wired.ask(LIKE), wired.ask()
    await settled(5)
    error = wire.ERRORS.encode(NotFound("No such video.").record())
    wired.node.say(FrameKind.ERROR, wired.node.asks[1].call, error)
    moved = Moved(shard=SHARD, home=Home("n2", 5))
    wired.node.say(FrameKind.MOVED, wired.node.asks[2].call, wire.MOVES.encode(moved))
    attached = Attached(seq=3, resumed=True, missed=(b"x",), resync=False)
    wired.node.say(FrameKind.REPLY, wired.node.asks[0].call, wire.STRUCTS.encode(attached))
    await settled(5)
    assert outcome(first) == attached
    assert isinstance(outcome(second), NotFound)
    assert outcome(second).detail == "No such video."
    assert isinstance(outcome(third), MovedAway)
    assert (outcome(third).node, outcome(third).moved) == ("n1", moved)


async def test_the_time_that_is_left_goes_along(wired):
    wired.ask(within=2.0)
    wired.ask(within=0)
    await settled(5)
    assert [frame.deadline_ms for frame in wired.node.asks] == [2_000, 0]


async def test_a_silent_node_counts_as_lost_within_the_bound(wired):
    wired.node.end.mute = True
    call = wired.ask(LIKE)
    waited = 0.0
    while outcome(call) is None:
        await asyncio.sleep(wired.settings.sweep_s)
        waited += wired.settings.sweep_s
        wired.sweep()
    assert isinstance(outcome(call), LinkLost)
    assert waited < wired.settings.silence_s + 3 * wired.settings.sweep_s
    assert wired.lost == ["n1"]


async def test_a_node_that_answers_pings_stays(wired):
    for _ in range(100):
        await asyncio.sleep(wired.settings.sweep_s)
        wired.sweep()
    assert wired.link.statistics().connected == 1
    assert sum(frame.kind is FrameKind.PING for frame in wired.node.heard) >= 10


async def test_a_gateway_that_was_stopped_itself_hears_first_what_it_missed(wired):
    await asyncio.sleep(0.1)
    wired.sweep()
    await asyncio.sleep(60)
    wired.sweep()
    wired.sweep()
    assert wired.link.up


async def test_goodbye_stops_asking_and_lets_the_rest_be_answered(wired):
    call = wired.ask()
    await settled(5)
    node = wired.node
    node.end.write(wire.goaway_frame(Farewell(reason="stopping")))
    await settled(5)
    waits = wired.ask()
    await settled(5)
    assert len(node.asks) == 1
    node.say(FrameKind.CREDIT, call=100)
    await settled(5)
    assert len(node.asks) == 1
    node.answer(0)
    await settled(5)
    assert outcome(call) == b"{}"
    node.end.abort()
    await asyncio.sleep(0.1)
    assert outcome(waits) is None
    assert len(wired.node.asks) == 1


@pytest.mark.parametrize(
    ("hello", "reason"),
    [
        (Hello(name="n1", protocol=wire.PROTOCOL + 1, window=8), "protocol"),
        (Hello(name="n1", shards=512, window=8), "shards"),
    ],
)
async def test_a_node_of_other_rules_is_refused_with_the_reason(clock, tasks, hello, reason):
    wired = Wired(clock, hello=hello)
    tasks.spawn(wired.link.run(), name="link")
    await settled(20)
    assert not wired.link.up
    assert wired.link.statistics().farewell == reason
    (goaway,) = [frame for frame in wired.node.heard if frame.kind is FrameKind.GOAWAY]
    assert wire.FAREWELLS.decode(goaway.payload).reason == reason


MALFORMED = {
    "an unknown kind": b"\0\0\0\0" + b"\0\0\0\1" + b"\xff" + b"\0" * 15,
    "too long a payload": b"\xff\xff\xff\xff" + b"\0\0\0\1" + b"\3" + b"\0" * 15,
    "a struct that is none": (FrameKind.REPLY, b"\xc1", 0),
    "an error that is none": (FrameKind.ERROR, b"\xc1", 0),
    "a move that is none": (FrameKind.MOVED, b"\xc1", 0),
    "a push without a number": (FrameKind.PUSH, b"123", wire.DELIVER),
    "an unknown push": (FrameKind.PUSH, b"", 9),
    "an ask": (FrameKind.ASK, b"", 0),
    "a second hello": (FrameKind.HELLO, wire.HELLOS.encode(Hello(name="n1")), 0),
    "a hello that is none": (FrameKind.HELLO, b"\xc1", 0),
    "a goodbye that is none": (FrameKind.GOAWAY, b"\xc1", 0),
}


@pytest.mark.parametrize("bad", MALFORMED.values(), ids=MALFORMED)
async def test_a_node_that_talks_nonsense_is_left_and_nobody_waits_for_it(wired, bad):
    call = wired.ask(LIKE)
    await settled(5)
    node = wired.node
    if isinstance(bad, bytes):
        node.end.write(bad)
    else:
        kind, payload, flags = bad
        node.say(kind, node.asks[0].call, payload, flags)
    await settled(5)
    assert isinstance(outcome(call), LinkLost)
    assert wired.link.statistics().farewell == "malformed"
    await asyncio.sleep(0.1)
    assert wired.link.up


async def test_pushes_are_passed_on_in_order(wired):
    wired.node.end.write(wire.push_frame(wire.DELIVER, 17, 2**40, b"{}"))
    wired.node.end.write(wire.push_frame(wire.END, 17))
    wired.node.end.write(wire.push_frame(wire.DETACH, 18))
    wired.node.end.write(wire.push_frame(wire.DETACH_ALL, 0))
    await settled(5)
    assert wired.pushed == [
        (wire.DELIVER, 17, 2**40, b"{}"),
        (wire.END, 17, 0, b""),
        (wire.DETACH, 18, 0, b""),
    ]
    assert wired.lost == ["n1"]


async def test_connecting_again_waits_longer_each_time_and_never_for_ever(wired):
    wired.there = False
    wired.cut()
    tries = []

    async def refuse(protocols):
        tries.append(wired.clock.monotonic())
        raise ConnectionRefusedError

    wired.link._dial = refuse
    await asyncio.sleep(1)
    gaps = [b - a for a, b in pairwise(tries)]
    assert len(gaps) > 10
    assert max(gaps) <= wired.settings.retry_longest_s
    wired.link._dial = wired._dial
    wired.there = True
    wired.link.redial()
    await settled(20)
    assert wired.link.up


async def test_a_node_that_hangs_up_at_once_is_not_dialled_in_a_tight_loop(wired):
    async def dial(protocols):
        await Wired._dial(wired, protocols)
        asyncio.get_running_loop().call_later(0.001, wired.ends[-1].abort)

    wired.link._dial = dial
    before = len(wired.nodes)
    wired.cut()
    await asyncio.sleep(4)
    assert 10 < len(wired.nodes) - before < 4 / (wired.settings.retry_longest_s / 2)
