"""`SqliteDeedFacts`: what a user did, and what others did that they were told of."""

import heapq
import sqlite3
from collections.abc import Sequence
from operator import attrgetter

from actors.rows import ActivityKind, CommentRow, JournalRow, LikeRow, NotificationRow
from storage.embedded.database import Database
from storage.embedded.fact_tables import COMMENTS, JOURNAL, LIKES, NEWEST, NOTIFICATIONS, marks
from storage.embedded.facts_comments import STANDING, is_visible


class SqliteDeedFacts:
    """Fills `actors.ports.facts.DeedFacts`."""

    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def likes(
        self, user_id: int, *, before: tuple[int, int] | None, limit: int
    ) -> Sequence[LikeRow]:
        """A user's likes, newest `(at_ms, video_id)` first."""
        at_ms, video_id = before or (NEWEST, NEWEST)
        return await self._database.read(
            lambda connection: LIKES.find(
                connection,
                "WHERE user_id = ? AND liked = 1 AND (at_ms, video_id) < (?, ?)"
                " ORDER BY at_ms DESC, video_id DESC LIMIT ?",
                (user_id, at_ms, video_id, limit),
            )
        )

    async def liked_among(self, user_id: int, video_ids: Sequence[int]) -> Sequence[int]:
        """Those of `video_ids` that a user likes."""
        return await self._ids(
            "SELECT video_id FROM likes WHERE user_id = ? AND liked = 1"
            f" AND video_id IN ({marks(video_ids)})",
            (user_id, *video_ids),
        )

    async def liked_comments_among(self, user_id: int, comment_ids: Sequence[int]) -> Sequence[int]:
        """Those of `comment_ids` that a user likes."""
        return await self._ids(
            "SELECT comment_id FROM comment_likes WHERE user_id = ? AND liked = 1"
            f" AND comment_id IN ({marks(comment_ids)})",
            (user_id, *comment_ids),
        )

    async def not_interested(self, user_id: int, limit: int) -> Sequence[int]:
        """The videos that a user did not want to see, newest id first."""
        return await self._ids(
            "SELECT video_id FROM not_interested WHERE user_id = ? ORDER BY video_id DESC LIMIT ?",
            (user_id, limit),
        )

    async def activity(
        self, user_id: int, kinds: Sequence[ActivityKind], *, before: int | None, limit: int
    ) -> Sequence[JournalRow]:
        """A user's journal, newest entry first; one bounded search for each kind."""
        start = NEWEST if before is None else before

        def effect(connection: sqlite3.Connection) -> list[JournalRow]:
            newest = "entry_id < ? ORDER BY entry_id DESC LIMIT ?"
            if not kinds:
                return JOURNAL.find(
                    connection, f"WHERE user_id = ? AND {newest}", (user_id, start, limit)
                )
            found: list[JournalRow] = []
            for kind in set(kinds):
                found += JOURNAL.find(
                    connection,
                    f"WHERE user_id = ? AND kind = ? AND {newest}",
                    (user_id, kind, start, limit),
                )
            return heapq.nlargest(limit, found, key=attrgetter("entry_id"))

        return await self._database.read(effect)

    async def notifications(
        self, user_id: int, *, before: int | None, limit: int
    ) -> Sequence[NotificationRow]:
        """A user's notifications, highest `seq` first."""
        return await self._database.read(
            lambda connection: NOTIFICATIONS.find(
                connection,
                "WHERE user_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?",
                (user_id, NEWEST if before is None else before, limit),
            )
        )

    async def notification(self, user_id: int, group: str) -> NotificationRow | None:
        """One group of a user's notifications."""
        found = await self._database.read(
            lambda connection: NOTIFICATIONS.find(
                connection, 'WHERE user_id = ? AND "group" = ?', (user_id, group)
            )
        )
        return found[0] if found else None

    async def comments_of(self, user_id: int, limit: int) -> Sequence[CommentRow]:
        """A user's own visible comments."""

        def effect(connection: sqlite3.Connection) -> list[CommentRow]:
            visible: list[CommentRow] = []
            # Fetched one by one: how many lie in removed threads is known only from looking.
            for values in connection.execute(
                f"SELECT {COMMENTS.select()} FROM comments WHERE user_id = ? AND {STANDING}",
                (user_id,),
            ):
                if len(visible) == limit:
                    break
                row = COMMENTS.row(values)
                if row.parent_id is None or is_visible(connection, row.video_id, row.parent_id):
                    visible.append(row)
            return visible

        return await self._database.read(effect)

    async def _ids(self, query: str, parameters: Sequence[object]) -> list[int]:
        def effect(connection: sqlite3.Connection) -> list[int]:
            return [found for (found,) in connection.execute(query, parameters)]

        return await self._database.read(effect)

    def __repr__(self) -> str:
        return f"<SqliteDeedFacts on {self._database!r}>"
