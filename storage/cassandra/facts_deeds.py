"""`CassandraDeedFacts`: what a user did, and what others did that they were told of.

All of it is of one user, who may have just done it: LOCAL_QUORUM throughout. Deeds lie by the years of ids, and
a video of any year may be liked today, so the server merges all years of a list by time; the journal is
read backwards from this year to the user's first.
"""

import heapq
from collections.abc import Sequence
from operator import attrgetter
from typing import Any, get_args

from actors.rows import ActivityKind, CommentRow, JournalRow, LikeRow, NotificationRow
from sharding.ids import minted_at_ms
from storage.cassandra.buckets import (
    BLOCK,
    SKEW_MS,
    chunks,
    distinct,
    slice_of,
    year_of,
    year_of_ms,
    years_until,
)
from storage.cassandra.comment_trees import visible
from storage.cassandra.reading import BUCKETS_AHEAD, NEWEST, buckets_down, pages
from storage.cassandra.session import Cassandra, Rows
from storage.cassandra.statements import Call, Level, Statement
from storage.cassandra.tables import COMMENTS_BY_USER, JOURNAL, NOTIFICATION_GROUPS, NOTIFICATIONS

_LIKES_BY_TIME = Statement(
    Level.FRESH,
    "SELECT at_ms, video_id FROM likes_by_time WHERE user_id = ? AND year IN ?"
    " AND (at_ms, video_id) < (?, ?) ORDER BY at_ms DESC, video_id DESC LIMIT ?",
)
_LIKES_NOW = Statement(
    Level.FRESH,
    "SELECT at_ms, video_id, liked FROM likes_by_user"
    " WHERE user_id = ? AND year IN ? AND video_id IN ?",
)
_COMMENT_LIKES_NOW = Statement(
    Level.FRESH,
    "SELECT comment_id, liked FROM comment_likes_by_user"
    " WHERE user_id = ? AND year IN ? AND comment_id IN ?",
)
_UNWANTED = Statement(
    Level.FRESH,
    "SELECT video_id FROM not_interested WHERE user_id = ? AND year IN ?"
    " ORDER BY video_id DESC LIMIT ?",
)
_JOURNAL = Statement(
    Level.FRESH,
    f"SELECT {JOURNAL.select} FROM journal"
    " WHERE user_id = ? AND year = ? AND kind = ? AND entry_id < ? LIMIT ?",
)
_BLOCK = Statement(
    Level.FRESH,
    f'SELECT {NOTIFICATIONS.select} FROM notifications WHERE user_id = ? AND block = ? AND "group" > ?'
    " LIMIT ?",
)
_SEQS = Statement(
    Level.FRESH,
    'SELECT "group", seq FROM notification_groups WHERE user_id = ? AND slice IN ? AND "group" IN ?',
)
_GROUP = Statement(
    Level.FRESH,
    f"SELECT {NOTIFICATION_GROUPS.select} FROM notification_groups"
    ' WHERE user_id = ? AND slice = ? AND "group" = ?',
)
_OWN = Statement(
    Level.FRESH,
    f"SELECT {COMMENTS_BY_USER.select} FROM comments_by_user"
    " WHERE user_id = ? AND year = ? AND (comment_id, video_id) < (?, ?) LIMIT ?",
)


