"""One WAIT for many writes, and what happens when no replica answers it."""

from __future__ import annotations

import pytest

from storage.redis.faults import LinkLost
from storage.redis.replicas import Copy, CopyMode, ReplicaLine
from storage.redis.settings import RedisSettings
from storage.redis.statistics import Meter
from tests.contracts.clock import ManualClock, settled
from tests.unit.storage.redis.fakes import FakeLink

SETTINGS = RedisSettings()


class Bench:
    """A line, its link and its clock."""

    def __init__(self):
        self.clock = ManualClock()
        self.mode = CopyMode("test", SETTINGS, self.clock)
        self.link = FakeLink()
        self.line = self.another(self.link)

    def another(self, link):
        return ReplicaLine(link, self.mode, SETTINGS, Meter())

    async def written(self, count=1):
        """Writes of one turn of the loop, once their WAIT is sent if it is."""
        copies = [self.line.after_write() for _ in range(count)]
        await settled()
        return copies

    async def wait_says(self, replicas, after_s=0.0):
        self.clock.advance(after_s)
        self.link.owed[-1].set_result(replicas)
        await settled()

    @property
    def waits(self):
        return [int(command[2]) for command in self.link.sent]


@pytest.fixture
async def bench():
    return Bench()


def told(copies):
    return [each.result() if each.done() else None for each in copies]


async def test_writes_of_one_turn_share_a_wait(bench):
    copies = await bench.written(64)
    assert bench.link.sent == [(b"WAIT", b"1", b"100")]
    assert told(copies) == [None] * 64
    await bench.wait_says(1)
    assert told(copies) == [Copy.REPLICA] * 64


async def test_writes_during_a_wait_share_the_next(bench):
    first = await bench.written()
    later = await bench.written(2) + await bench.written(3)
    assert len(bench.waits) == 1
    await bench.wait_says(1)
    assert (told(first), told(later)) == ([Copy.REPLICA], [None] * 5)
    await bench.wait_says(1)
    assert told(later) == [Copy.REPLICA] * 5
    assert len(bench.waits) == 2


async def test_nobody_waits_when_nothing_was_written(bench):
    (copy,) = await bench.written()
    await bench.wait_says(2)
    assert told([copy]) == [Copy.REPLICA]
    assert len(bench.waits) == 1


async def test_a_silent_replica_holds_writes_back_for_a_second_and_no_longer(bench):
    copies = await bench.written()
    for _ in range(9):
        await bench.wait_says(0, after_s=0.11)
        copies += await bench.written()
        assert told(copies) == [None] * len(copies)
    await bench.wait_says(0, after_s=0.11)
    assert told(copies) == [Copy.MASTER] * 10
    assert bench.mode.single


async def test_silence_counts_from_the_first_wait_that_was_not_answered(bench):
    await bench.written()
    await bench.wait_says(1)
    bench.clock.advance(3600)
    copies = await bench.written()
    await bench.wait_says(0, after_s=0.1)
    assert told(copies) == [None]
    await bench.wait_says(1, after_s=0.1)
    assert told(copies) == [Copy.REPLICA]


async def silent(bench):
    await bench.written()
    await bench.wait_says(0, after_s=1.0)
    assert bench.mode.single


async def test_in_single_copy_mode_nobody_waits_and_one_short_question_is_asked_a_second(bench):
    await silent(bench)
    assert told(await bench.written(9)) == [Copy.MASTER] * 9
    assert len(bench.waits) == 1
    bench.clock.advance(1.0)
    assert told(await bench.written(9)) == [Copy.MASTER] * 9
    assert bench.waits == [100, 20]
    await bench.wait_says(0)
    await bench.written(9)
    assert len(bench.waits) == 2


async def test_single_copy_mode_ends_when_a_replica_answers_and_holds_for_new_connections(bench):
    await silent(bench)
    bench.link = FakeLink()
    bench.line = bench.another(bench.link)
    assert told(await bench.written()) == [Copy.MASTER]
    bench.clock.advance(1.0)
    await bench.written()
    await bench.wait_says(1)
    assert not bench.mode.single
    assert told(await bench.written()) == [None]


async def test_a_lost_connection_leaves_every_write_unknown(bench):
    copies = await bench.written() + await bench.written()
    bench.link.close()
    await settled()
    assert told(copies) == [Copy.UNKNOWN] * 2
    assert told(await bench.written()) == [Copy.UNKNOWN]


async def test_a_wait_that_fails_leaves_its_writes_unknown(bench):
    copies = await bench.written()
    bench.link.owed[0].set_exception(LinkLost("demoted", sent=True))
    await settled()
    assert told(copies) == [Copy.UNKNOWN]
