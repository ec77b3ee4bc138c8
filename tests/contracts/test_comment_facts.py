"""What every `CommentFacts` promises (actors/ports/facts.py)."""

from __future__ import annotations

from actors.rows import CommentLikeRow, CommentRemovalRow
from sharding.ids import IdMint
from tests.contracts.clock import ManualClock
from tests.contracts.make import comment, stamped


def ids(records):
    return [record.comment.comment_id for record in records]


def removal(comment_id, video_id=1):
    return CommentRemovalRow(video_id=video_id, comment_id=comment_id, user_id=9)


def comment_like(user_id, comment_id, liked=True):
    return CommentLikeRow(user_id=user_id, video_id=1, comment_id=comment_id, liked=liked)


async def test_a_page_holds_one_level_newest_first(facts):
    await facts.writer.write(
        stamped(
            comment(1),
            comment(2),
            comment(3, parent_id=1),
            comment(4),
            comment(5, parent_id=1),
            comment(6, video_id=2),
        )
    )
    assert ids(await facts.comments.page(1, None, before=None, limit=2)) == [4, 2]
    assert ids(await facts.comments.page(1, None, before=2, limit=9)) == [1]
    assert ids(await facts.comments.page(1, 1, before=None, limit=9)) == [5, 3]


async def test_a_record_counts_likes_and_visible_replies(facts):
    await facts.writer.write(
        stamped(
            comment(1),
            comment(2, parent_id=1),
            comment(3, parent_id=1, removed=True),
            comment(4, parent_id=1),
            removal(4),
            comment_like(1, 1),
            comment_like(2, 1),
            comment_like(3, 1, liked=False),
            comment_like(1, 2),
        )
    )
    record = await facts.comments.comment(1, 1)
    assert record.comment == comment(1)
    assert (record.likes, record.replies) == (2, 1)
    assert await facts.comments.page(1, None, before=None, limit=1) == [record]


async def test_what_either_side_removed_is_not_seen(facts):
    await facts.writer.write(stamped(comment(1), comment(2, removed=True), comment(3), removal(3)))
    assert ids(await facts.comments.page(1, None, before=None, limit=9)) == [1]
    assert await facts.comments.comment(1, 2) is None
    assert await facts.comments.comment(1, 3) is None
    assert await facts.comments.comment(1, 4) is None


async def test_a_thread_disappears_with_its_root(facts):
    await facts.writer.write(
        stamped(comment(1), comment(2, parent_id=1), comment(3, parent_id=2), removal(1))
    )
    assert await facts.comments.comment(1, 2) is None
    assert await facts.comments.comment(1, 3) is None
    assert list(await facts.comments.page(1, 1, before=None, limit=9)) == []
    assert list(await facts.comments.page(1, 2, before=None, limit=9)) == []


async def test_comments_of_every_age_are_one_list(facts, clock):
    ages = [
        IdMint(1, ManualClock(clock.unix_ms() - days * 86_400_000))
        for days in (800, 500, 100, 9, 0)
    ]
    video_id, *comments = [mint.mint() for mint in ages]
    await facts.writer.write(stamped(*(comment(each, video_id=video_id) for each in comments)))
    newest = comments[::-1]
    assert ids(await facts.comments.page(video_id, None, before=None, limit=9)) == newest
    assert ids(await facts.comments.page(video_id, None, before=newest[0], limit=2)) == newest[1:3]
    assert (await facts.videos.tally(video_id)).comments == len(comments)
    for each in comments:
        assert (await facts.comments.comment(video_id, each)).comment.comment_id == each


async def test_a_page_is_full_however_many_were_removed(facts):
    numbers = range(1, 40)
    await facts.writer.write(
        stamped(
            *(comment(n, removed=n % 3 == 0) for n in numbers),
            *(removal(n) for n in numbers if n % 3 == 1),
        )
    )
    page = await facts.comments.page(1, None, before=None, limit=10)
    assert ids(page) == [n for n in reversed(numbers) if n % 3 == 2][:10]
    assert (await facts.videos.tally(1)).comments == 13
