"""`CassandraCommentFacts`: comments of videos.

A page is read from the nearest replicas: it is cached for a second anyway, with the viewer's own latest laid over.
One comment is read at LOCAL_QUORUM, since somebody is about to answer, like or remove it. Likes and answers of a
whole page are added up by the server in one statement each.
"""

from collections.abc import Sequence
from typing import Any

from actors.records import CommentRecord
from actors.rows import CommentRow
from sharding.ids import FIRST_MS, minted_at_ms
from storage.cassandra.buckets import SKEW_MS, comment_bucket, comment_fan
from storage.cassandra.comment_trees import EVERYWHERE, removals, states, visible
from storage.cassandra.reading import NEWEST, pages
from storage.cassandra.session import Cassandra
from storage.cassandra.statements import Call, Level, Statement
from storage.cassandra.tables import COMMENT_REPLIES, COMMENT_ROOTS, COMMENTS

_ROOTS = Statement(
    Level.NEAR,
    f"SELECT {COMMENT_ROOTS.select} FROM comment_roots WHERE video_id = ? AND {EVERYWHERE}"
    " AND comment_id < ? ORDER BY comment_id DESC LIMIT ?",
)
_REPLIES = Statement(
    Level.NEAR,
    f"SELECT {COMMENT_REPLIES.select} FROM comment_replies WHERE video_id = ? AND parent_id = ?"
    " AND comment_id < ? LIMIT ?",
)
_COMMENT = Statement(
    Level.FRESH,
    f"SELECT {COMMENTS.select} FROM comments"
    " WHERE video_id = ? AND bucket = ? AND fan = ? AND comment_id = ?",
)
_LIKES = Statement(
    Level.NEAR,
    "SELECT comment_id, sum(liked) FROM comment_likes WHERE comment_id IN ? GROUP BY comment_id",
)
_ANSWERS = Statement(
    Level.NEAR,
    "SELECT parent_id, count(*), sum(removed) FROM comment_replies"
    " WHERE video_id = ? AND parent_id IN ? GROUP BY video_id, parent_id",
)

#: Bits of an id below its time.
_TIME_SHIFT = 22


class CassandraCommentFacts:
    """Fills `actors.ports.facts.CommentFacts`."""

    __slots__ = ("_cassandra",)

    def __init__(self, cassandra: Cassandra) -> None:
        self._cassandra = cassandra

    async def page(
        self, video_id: int, parent_id: int | None, *, before: int | None, limit: int
    ) -> Sequence[CommentRecord]:
        """Visible comments of one level, newest id first."""
        if parent_id is not None and not await visible(self._cassandra, video_id, [parent_id]):
            return []
        table = COMMENT_ROOTS if parent_id is None else COMMENT_REPLIES
        known = {"parent_id": None} if parent_id is None else {}
        id_at, removed_at = table.columns.index("comment_id"), table.columns.index("removed")
        gone: set[int] = set()

        async def page(cursor: tuple[Any, ...], size: int) -> list[tuple[Any, ...]]:
            if parent_id is None:
                found = await self._cassandra.rows(_ROOTS, video_id, cursor[id_at], size)
            else:
                found = await self._cassandra.rows(
                    _REPLIES, video_id, parent_id, cursor[id_at], size
                )
            return found

        async def holding(listed: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
            oldest = min(each[id_at] for each in listed)
            gone.update(await removals(self._cassandra, video_id, _earlier(oldest)))
            return [each for each in listed if not each[removed_at] and each[id_at] not in gone]

        cursor = (NEWEST[0] if before is None else before,) * len(table.columns)
        size = self._cassandra.settings.page_rows
        found = await pages(page, holding, cursor, limit, size)
        return await self._records(video_id, [table.row(each, **known) for each in found], gone)

    async def comment(self, video_id: int, comment_id: int) -> CommentRecord | None:
        """One visible comment."""
        place = (video_id, comment_bucket(video_id, comment_id), comment_fan(comment_id))
        values = await self._cassandra.first(_COMMENT, *place, comment_id)
        if values is None or not await visible(self._cassandra, video_id, [comment_id]):
            return None
        gone = await removals(self._cassandra, video_id, _earlier(comment_id))
        return (await self._records(video_id, [COMMENTS.row(values)], gone))[0]

    async def _records(
        self, video_id: int, comments: Sequence[CommentRow], gone: set[int]
    ) -> list[CommentRecord]:
        """Comments with their sizes; `gone` are those newer than them that the video's author removed."""
        if not comments:
            return []
        ids = [comment.comment_id for comment in comments]
        likes, answers = await self._cassandra.all(
            [Call(_LIKES, (ids,)), Call(_ANSWERS, (video_id, ids))]
        )
        liked: dict[int, int] = dict(likes)
        replies = {parent: written - (withdrawn or 0) for parent, written, withdrawn in answers}
        if gone and replies:
            there = await states(self._cassandra, video_id, sorted(gone))
            for parent, withdrawn in there.values():
                if parent in replies and not withdrawn:
                    replies[parent] -= 1
        return [
            CommentRecord(
                comment=comment,
                likes=liked.get(comment.comment_id, 0),
                replies=replies.get(comment.comment_id, 0),
            )
            for comment in comments
        ]

    def __repr__(self) -> str:
        return f"<CassandraCommentFacts on {self._cassandra!r}>"


def _earlier(comment_id: int) -> int:
    """An id below that of every answer to a comment, also of one by a machine whose clock is behind."""
    return ((minted_at_ms(comment_id) - FIRST_MS - SKEW_MS) << _TIME_SHIFT) - 1
