"""What every `EventBus` promises (actors/ports/bus.py)."""

from __future__ import annotations

import asyncio

import pytest

from actors.events import Broadcast, Counted, Published, VideoViewed
from sharding.errors import NotOwner, StorageUnavailable
from tests.contracts.clock import settled, until
from tests.contracts.make import envelope


def viewed(number, **more):
    return envelope(VideoViewed(views=number), number, **more)


class Recorder:
    """A receiver that keeps what it got, and fails as often as told."""

    def __init__(self, failures=0):
        self.calls = []
        self.failures = failures

    async def __call__(self, envelopes):
        self.calls.append(tuple(envelopes))
        if self.failures:
            self.failures -= 1
            raise RuntimeError("not now")

    @property
    def received(self):
        return [each for call in self.calls for each in call]


async def test_what_publish_returned_for_reaches_a_receiver_that_takes_its_time(bus):
    gate = asyncio.Event()
    received = []

    async def receiver(envelopes):
        await gate.wait()
        received.extend(envelopes)

    bus.subscribe(receiver)
    publishing = asyncio.ensure_future(bus.publish([viewed(1), viewed(1, target=3)]))
    await settled()
    assert received == []
    gate.set()
    await publishing
    await until(lambda: {each.target for each in received} == {2, 3})


async def test_nothing_to_publish_is_fine(bus):
    await bus.publish([])


async def test_a_receiver_that_raises_is_asked_again_until_it_returns(bus, clock):
    receiver = Recorder(failures=3)
    bus.subscribe(receiver)
    publishing = asyncio.ensure_future(bus.publish([viewed(1)]))
    await until(lambda: len(receiver.calls) == 4, clock)
    await publishing
    assert receiver.calls == [(viewed(1),)] * 4


async def test_order_is_kept_on_each_link(bus, clock):
    receiver = Recorder(failures=2)
    bus.subscribe(receiver)
    publishing = asyncio.gather(
        *(bus.publish([viewed(n, source=s)]) for n in range(1, 30) for s in (1, 2))
    )
    await until(lambda: publishing.done() and len(set(receiver.received)) == 58, clock)
    for source in (1, 2):
        numbers = [each.number for each in receiver.received if each.source == source]
        assert list(dict.fromkeys(numbers)) == list(range(1, 30))


async def test_publishing_again_delivers_a_copy_at_worst(bus):
    receiver = Recorder()
    bus.subscribe(receiver)
    for number in (1, 1, 2):
        await bus.publish([viewed(number)])
    await until(lambda: viewed(2) in receiver.received)
    assert receiver.received in ([viewed(1), viewed(2)], [viewed(1), viewed(1), viewed(2)])


async def test_a_shard_that_cannot_be_served_holds_up_no_other(bus):
    received = []

    async def receiver(envelopes):
        if envelopes[0].target == 2:
            await asyncio.Event().wait()
        received.extend(envelopes)

    bus.subscribe(receiver)
    stuck = asyncio.ensure_future(bus.publish([viewed(1)]))
    await settled()
    await bus.publish([viewed(1, target=3)])
    await until(lambda: received)
    assert [each.target for each in received] == [3]
    stuck.cancel()


async def test_envelopes_find_the_receiver_that_owns_their_shard(bus):
    async def stranger(envelopes):
        raise NotOwner

    receiver = Recorder()
    bus.subscribe(stranger)
    bus.subscribe(receiver)
    await bus.publish([viewed(1)])
    await until(lambda: receiver.received)
    assert receiver.received == [viewed(1)]


async def test_who_subscribes_late_gets_what_waited(bus, clock):
    publishing = asyncio.ensure_future(bus.publish([viewed(1)]))
    await settled()
    receiver = Recorder()
    bus.subscribe(receiver)
    await until(lambda: publishing.done() and receiver.received, clock)
    assert receiver.received == [viewed(1)]


async def test_closing_leaves_nobody_waiting_and_refuses_whoever_comes(bus):
    async def receiver(envelopes):
        await asyncio.Event().wait()

    bus.subscribe(receiver)
    publishing = asyncio.ensure_future(bus.publish([viewed(1)]))
    await settled()
    bus.close()
    await until(publishing.done)
    # What the bus had taken over already needs no refusal.
    assert isinstance(publishing.exception(), StorageUnavailable | None)
    with pytest.raises(StorageUnavailable):
        await bus.publish([viewed(2)])


async def test_a_broadcast_reaches_every_listener_soon_and_never_at_once(bus):
    heard: list[Broadcast] = []
    bus.listen(heard.append)
    bus.listen(heard.append)
    bus.broadcast(Published(video_id=1))
    assert heard == []
    await settled()
    assert heard == [Published(video_id=1)] * 2


async def test_a_listener_that_raises_keeps_no_hint_from_the_others(bus):
    heard: list[Broadcast] = []

    def broken(message):
        raise RuntimeError

    bus.listen(broken)
    bus.listen(heard.append)
    bus.broadcast(Counted(video_id=1, likes=1, comments=0, shares=0, views=0))
    await settled()
    assert len(heard) == 1
