"""`Outgoing` on a log that a test answers for: what shares a message, and what fails together."""

from __future__ import annotations

import asyncio
from typing import cast

import msgspec
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from actors.events import VideoViewed
from actors.ports.bus import Envelope
from actors.ports.clock import SystemClock
from actors.tasks import TaskSet
from sharding.errors import StorageUnavailable
from storage.nats.chores import Chores
from storage.nats.log import Log
from storage.nats.names import Names
from storage.nats.outgoing import Outgoing
from storage.nats.posts import posts_of
from storage.nats.settings import NatsSettings
from tests.contracts.clock import settled
from tests.contracts.make import envelope


def viewed(number, **more):
    return envelope(VideoViewed(views=number), number, **more)


def numbers_of(payload):
    return [each.number for each in posts_of(payload) if isinstance(each, Envelope)]


class Stand:
    """Keeps messages; a test says what became of each."""

    def __init__(self):
        self.sent = []

    async def begin_append(self, subject, payload, message_id):
        answer = asyncio.get_running_loop().create_future()
        self.sent.append((subject, numbers_of(payload), message_id, answer))
        return answer

    def answer(self, index, error=None):
        body = {"error": {"err_code": 10077, "description": error}} if error else {"seq": 1}
        message = Msg(_client=Client(), data=msgspec.json.encode(body))
        self.sent[index][3].set_result([message])

    @property
    def numbers(self):
        return [numbers for _, numbers, _, _ in self.sent]


@pytest.fixture
async def make():
    tasks = TaskSet(lambda name, error: pytest.fail(f"{name}: {error!r}"))

    def make(**settings):
        log = Stand()
        chores = Chores(SystemClock(), tasks)
        return log, Outgoing(cast(Log, log), Names("k"), chores, NatsSettings(**settings))

    yield make
    await tasks.close()


async def put(outgoing, *numbers, target=2):
    putting = asyncio.ensure_future(outgoing.put({target: [viewed(n) for n in numbers]}))
    await settled()
    return putting


async def test_what_comes_while_a_message_is_under_way_shares_the_next(make):
    log, outgoing = make()
    putting = [await put(outgoing, n) for n in range(1, 5)]
    assert log.numbers == [[1]]
    log.answer(0)
    await settled()
    assert log.numbers == [[1], [2, 3, 4]]
    log.answer(1)
    await asyncio.gather(*putting)
    assert (outgoing.waiting, outgoing.posts, outgoing.messages) == (0, 4, 2)


async def test_a_message_that_fails_takes_everything_behind_it_along(make):
    log, outgoing = make()
    putting = [await put(outgoing, n) for n in range(1, 4)]
    log.answer(0, error="maximum messages exceeded")
    for each in putting:
        with pytest.raises(StorageUnavailable):
            await each
    assert log.numbers == [[1]]
    again = await put(outgoing, 1)
    log.answer(1)
    await again


async def test_targets_do_not_wait_for_one_another(make):
    log, outgoing = make()
    stuck = await put(outgoing, 1)
    other = await put(outgoing, 1, target=3)
    log.answer(1)
    await other
    assert not stuck.done()
    outgoing.close()
    with pytest.raises(StorageUnavailable):
        await stuck


async def test_one_put_fails_when_any_of_its_targets_does(make):
    log, outgoing = make()
    putting = asyncio.ensure_future(outgoing.put({2: [viewed(1)], 3: [viewed(1, target=3)]}))
    await settled()
    log.answer(0)
    log.answer(1, error="no leader")
    with pytest.raises(StorageUnavailable):
        await putting


async def test_messages_are_bounded_in_posts_and_bytes(make):
    log, outgoing = make(max_together=3)
    for n in range(1, 9):
        await put(outgoing, n)
    for index in range(3):
        log.answer(index)
        await settled()
    assert log.numbers == [[1], [2, 3, 4], [5, 6, 7], [8]]
    log, outgoing = make(max_message_bytes=1)
    for n in range(1, 4):
        await put(outgoing, n)
    log.answer(0)
    await settled()
    assert log.numbers == [[1], [2]]


async def test_too_much_is_refused_before_it_waits(make):
    log, outgoing = make(max_outgoing=2)
    await put(outgoing, 1, 2)
    with pytest.raises(StorageUnavailable) as refused:
        await outgoing.put({3: [viewed(1, target=3)]})
    assert refused.value.executed is False
    assert len(log.sent) == 1


async def test_messages_in_flight_are_bounded(make):
    log, outgoing = make(max_in_flight=2)
    for target in range(4):
        await put(outgoing, 1, target=target)
    assert len(log.sent) == 2
    log.answer(0)
    await settled()
    assert len(log.sent) == 3


async def test_a_repeated_message_has_its_name_and_a_longer_one_another(make):
    log, outgoing = make()
    for numbers in ((1,), (1,), (1, 2)):
        putting = await put(outgoing, *numbers)
        log.answer(-1)
        await putting
    first, second, longer = (name for _, _, name, _ in log.sent)
    assert first == second != longer


async def test_a_publisher_that_is_cancelled_disturbs_nobody(make):
    log, outgoing = make()
    cancelled, other = await put(outgoing, 1), await put(outgoing, 2)
    cancelled.cancel()
    log.answer(0)
    await settled()
    log.answer(1)
    await other
    assert outgoing.waiting == 0