class CassandraDeedFacts:
    """Fills `actors.ports.facts.DeedFacts`."""

    __slots__ = ("_cassandra", "_page")

    def __init__(self, cassandra: Cassandra) -> None:
        self._cassandra = cassandra
        self._page = cassandra.settings.page_rows

    async def likes(
        self, user_id: int, *, before: tuple[int, int] | None, limit: int
    ) -> Sequence[LikeRow]:
        """A user's likes, newest `(at_ms, video_id)` first."""
        years = years_until(self._cassandra.clock.unix_ms())

        async def page(cursor: tuple[int, int], size: int) -> list[tuple[int, int]]:
            found = await self._cassandra.rows(_LIKES_BY_TIME, user_id, years, *cursor, size)
            return [(at_ms, video_id) for at_ms, video_id in found]

        async def holding(listed: list[tuple[int, int]]) -> list[tuple[int, int]]:
            now = await self._likes_now(user_id, [video_id for _, video_id in listed])
            return [each for each in listed if (*each, 1) in now]

        found = await pages(page, holding, before or NEWEST, limit, self._page)
        return [
            LikeRow(user_id=user_id, video_id=video_id, liked=True, at_ms=at_ms)
            for at_ms, video_id in found
        ]

    async def liked_among(self, user_id: int, video_ids: Sequence[int]) -> Sequence[int]:
        """Those of `video_ids` that a user likes."""
        now = await self._likes_now(user_id, video_ids)
        return [video_id for _, video_id, liked in now if liked]

    async def liked_comments_among(self, user_id: int, comment_ids: Sequence[int]) -> Sequence[int]:
        """Those of `comment_ids` that a user likes."""
        now = await self._now(_COMMENT_LIKES_NOW, user_id, comment_ids)
        return [comment_id for comment_id, liked in now if liked]

    async def not_interested(self, user_id: int, limit: int) -> Sequence[int]:
        """The videos that a user did not want to see, newest id first."""
        years = years_until(self._cassandra.clock.unix_ms())
        found = await self._cassandra.rows(_UNWANTED, user_id, years, limit)
        return [video_id for (video_id,) in found]

    async def activity(
        self, user_id: int, kinds: Sequence[ActivityKind], *, before: int | None, limit: int
    ) -> Sequence[JournalRow]:
        """A user's journal, newest entry first; one bounded search for each kind and year."""
        start = NEWEST[0] if before is None else before
        asked = distinct(kinds or get_args(ActivityKind), self._page)
        found: list[JournalRow] = []
        for year in self._years_back(user_id, before):
            rows = await self._cassandra.all(
                Call(_JOURNAL, (user_id, year, kind, start, limit - len(found))) for kind in asked
            )
            entries = [JOURNAL.row(values) for each in rows for values in each]
            found += heapq.nlargest(limit - len(found), entries, key=attrgetter("entry_id"))
            if len(found) >= limit:
                break
        return found

    async def notifications(
        self, user_id: int, *, before: int | None, limit: int
    ) -> Sequence[NotificationRow]:
        """A user's notifications, highest `seq` first: blocks of numbers backwards, each sorted here."""
        start = NEWEST[0] if before is None else before
        block = (start - 1) // BLOCK
        found: list[NotificationRow] = []
        while len(found) < limit:
            blocks = await buckets_down(self._cassandra, "notifications", user_id, block)
            for block in blocks:
                rows = await self._block(user_id, block)
                listed = [row for row in rows if row.seq < start]
                seqs = await self._seqs(user_id, [row.group for row in listed])
                # A group that has grown since stands further up, under its newer number.
                holding = [row for row in listed if seqs.get(row.group) == row.seq]
                found += heapq.nlargest(limit - len(found), holding, key=attrgetter("seq"))
                if len(found) >= limit:
                    break
            if len(blocks) < BUCKETS_AHEAD:
                break
            block = blocks[-1] - 1
        return found

    async def notification(self, user_id: int, group: str) -> NotificationRow | None:
        """One group of a user's notifications."""
        values = await self._cassandra.first(_GROUP, user_id, slice_of(group), group)
        return None if values is None else NOTIFICATION_GROUPS.row(values)

    async def comments_of(self, user_id: int, limit: int) -> Sequence[CommentRow]:
        """A user's own visible comments."""

        async def holding(listed: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
            seen: set[tuple[int, int]] = set()
            for video_id in {each[0] for each in listed}:
                ids = [each[1] for each in listed if each[0] == video_id]
                shown = await visible(self._cassandra, video_id, ids)
                seen.update((video_id, each) for each in shown)
            return [each for each in listed if each[:2] in seen]

        found: list[tuple[Any, ...]] = []
        for year in self._years_back(user_id, None):

            async def page(
                cursor: tuple[Any, ...], size: int, year: int = year
            ) -> list[tuple[Any, ...]]:
                video_id, comment_id = cursor[:2]
                return await self._cassandra.rows(_OWN, user_id, year, comment_id, video_id, size)

            found += await pages(page, holding, NEWEST, limit - len(found), self._page)
            if len(found) >= limit:
                break
        return [COMMENTS_BY_USER.row(values) for values in found]

    def _years_back(self, user_id: int, before: int | None) -> range:
        """Years of a user's deeds from the newest backwards, until they came."""
        newest = year_of_ms(self._cassandra.clock.unix_ms() + SKEW_MS)
        if before is not None:
            newest = min(newest, year_of(before))
        return range(newest, year_of_ms(minted_at_ms(user_id) - SKEW_MS) - 1, -1)

    async def _likes_now(self, user_id: int, video_ids: Sequence[int]) -> set[tuple[Any, ...]]:
        return set(await self._now(_LIKES_NOW, user_id, video_ids))

    async def _now(self, statement: Statement, user_id: int, ids: Sequence[int]) -> Rows:
        """What a user did to these, each of which lies in the year of its id."""
        found = await self._cassandra.all(
            Call(statement, (user_id, sorted({year_of(each) for each in piece}), piece))
            for piece in chunks(distinct(ids, len(ids)), self._page)
        )
        return [values for rows in found for values in rows]

    async def _block(self, user_id: int, block: int) -> list[NotificationRow]:
        rows: list[NotificationRow] = []
        after = ""
        while True:
            found = await self._cassandra.rows(_BLOCK, user_id, block, after, self._page)
            rows += [NOTIFICATIONS.row(values) for values in found]
            if len(found) < self._page:
                return rows
            after = rows[-1].group

    async def _seqs(self, user_id: int, groups: Sequence[str]) -> dict[str, int]:
        found = await self._cassandra.all(
            Call(_SEQS, (user_id, sorted({slice_of(each) for each in piece}), piece))
            for piece in chunks(groups, self._cassandra.settings.ids_per_statement)
        )
        return {group: seq for rows in found for group, seq in rows}

    def __repr__(self) -> str:
        return f"<CassandraDeedFacts on {self._cassandra!r}>"
