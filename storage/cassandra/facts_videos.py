"""`CassandraVideoFacts`: videos, whoever looks.

What an actor decides by is read at LOCAL_QUORUM, and so are an author's lists, by which an account is closed;
what everybody is shown comes from the nearest replica. Lists by time are compared with `videos`, where both halves
of a video lie in one row, each under its own writer's timestamps.
"""

import heapq
from collections.abc import Sequence
from typing import Any

from actors.records import Publication, VideoRecord, VideoTally
from actors.rows import CountsRow
from sharding.ids import minted_at_ms
from storage.cassandra.buckets import DAY_MS, FAN, chunks, day_of, day_of_ms, distinct
from storage.cassandra.comment_trees import visible_comments
from storage.cassandra.facts_people import LIKES
from storage.cassandra.reading import (
    BUCKETS_AHEAD,
    NEWEST,
    as_marks,
    buckets_down,
    counts_of,
    found_by_day,
    pages,
)
from storage.cassandra.session import Cassandra
from storage.cassandra.statements import Call, Level, Statement
from storage.cassandra.tables import MEDIA, VIDEOS

_FANS = as_marks(range(FAN))
_RECORDS = f"SELECT {VIDEOS.select}, {MEDIA.select} FROM videos WHERE video_id"
_RECORD = Statement(Level.FRESH, f"{_RECORDS} = ?")
_SEVERAL = Statement(Level.FRESH, f"{_RECORDS} IN ?")
_STATES = (
    "SELECT video_id, author_id, published_ms, status, removed FROM videos WHERE video_id IN ?"
)
_STATES_FRESH = Statement(Level.FRESH, _STATES)
_STATES_NEAR = Statement(Level.NEAR, _STATES)
_BY_AUTHORS = Statement(
    Level.FRESH,
    "SELECT published_ms, video_id, author_id FROM publications_by_author WHERE author_id IN ?"
    " AND (published_ms, video_id) < (?, ?)"
    " ORDER BY published_ms DESC, video_id DESC LIMIT ?",
)
_OF_DAY = Statement(
    Level.NEAR,
    "SELECT published_ms, video_id, author_id FROM publications"
    f" WHERE day = ? AND fan IN ({_FANS}) AND (published_ms, video_id) < (?, ?)"
    " ORDER BY published_ms DESC, video_id DESC LIMIT ?",
)
_AUTHORED = Statement(
    Level.FRESH,
    "SELECT video_id, created_ms, removed, status FROM videos_by_author"
    " WHERE author_id = ? AND video_id < ? LIMIT ?",
)
_EVERY = Statement(
    Level.NEAR,
    f"SELECT video_id FROM videos_by_day WHERE day = ? AND fan IN ({_FANS}) AND video_id > ?"
    " ORDER BY video_id LIMIT ?",
)
_SHARES = Statement(
    Level.COUNT, f"SELECT count(*) FROM shares WHERE video_id = ? AND fan IN ({_FANS})"
)

_Key = tuple[int, int, int]
_VIDEO_END = len(VIDEOS.columns)


