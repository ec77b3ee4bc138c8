"""`Lane` without a server: the order, whatever was heard, missed, or could not be borne."""

from __future__ import annotations

import asyncio

import pytest

from actors.events import VideoViewed
from actors.ports.ingest import StoredUpload
from sharding.errors import NotOwner, StorageUnavailable
from storage.nats.lane import Lane, LaneWork
from storage.nats.log import Stored
from storage.nats.posts import encode_post, message_of, posts_of
from storage.nats.settings import NatsSettings
from tests.contracts.clock import ManualClock, until
from tests.contracts.make import envelope


def viewed(number):
    return envelope(VideoViewed(views=number), number)


def stored(seq, *posts, before=None):
    posts = posts or (viewed(seq),)
    data = message_of([encode_post(post) for post in posts])
    return Stored("k.shard.2", seq, seq - 1 if before is None else before, data)


class Stream:
    """A stream and a receiver that a test plays."""

    def __init__(self, **settings):
        self.entries = []
        self.handed, self.dead, self.errors = [], [], []
        self.reads = 0
        self.clock = ManualClock()
        work = LaneWork(self.read, self.hand_over, self.bury)
        self.lane = Lane(2, work, self.clock, NatsSettings(read_messages=3, **settings))

    async def read(self, shard, after):
        self.reads += 1
        found = [each for each in self.entries if each.seq > after]
        return found[:3], len(found) <= 3

    async def hand_over(self, posts):
        for post in posts:
            if self.errors and self.errors[0](post):
                raise self.errors.pop(0)(post)
        self.handed.append(tuple(posts))

    async def bury(self, shard, what, why):
        self.dead.append(what)

    def store(self, *entries, heard=True):
        for entry in entries:
            self.entries.append(entry)
            if heard:
                self.lane.heard(entry)

    async def run(self):
        running = asyncio.ensure_future(self.lane.run())
        await until(running.done, self.clock)
        await running

    @property
    def numbers(self):
        return [post.number for run in self.handed for post in run]


async def test_what_is_heard_in_a_row_is_handed_over_in_one_call_without_a_read():
    stream = Stream()
    stream.store(*(stored(n) for n in range(1, 6)))
    await stream.run()
    assert [len(run) for run in stream.handed] == [5]
    assert stream.reads == 0
    assert stream.lane.handled == 5


async def test_what_was_missed_is_read_before_what_was_heard():
    stream = Stream()
    stream.store(stored(1))
    stream.store(*(stored(n) for n in range(2, 9)), heard=False)
    stream.store(stored(9))
    await stream.run()
    assert stream.numbers == list(range(1, 10))


async def test_messages_of_other_shards_between_are_no_gap():
    stream = Stream()
    stream.store(stored(3, before=0), stored(17, before=3))
    await stream.run()
    assert stream.numbers == [3, 17]
    assert stream.reads == 0


async def test_copies_are_not_heard_twice():
    stream = Stream()
    stream.store(stored(1))
    stream.lane.heard(stored(1))
    await stream.run()
    assert stream.numbers == [1]


async def test_what_waits_is_bounded_and_the_rest_is_read():
    stream = Stream(lane_max_messages=2)
    stream.store(*(stored(n) for n in range(1, 10)))
    assert stream.lane.waiting == 2
    await stream.run()
    assert stream.numbers == list(range(1, 10))


async def test_a_copy_of_the_stream_that_lags_is_asked_again():
    stream = Stream()
    stream.store(stored(1))
    stream.lane.heard(stored(3))
    running = asyncio.ensure_future(stream.lane.run())
    await until(lambda: stream.reads == 2, stream.clock)
    stream.store(stored(2), stored(3), heard=False)
    await until(running.done, stream.clock)
    assert stream.numbers == [1, 2, 3]


async def test_what_another_node_has_handled_and_forgotten_is_not_waited_for():
    stream = Stream()
    stream.lane.heard(stored(9))
    await stream.run()
    assert not stream.lane.busy


def of(number, error):
    return lambda post: error if getattr(post, "number", None) == number else None


@pytest.mark.parametrize("error", [NotOwner(), StorageUnavailable()])
async def test_what_passes_is_tried_for_ever(error):
    stream = Stream(max_tries=2)
    stream.errors = [of(1, error)] * 20
    stream.store(stored(1))
    await stream.run()
    assert stream.numbers == [1]
    assert (stream.dead, stream.lane.failures) == ([], 20)


async def test_only_the_one_that_cannot_be_borne_is_laid_aside():
    stream = Stream(max_tries=3)
    stream.errors = [of(2, ValueError("no"))] * 4
    stream.store(stored(1, viewed(1), viewed(2), viewed(3)), stored(2, viewed(4)))
    await stream.run()
    assert stream.numbers == [1, 3, 4]
    assert stream.dead == [viewed(2)]
    assert stream.lane.handled == 2


async def test_a_message_that_is_none_of_ours_is_laid_aside_whole():
    stream = Stream()
    stream.store(stored(1), Stored("k.shard.2", 2, 1, b"\xc1"), stored(3))
    await stream.run()
    assert stream.numbers == [1, 3]
    assert stream.dead == [b"\xc1"]


async def test_kinds_are_handed_over_apart_and_in_order():
    stream = Stream()
    upload = StoredUpload(video_id=1, size_bytes=1, author_id=2)
    stream.store(stored(1, viewed(1), viewed(2), upload, viewed(3)))
    await stream.run()
    assert stream.handed == [(viewed(1), viewed(2)), (upload,), (viewed(3),)]


async def test_a_lane_that_was_let_go_hands_over_nothing_more_and_has_handled_nothing():
    stream = Stream()
    stream.errors = [of(1, NotOwner())] * 1000
    stream.store(stored(1))
    running = asyncio.ensure_future(stream.lane.run())
    await until(lambda: stream.lane.failures > 3, stream.clock)
    stream.lane.followed = False
    await until(running.done, stream.clock)
    assert (stream.handed, stream.lane.handled) == ([], 0)


async def test_in_a_stream_that_begins_anew_everything_is_read_again():
    stream = Stream()
    stream.store(*(stored(n) for n in range(1, 6)))
    await stream.run()
    stream.entries = [stored(1, viewed(6)), stored(2, viewed(7))]
    stream.lane.start_over()
    await stream.run()
    assert stream.numbers == [1, 2, 3, 4, 5, 6, 7]
    assert stream.lane.handled == 2


@pytest.mark.parametrize("count", [1, 15, 16, 300])
def test_a_message_of_any_length_is_read_back(count):
    posts = [viewed(n) for n in range(count)]
    assert posts_of(message_of([encode_post(post) for post in posts])) == posts
