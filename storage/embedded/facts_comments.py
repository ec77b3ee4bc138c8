"""`SqliteCommentFacts`: comments of videos, and the one rule for which of them anybody sees.

A comment is visible when its author has not removed it, the video's author has not, and the comment that
it answers (if any) is visible itself. So a thread disappears with its root, in pages as in counts.
"""

import sqlite3
from collections.abc import Sequence

from actors.records import CommentRecord
from storage.embedded.database import Database
from storage.embedded.fact_tables import COMMENTS, NEWEST

#: A condition on one row of `comments`: nobody removed this very comment.
STANDING = (
    "comments.removed = 0 AND NOT EXISTS (SELECT 1 FROM comment_removals AS gone"
    " WHERE gone.video_id = comments.video_id AND gone.comment_id = comments.comment_id)"
)

#: Without statistics SQLite prefers the primary key, and would read the whole video for each comment.
BY_PARENT = "INDEXED BY comments_by_parent"

#: How many comments of the video :video_id are visible: down from the roots, past whatever was removed.
VISIBLE_BY_VIDEO = (
    "WITH RECURSIVE visible (id) AS ("
    f" SELECT comment_id FROM comments {BY_PARENT}"
    f" WHERE video_id = :video_id AND parent_id IS NULL AND {STANDING}"
    f" UNION SELECT comment_id FROM visible CROSS JOIN comments {BY_PARENT}"
    f"  ON comments.video_id = :video_id AND comments.parent_id = visible.id AND {STANDING}"
    ") SELECT count(*) FROM visible"
)

_RECORDS = (
    f"SELECT {COMMENTS.select()},"
    " (SELECT count(*) FROM comment_likes"
    "  WHERE comment_likes.comment_id = comments.comment_id AND liked = 1),"
    f" (SELECT count(*) FROM comments AS reply {BY_PARENT} WHERE reply.video_id = comments.video_id"
    "  AND reply.parent_id = comments.comment_id AND reply.removed = 0"
    "  AND NOT EXISTS (SELECT 1 FROM comment_removals AS gone"
    "   WHERE gone.video_id = reply.video_id AND gone.comment_id = reply.comment_id))"
    " FROM comments"
)


class SqliteCommentFacts:
    """Fills `actors.ports.facts.CommentFacts`."""

    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, video_id: int, parent_id: int | None, *, before: int | None, limit: int
    ) -> Sequence[CommentRecord]:
        """Visible comments of one level, newest id first."""

        def effect(connection: sqlite3.Connection) -> list[CommentRecord]:
            if parent_id is not None and not is_visible(connection, video_id, parent_id):
                return []
            return _records(
                connection,
                f"{BY_PARENT} WHERE video_id = ? AND parent_id IS ? AND comment_id < ?"
                f" AND {STANDING}"
                " ORDER BY comment_id DESC LIMIT ?",
                (video_id, parent_id, NEWEST if before is None else before, limit),
            )

        return await self._database.read(effect)

    async def comment(self, video_id: int, comment_id: int) -> CommentRecord | None:
        """One visible comment."""

        def effect(connection: sqlite3.Connection) -> CommentRecord | None:
            if not is_visible(connection, video_id, comment_id):
                return None
            return _records(
                connection, "WHERE video_id = ? AND comment_id = ?", (video_id, comment_id)
            )[0]

        return await self._database.read(effect)

    def __repr__(self) -> str:
        return f"<SqliteCommentFacts on {self._database!r}>"


def is_visible(connection: sqlite3.Connection, video_id: int, comment_id: int) -> bool:
    """Whether anybody may see a comment: it and everything that it answers still stands."""
    seen: set[int] = set()
    asked: int | None = comment_id
    while asked is not None:
        row = connection.execute(
            f"SELECT parent_id FROM comments WHERE video_id = ? AND comment_id = ? AND {STANDING}",
            (video_id, asked),
        ).fetchone()
        if row is None or asked in seen:
            return False
        seen.add(asked)
        asked = row[0]
    return True


def _records(
    connection: sqlite3.Connection, rest: str, parameters: Sequence[object]
) -> list[CommentRecord]:
    return [
        CommentRecord(comment=COMMENTS.row(values), likes=likes, replies=replies)
        for *values, likes, replies in connection.execute(f"{_RECORDS} {rest}", parameters)
    ]
