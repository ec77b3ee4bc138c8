"""Websockets behind a door: attached, pushed to, and let go when their gateway vanishes."""

from __future__ import annotations

from actors.links import wire
from actors.links.settings import DoorSettings
from actors.messages import AttachSocket, DetachSocket
from actors.replies import Attached
from sharding.errors import RateLimited
from sharding.frames import FrameKind
from tests.unit.actors.links.house import House
from tests.unit.actors.virtual_time import settled

ATTACHED = Attached(seq=3, resumed=False, missed=(), resync=False)


async def test_sockets_of_a_vanished_gateway_are_detached(house):
    house.actors.replies[AttachSocket] = ATTACHED
    gateway = await house.gateway()
    calls = [gateway.ask(AttachSocket(connection=f"g1/{at}", resume=None)) for at in range(3)]
    await settled(5)
    gateway.ask(DetachSocket(connection="g1/1"))
    await settled(5)
    assert gateway.answer(calls[0]) == ATTACHED
    gateway.end.abort()
    await settled(20)
    detached = house.actors.of(DetachSocket)
    assert sorted(each.connection for each in detached) == ["g1/0", "g1/1", "g1/2"]
    assert detached[0].connection == "g1/1"
    assert (house.door.statistics().sockets, house.door.statistics().detached) == (0, 2)


async def test_what_was_attached_again_meanwhile_stays(house):
    house.actors.replies[AttachSocket] = ATTACHED
    old = await house.gateway()
    for at in range(2):
        old.ask(AttachSocket(connection=f"g1/{at}", resume=None))
    await settled(5)
    new = await house.gateway()
    new.ask(AttachSocket(connection="g1/0", resume=3))
    await settled(20)
    assert old.over
    assert [each.connection for each in house.actors.of(DetachSocket)][-1:] == ["g1/1"]
    assert "g1/0" in house.door.attached


async def test_what_could_not_be_attached_is_not_remembered(house):
    house.actors.replies[AttachSocket] = RateLimited()
    gateway = await house.gateway()
    gateway.ask(AttachSocket(connection="g1/0", resume=None))
    await settled(5)
    assert house.door.statistics().sockets == 0


async def test_there_is_room_for_so_many_sockets(clock, tasks, alarms):
    house = House(clock, tasks, alarms, DoorSettings(sockets=1))
    house.actors.replies[AttachSocket] = ATTACHED
    gateway = await house.gateway()
    gateway.ask(AttachSocket(connection="g1/0", resume=None))
    call = gateway.ask(AttachSocket(connection="g1/1", resume=None))
    await settled(5)
    assert (gateway.answer(call).kind, gateway.answer(call).executed) == ("Overloaded", False)


async def test_an_event_for_five_thousand_sockets_is_one_write(house):
    gateway = await house.gateway()
    before = len(gateway.end.other.writes)
    for at in range(5_000):
        house.sockets.deliver(f"g1/{at}", at + 1, b'{"op":"event"}')
    await settled(5)
    pushes = gateway.of(FrameKind.PUSH)
    assert [frame.entity for frame in pushes] == list(range(5_000))
    assert wire.SEQ.unpack_from(pushes[7].payload) == (8,)
    assert len(gateway.end.other.writes) == before + 1


async def test_pushes_find_their_gateway_and_skip_those_that_are_gone(house):
    first, second = await house.gateway("g-1"), await house.gateway("g-2")
    house.sockets.deliver("g-1/5", 1, b"a")
    house.sockets.end("g-2/6")
    house.sockets.detach("g-2/7")
    house.sockets.deliver("g-3/8", 1, b"lost")
    house.sockets.deliver("strange", 1, b"lost")
    await settled(5)
    assert [(each.entity, each.flags) for each in first.of(FrameKind.PUSH)] == [(5, wire.DELIVER)]
    assert [(each.entity, each.flags) for each in second.of(FrameKind.PUSH)] == [
        (6, wire.END),
        (7, wire.DETACH),
    ]
    assert house.sockets.statistics().skipped == 2


async def test_a_gateway_that_does_not_read_its_pushes_attaches_all_anew(clock, tasks, alarms):
    house = House(clock, tasks, alarms, DoorSettings(push_bytes=10_000))
    gateway = await house.gateway()
    doorway = gateway.end.other.protocol
    doorway.pause_writing()
    for at in range(1_000):
        house.sockets.deliver("g1/1", at + 1, b"x" * 100)
    await settled(5)
    statistics = house.sockets.statistics()
    assert (statistics.floods, statistics.dropped) == (1, 1_000)
    doorway.resume_writing()
    await settled(5)
    assert [each.flags for each in gateway.of(FrameKind.PUSH)] == [wire.DETACH_ALL]
    house.sockets.deliver("g1/1", 2_000, b"on")
    await settled(5)
    assert [each.flags for each in gateway.of(FrameKind.PUSH)] == [wire.DETACH_ALL, wire.DELIVER]
