"""What every `DeedFacts` promises (actors/ports/facts.py)."""

from __future__ import annotations

from actors.rows import (
    ActivityKind,
    CommentLikeRow,
    CommentRemovalRow,
    JournalRow,
    NotInterestedRow,
)
from sharding.ids import IdMint
from tests.contracts.clock import ManualClock
from tests.contracts.make import comment, like, notification, stamped


def ids(rows, column):
    return [getattr(row, column) for row in rows]


async def test_likes_go_from_the_newest_backwards_without_those_taken_back(facts):
    await facts.writer.write(
        stamped(
            like(1, 10, at_ms=5),
            like(1, 11, at_ms=7),
            like(1, 12, at_ms=7),
            like(1, 13, at_ms=9, liked=False),
            like(2, 14, at_ms=9),
        )
    )
    page = await facts.deeds.likes(1, before=None, limit=2)
    assert ids(page, "video_id") == [12, 11]
    assert ids(await facts.deeds.likes(1, before=(7, 11), limit=9), "video_id") == [10]


async def test_a_like_taken_back_and_given_again_is_a_like(facts):
    for timestamp, liked in enumerate([True, False, True], start=1):
        await facts.writer.write(stamped(like(1, 10, liked=liked), timestamp=timestamp))
    assert list(await facts.deeds.liked_among(1, [9, 10])) == [10]


async def test_a_like_given_again_stands_once_at_its_newer_time(facts):
    await facts.writer.write(stamped(like(1, 10, at_ms=5), like(1, 11, at_ms=6)))
    await facts.writer.write(stamped(like(1, 10, liked=False, at_ms=7)))
    assert ids(await facts.deeds.likes(1, before=None, limit=9), "video_id") == [11]
    await facts.writer.write(stamped(like(1, 10, at_ms=8)))
    page = await facts.deeds.likes(1, before=None, limit=9)
    assert [(row.video_id, row.at_ms) for row in page] == [(10, 8), (11, 6)]


async def test_a_list_is_whole_however_much_of_it_was_taken_back(facts):
    rows = [like(1, n, at_ms=n, liked=n % 7 == 0) for n in range(1, 40)]
    # Each of them was liked before, so there was an entry for it.
    await facts.writer.write(stamped(*(like(1, n, at_ms=n) for n in range(1, 40))))
    await facts.writer.write(stamped(*rows))
    page = await facts.deeds.likes(1, before=None, limit=4)
    assert ids(page, "video_id") == [35, 28, 21, 14]
    assert ids(await facts.deeds.likes(1, before=(14, 14), limit=4), "video_id") == [7]


async def test_deeds_of_all_years_are_one_list(facts, clock):
    years = [
        IdMint(1, ManualClock(clock.unix_ms() - n * 300 * 86_400_000)).mint() for n in (3, 2, 1)
    ]
    user_id = years[0] - 1
    await facts.writer.write(
        stamped(
            *(like(user_id, video_id, at_ms=100 - n) for n, video_id in enumerate(years)),
            *(JournalRow(user_id=user_id, entry_id=n, kind="like", video_id=n) for n in years),
            *(NotInterestedRow(user_id=user_id, video_id=n) for n in years),
            *(comment(n, video_id=years[0], user_id=user_id) for n in years),
        )
    )
    newest = years[::-1]
    assert ids(await facts.deeds.likes(user_id, before=None, limit=9), "video_id") == years
    assert set(await facts.deeds.liked_among(user_id, years)) == set(years)
    assert ids(await facts.deeds.activity(user_id, [], before=None, limit=9), "entry_id") == newest
    two = await facts.deeds.activity(user_id, ["like"], before=newest[0], limit=9)
    assert ids(two, "entry_id") == newest[1:]
    assert list(await facts.deeds.not_interested(user_id, 9)) == newest
    assert sorted(ids(await facts.deeds.comments_of(user_id, 9), "comment_id")) == years


async def test_liked_among_tells_only_what_was_asked(facts):
    await facts.writer.write(stamped(like(1, 10), like(1, 11), like(1, 12, liked=False)))
    assert set(await facts.deeds.liked_among(1, [10, 12, 13])) == {10}
    assert list(await facts.deeds.liked_among(1, [])) == []


