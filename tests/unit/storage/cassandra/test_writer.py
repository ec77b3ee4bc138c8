"""A batch of rows becomes few mutations: the journal first, one for each partition, marks only once."""

from __future__ import annotations

from typing import Any

import pytest

from actors.rows import FollowRow, JournalRow, LikeRow
from sharding.errors import StorageUnavailable
from storage.cassandra.settings import CassandraSettings
from storage.cassandra.writer import MAX_TOGETHER, CassandraFactWriter
from tests.contracts.make import comment, like, notification, playing, stamped


class Recorder:
    """Stands in for `Cassandra`: keeps what it is told to write, call by call."""

    def __init__(self, **settings):
        self.settings = CassandraSettings(**settings)
        self.writes = []
        self.failing = False

    async def write(self, mutations):
        self.writes.append([[call.statement.cql.split()[2] for call in each] for each in mutations])
        if self.failing:
            raise StorageUnavailable

    @property
    def tables(self):
        return [sorted(map(sorted, write)) for write in self.writes]


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def writer(recorder):
    return CassandraFactWriter(recorder)


async def test_a_like_is_two_mutations_and_its_journal_entry_is_in_the_first(writer, recorder):
    entry = JournalRow(user_id=1, entry_id=5, kind="like", video_id=9)
    await writer.write(stamped(like(1, 9), entry))
    assert recorder.tables == [
        [["journal", "likes_by_time", "likes_by_user"]],
        [["likes_by_video"]],
    ]


async def test_nothing_follows_a_journal_that_did_not_land(writer, recorder):
    recorder.failing = True
    entry = JournalRow(user_id=1, entry_id=5, kind="like", video_id=9)
    with pytest.raises(StorageUnavailable):
        await writer.write(stamped(like(1, 9), entry))
    assert recorder.tables == [[["journal", "likes_by_time", "likes_by_user"]]]


async def test_what_ended_gets_no_entry_in_a_list_by_time(writer, recorder):
    unlike = LikeRow(user_id=1, video_id=9, liked=False, at_ms=1)
    unfollow = FollowRow(follower_id=1, followee_id=2, following=False, at_ms=1)
    await writer.write(stamped(unlike, unfollow))
    assert recorder.tables[1] == [
        ["followers"],
        ["following"],
        ["likes_by_user"],
        ["likes_by_video"],
    ]


async def test_a_comment_lies_under_its_level(writer, recorder):
    await writer.write(stamped(comment(1)))
    await writer.write(stamped(comment(2, parent_id=1)))
    assert recorder.tables[1] == [["comment_roots", "comments"], ["comments_by_user"]]
    assert recorder.tables[3] == [["comment_replies"], ["comments"], ["comments_by_user"]]


async def test_a_bucket_is_marked_once_and_again_after_a_failure(writer, recorder):
    recorder.failing = True
    with pytest.raises(StorageUnavailable):
        await writer.write(stamped(*playing(1)))
    recorder.failing = False
    for _ in range(2):
        recorder.writes.clear()
        await writer.write(stamped(*playing(1), notification(1, "like:1", 1)))
    marks = [["buckets"] in write for write in recorder.tables]
    assert not any(marks)
    recorder.writes.clear()
    await writer.write(stamped(notification(2, "like:1", 1)))
    assert recorder.tables[1].count(["buckets"]) == 1


async def test_known_buckets_are_bounded():
    recorder: Any = Recorder(known_buckets=2)
    writer = CassandraFactWriter(recorder)
    for user_id in (1, 2, 3, 1):
        await writer.write(stamped(notification(user_id, "like:1", 1)))
    assert [write.count(["buckets"]) for write in recorder.tables[1::2]] == [1, 1, 1, 1]
    assert "known=2" in repr(writer)


async def test_a_mutation_has_bounded_parts(writer, recorder):
    await writer.write(stamped(*(like(1, n, liked=False) for n in range(MAX_TOGETHER + 5))))
    of_user = [each for each in recorder.writes[1] if each[0] == "likes_by_user"]
    assert [len(each) for each in of_user] == [MAX_TOGETHER, 5]
