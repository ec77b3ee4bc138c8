"""`InProcessBus` beyond its port: bounds, sharing of calls, mischief, and a wire that it could be."""

from __future__ import annotations

import asyncio
import itertools
import typing

import pytest

from actors.events import AnyEvent, Broadcast, Published, VideoViewed
from actors.media import MediaFailure
from actors.tasks import TaskSet
from sharding.errors import StorageUnavailable
from storage.embedded.bus import ENVELOPES, BusSettings, InProcessBus
from tests.contracts.clock import ManualClock, settled, until
from tests.contracts.make import encoded_media, envelope


def viewed(number, **more):
    return envelope(VideoViewed(views=number), number, **more)


@pytest.fixture
async def make():
    tasks = TaskSet(lambda name, error: pytest.fail(f"{name}: {error!r}"))
    clock = ManualClock()

    def make(mischief=None, **settings):
        return InProcessBus(clock, tasks, BusSettings(**settings), mischief), clock

    yield make
    await tasks.close()


def example(hint):
    """Some value of a field's type."""
    options = typing.get_args(hint) or (hint,)
    values = {int: 1, str: "x", bool: True, float: 0.5}
    for option in options:
        if option in values:
            return values[option]
        if typing.get_origin(option) is None and isinstance(option, str):
            return option
    return MediaFailure(code="damaged", title="x") if MediaFailure in options else None


@pytest.mark.parametrize("kind", typing.get_args(AnyEvent))
def test_every_event_survives_a_wire(kind):
    hints = typing.get_type_hints(kind)
    event = kind(**{name: example(hints[name]) for name in kind.__struct_fields__})
    sent = envelope(event, 1)
    assert ENVELOPES.decode(ENVELOPES.encode(sent)) == sent


def test_an_encoded_video_survives_a_wire():
    (ended,) = (kind for kind in typing.get_args(AnyEvent) if kind.__name__ == "EncodingEnded")
    sent = envelope(ended(generation=1, outcome=encoded_media()), 1)
    assert ENVELOPES.decode(ENVELOPES.encode(sent)) == sent


async def test_publish_returns_when_the_receiver_has_taken_over(make):
    bus, _ = make()
    gate = asyncio.Event()
    received = []

    async def receiver(envelopes):
        await gate.wait()
        received.extend(envelopes)

    bus.subscribe(receiver)
    publishing = asyncio.ensure_future(bus.publish([viewed(1), viewed(1, target=3)]))
    await settled()
    assert not publishing.done()
    gate.set()
    await publishing
    assert {each.target for each in received} == {2, 3}


async def test_what_came_while_a_receiver_was_busy_shares_its_next_call(make):
    bus, _ = make()
    calls, gate = [], asyncio.Event()

    async def receiver(envelopes):
        calls.append(len(envelopes))
        await gate.wait()

    bus.subscribe(receiver)
    publishing = asyncio.gather(*(bus.publish([viewed(n)]) for n in range(1, 21)))
    await settled()
    gate.set()
    await publishing
    assert sum(calls) == 20
    assert len(calls) <= 2


async def test_a_call_is_bounded(make):
    bus, _ = make(max_together=3)
    calls = []

    async def receiver(envelopes):
        calls.append([each.number for each in envelopes])

    bus.subscribe(receiver)
    await asyncio.gather(*(bus.publish([viewed(n), viewed(n + 1)]) for n in (1, 3)))
    assert calls == [[1, 2], [3, 4]]


async def test_too_much_for_one_target_is_refused_and_others_are_not(make):
    bus, _ = make(max_waiting=2)
    gate = asyncio.Event()

    async def receiver(envelopes):
        if envelopes[0].target == 2:
            await gate.wait()

    bus.subscribe(receiver)
    waiting = asyncio.ensure_future(bus.publish([viewed(1), viewed(2)]))
    await settled()
    with pytest.raises(StorageUnavailable):
        await bus.publish([viewed(3)])
    await bus.publish([viewed(1, target=3)])
    gate.set()
    await waiting
    await bus.publish([viewed(3)])


async def test_pauses_between_attempts_grow_to_a_bound(make):
    bus, clock = make(retry_first_s=1.0, retry_longest_s=4.0)
    moments = []

    async def receiver(envelopes):
        moments.append(clock.monotonic())
        if len(moments) < 6:
            raise RuntimeError

    bus.subscribe(receiver)
    publishing = asyncio.ensure_future(bus.publish([viewed(1)]))
    await until(publishing.done, clock)
    assert [b - a for a, b in itertools.pairwise(moments)] == [1, 2, 4, 4, 4]
    assert bus.statistics().failures == 5


async def test_a_cancelled_publisher_does_not_take_back_what_it_handed_in(make):
    bus, _ = make()
    gate = asyncio.Event()
    received: list[int] = []

    async def receiver(envelopes):
        await gate.wait()
        received.extend(each.number for each in envelopes)

    bus.subscribe(receiver)
    first = asyncio.ensure_future(bus.publish([viewed(1)]))
    second = asyncio.ensure_future(bus.publish([viewed(2)]))
    await settled()
    first.cancel()
    second.cancel()
    gate.set()
    await bus.publish([viewed(3)])
    assert received == [1, 2, 3]


async def test_closing_frees_a_publisher_from_a_receiver_that_never_returns(make):
    bus, clock = make()

    async def receiver(envelopes):
        raise RuntimeError

    bus.subscribe(receiver)
    publishing = asyncio.ensure_future(bus.publish([viewed(1)]))
    await until(lambda: clock.sleepers)
    bus.close()
    with pytest.raises(StorageUnavailable):
        await publishing


async def test_mischief_may_repeat_and_delay_but_publish_waits_for_all_of_it(make):
    async def mischief(envelopes):
        await asyncio.sleep(0)
        return [envelopes, envelopes[:1]]

    bus, _ = make(mischief)
    received: list[int] = []

    async def receiver(envelopes):
        received.extend(each.number for each in envelopes)

    bus.subscribe(receiver)
    await bus.publish([viewed(1), viewed(2)])
    assert received == [1, 2, 1]


async def test_a_receiver_that_left_is_not_called(make):
    bus, _ = make()
    left = []

    async def leaver(envelopes):
        left.append(envelopes)

    async def stayer(envelopes):
        pass

    bus.subscribe(leaver)
    bus.unsubscribe(leaver)
    bus.subscribe(stayer)
    await bus.publish([viewed(1)])
    bus.listen(left.append)
    bus.unlisten(left.append)
    bus.broadcast(Published(video_id=1))
    await settled()
    assert left == []


async def test_the_oldest_broadcasts_are_dropped_and_counted(make):
    bus, _ = make(max_broadcasts=2)
    heard: list[Broadcast] = []
    bus.listen(heard.append)
    for number in range(5):
        bus.broadcast(Published(video_id=number))
    await settled()
    assert heard == [Published(video_id=3), Published(video_id=4)]
    assert bus.statistics().broadcasts_dropped == 3