async def test_liked_comments_among_tells_only_what_was_asked(facts):
    await facts.writer.write(
        stamped(
            *(
                CommentLikeRow(user_id=1, video_id=1, comment_id=n, liked=n != 12)
                for n in (10, 11, 12)
            )
        )
    )
    assert set(await facts.deeds.liked_comments_among(1, [10, 12, 13])) == {10}


async def test_not_interested_is_newest_first(facts):
    await facts.writer.write(stamped(*(NotInterestedRow(user_id=1, video_id=n) for n in (5, 9, 7))))
    assert list(await facts.deeds.not_interested(1, 2)) == [9, 7]


async def test_activity_is_newest_first_and_of_the_kinds_asked_for(facts):
    kinds: list[ActivityKind] = ["like", "follow", "comment", "like", "share"]
    await facts.writer.write(
        stamped(
            *(
                JournalRow(user_id=1, entry_id=n, kind=kind, video_id=n)
                for n, kind in enumerate(kinds, start=1)
            ),
            JournalRow(user_id=2, entry_id=9, kind="like"),
        )
    )
    everything = await facts.deeds.activity(1, [], before=None, limit=3)
    assert ids(everything, "entry_id") == [5, 4, 3]
    some = await facts.deeds.activity(1, ["like", "comment"], before=None, limit=2)
    assert ids(some, "entry_id") == [4, 3]
    rest = await facts.deeds.activity(1, ["like", "comment"], before=3, limit=9)
    assert ids(rest, "entry_id") == [1]


async def test_notifications_go_from_the_highest_seq_backwards(facts):
    await facts.writer.write(
        stamped(
            notification(1, "like:1", 1),
            notification(1, "follow:1", 2),
            notification(1, "comment:1", 3),
            notification(2, "like:1", 9),
        )
    )
    assert ids(await facts.deeds.notifications(1, before=None, limit=2), "seq") == [3, 2]
    assert ids(await facts.deeds.notifications(1, before=2, limit=9), "seq") == [1]


async def test_grouping_moves_a_notification_up(facts):
    await facts.writer.write(stamped(notification(1, "like:1", 1), notification(1, "follow:1", 2)))
    grouped = notification(1, "like:1", 3, actor_ids=(7, 6, 5), actor_count=9)
    await facts.writer.write(stamped(grouped))
    assert ids(await facts.deeds.notifications(1, before=None, limit=9), "seq") == [3, 2]
    assert await facts.deeds.notification(1, "like:1") == grouped
    assert await facts.deeds.notification(1, "like:2") is None


async def test_a_group_that_grows_often_stands_once_and_hides_nothing(facts):
    await facts.writer.write(
        stamped(
            notification(1, "follow:1", 1),
            *(notification(1, "like:1", seq * 400) for seq in range(1, 30)),
            notification(1, "comment:1", 9_000),
        )
    )
    page = await facts.deeds.notifications(1, before=None, limit=9)
    assert [(row.group, row.seq) for row in page] == [
        ("like:1", 11_600),
        ("comment:1", 9_000),
        ("follow:1", 1),
    ]
    assert ids(await facts.deeds.notifications(1, before=9_000, limit=9), "group") == ["follow:1"]


async def test_comments_of_a_user_are_those_that_anybody_sees(facts):
    await facts.writer.write(
        stamped(
            comment(1),
            comment(2, removed=True),
            comment(3),
            CommentRemovalRow(video_id=1, comment_id=3, user_id=5),
            comment(4, user_id=2, removed=True),
            comment(5, parent_id=4),
            comment(6, parent_id=1, video_id=1),
            comment(7, user_id=2),
            comment(1, video_id=2),
        )
    )
    rows = await facts.deeds.comments_of(1, 9)
    assert {(row.video_id, row.comment_id) for row in rows} == {(1, 1), (1, 6), (2, 1)}
    assert len(await facts.deeds.comments_of(1, 2)) == 2
