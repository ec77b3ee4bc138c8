"""What every `CommentFacts` promises (actors/ports/facts.py)."""

from __future__ import annotations

from actors.rows import CommentLikeRow, CommentRemovalRow
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