class CassandraVideoFacts:
    """Fills `actors.ports.facts.VideoFacts`."""

    __slots__ = ("_cassandra", "_page")

    def __init__(self, cassandra: Cassandra) -> None:
        self._cassandra = cassandra
        self._page = cassandra.settings.page_rows

    async def videos(self, video_ids: Sequence[int]) -> Sequence[VideoRecord]:
        """Videos of any status; counts are zero where none were written."""
        ids = distinct(video_ids, len(video_ids))
        if len(ids) == 1:
            # One id by itself goes straight to a replica of it.
            found = [await self._cassandra.rows(_RECORD, ids[0])]
        else:
            pieces = chunks(ids, self._cassandra.settings.ids_per_statement)
            found = await self._cassandra.all(Call(_SEVERAL, (piece,)) for piece in pieces)
        records = [values for rows in found for values in rows if _is_video(values)]
        counts = await counts_of(self._cassandra, [values[0] for values in records])
        return [_record(values, counts.get(values[0])) for values in records]

    async def by_authors(
        self, author_ids: Sequence[int], *, before: tuple[int, int] | None, limit: int
    ) -> Sequence[Publication]:
        """Playable videos of these authors; several authors are merged by the server."""
        authors = distinct(author_ids, len(author_ids))
        pieces = list(chunks(authors, self._cassandra.settings.ids_per_statement))

        async def page(cursor: _Key, size: int) -> list[_Key]:
            found = await self._cassandra.all(
                Call(_BY_AUTHORS, (piece, *cursor[:2], size)) for piece in pieces
            )
            return heapq.nlargest(size, (each for rows in found for each in rows))

        async def holding(listed: list[_Key]) -> list[_Key]:
            return await self._playing(_STATES_FRESH, listed)

        cursor = (*(before or NEWEST), 0)
        found = await pages(page, holding, cursor, limit, self._page)
        return [Publication(*each) for each in found]

    async def recent(
        self, limit: int, *, before: tuple[int, int] | None = None
    ) -> Sequence[Publication]:
        """The playable videos that were published last: backwards over days on which any were."""
        found: list[_Key] = []
        cursor: _Key = (*(before or NEWEST), 0)
        newest = self._cassandra.clock.unix_ms() + DAY_MS
        start = day_of_ms(min(cursor[0], newest))

        async def holding(listed: list[_Key]) -> list[_Key]:
            return await self._playing(_STATES_NEAR, listed)

        while len(found) < limit:
            days = await buckets_down(self._cassandra, "publications", 0, start)
            for day in days:

                async def page(cursor: _Key, size: int, day: int = day) -> list[_Key]:
                    return await self._cassandra.rows(_OF_DAY, day, *cursor[:2], size)

                found += await pages(page, holding, cursor, limit - len(found), self._page)
                if len(found) >= limit:
                    break
            if len(days) < BUCKETS_AHEAD:
                break
            start = days[-1] - 1
        return [Publication(*each) for each in found]

    async def unfinished(
        self, author_id: int, *, before: int | None, limit: int
    ) -> Sequence[VideoRecord]:
        """An author's videos that neither play nor were removed; status `deleted` counts as removed."""

        async def page(cursor: tuple[Any, ...], size: int) -> list[tuple[Any, ...]]:
            return await self._cassandra.rows(_AUTHORED, author_id, cursor[0], size)

        async def holding(listed: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
            return [each for each in listed if each[2] == 0 and each[3] not in ("ready", "deleted")]

        cursor = (NEWEST[0] if before is None else before,)
        found = await pages(page, holding, cursor, limit, self._page)
        records = await self.videos([each[0] for each in found])
        return sorted(records, key=lambda record: record.video.video_id, reverse=True)

    async def uploads_since(self, author_id: int, since_ms: int) -> int:
        """How many uploads an author opened since then: newest first, until ids are a day older."""
        count = 0
        before = NEWEST[0]
        while True:
            rows = await self._cassandra.rows(_AUTHORED, author_id, before, self._page)
            created = [created_ms for _, created_ms, *_ in rows if created_ms is not None]
            count += len([each for each in created if each >= since_ms])
            if len(rows) < self._page or minted_at_ms(rows[-1][0]) < since_ms - DAY_MS:
                return count
            before = rows[-1][0]

    async def tally(self, video_id: int) -> VideoTally:
        """Count the facts about a video; comments by the rule of `comment_trees`."""
        likes, shares = await self._cassandra.all(
            [Call(LIKES, (video_id,)), Call(_SHARES, (video_id,))]
        )
        return VideoTally(
            likes=likes[0][0] or 0,
            comments=await visible_comments(self._cassandra, video_id),
            shares=shares[0][0],
        )

    async def every_video(self, after: int, limit: int) -> Sequence[VideoRecord]:
        """All videos with an id above `after`."""
        ids = await found_by_day(self._cassandra, "videos", _EVERY, day_of(after), after, limit)
        records = await self.videos([video_id for (video_id,) in ids])
        return sorted(records, key=lambda record: record.video.video_id)

    async def _playing(self, statement: Statement, listed: list[_Key]) -> list[_Key]:
        """Those of `listed` that were published then, play, and were not removed."""
        pieces = chunks([each[1] for each in listed], self._cassandra.settings.ids_per_statement)
        found = await self._cassandra.all(Call(statement, (piece,)) for piece in pieces)
        playing = {
            (published_ms, video_id, author_id)
            for rows in found
            for video_id, author_id, published_ms, status, removed in rows
            if status == "ready" and removed == 0
        }
        return [each for each in listed if each in playing]

    def __repr__(self) -> str:
        return f"<CassandraVideoFacts on {self._cassandra!r}>"


def _is_video(values: Sequence[Any]) -> bool:
    """Whether the author's half is there; the media's may come first."""
    return values[VIDEOS.columns.index("removed")] is not None


def _record(values: Sequence[Any], counts: CountsRow | None) -> VideoRecord:
    media = values[_VIDEO_END:]
    return VideoRecord(
        video=VIDEOS.row(values[:_VIDEO_END]),
        media=None if media[MEDIA.columns.index("status")] is None else MEDIA.row(media),
        counts=counts or CountsRow(entity_id=values[0]),
    )
