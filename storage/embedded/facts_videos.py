"""`SqliteVideoFacts`: videos, whoever looks."""

import heapq
import sqlite3
from collections.abc import Sequence
from typing import Any

from actors.records import Publication, VideoRecord, VideoTally
from actors.rows import CountsRow
from storage.embedded.database import Database
from storage.embedded.fact_tables import COUNTS, NEWEST, VIDEO_MEDIA, VIDEOS, marks
from storage.embedded.facts_comments import VISIBLE_BY_VIDEO

_VIDEO_END = len(VIDEOS.columns)
_MEDIA_END = _VIDEO_END + len(VIDEO_MEDIA.columns)
_RECORDS = (
    f"SELECT {VIDEOS.select()}, {VIDEO_MEDIA.select()}, {COUNTS.select()} FROM videos"
    " LEFT JOIN video_media ON video_media.video_id = videos.video_id"
    " LEFT JOIN counts ON counts.entity_id = videos.video_id"
)
_PUBLICATIONS = (
    "SELECT published_ms, video_id, video_media.author_id"
    " FROM video_media JOIN videos USING (video_id)"
    " WHERE status = 'ready' AND removed = 0"
)


class SqliteVideoFacts:
    """Fills `actors.ports.facts.VideoFacts`."""

    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def videos(self, video_ids: Sequence[int]) -> Sequence[VideoRecord]:
        """Videos of any status; counts are zero where none were written."""
        return await self._records(f"WHERE videos.video_id IN ({marks(video_ids)})", video_ids)

    async def by_authors(
        self, author_ids: Sequence[int], *, before: tuple[int, int] | None, limit: int
    ) -> Sequence[Publication]:
        """Playable videos of these authors: `limit` of each are looked at, whatever else they have."""
        cursor = before or (NEWEST, NEWEST)

        def effect(connection: sqlite3.Connection) -> list[Publication]:
            found: list[Publication] = []
            for author_id in author_ids:
                rows = connection.execute(
                    f"{_PUBLICATIONS} AND video_media.author_id = ?"
                    " AND (published_ms, video_id) < (?, ?)"
                    " ORDER BY published_ms DESC, video_id DESC LIMIT ?",
                    (author_id, *cursor, limit),
                )
                found.extend(Publication(*row) for row in rows)
            return heapq.nlargest(limit, found)

        return await self._database.read(effect)

    async def recent(
        self, limit: int, *, before: tuple[int, int] | None = None
    ) -> Sequence[Publication]:
        """The playable videos that were published last."""
        published_ms, video_id = before or (NEWEST, NEWEST)

        def effect(connection: sqlite3.Connection) -> list[Publication]:
            rows = connection.execute(
                f"{_PUBLICATIONS} AND (published_ms, video_id) < (?, ?)"
                " ORDER BY published_ms DESC, video_id DESC LIMIT ?",
                (published_ms, video_id, limit),
            )
            return [Publication(*row) for row in rows]

        return await self._database.read(effect)

    async def unfinished(
        self, author_id: int, *, before: int | None, limit: int
    ) -> Sequence[VideoRecord]:
        """An author's videos that neither play nor were removed; status `deleted` counts as removed."""
        return await self._records(
            "WHERE videos.author_id = ? AND removed = 0 AND videos.video_id < ?"
            " AND coalesce(status, '') NOT IN ('ready', 'deleted')"
            " ORDER BY videos.video_id DESC LIMIT ?",
            (author_id, NEWEST if before is None else before, limit),
        )

    async def uploads_since(self, author_id: int, since_ms: int) -> int:
        """How many uploads an author opened since then."""

        def effect(connection: sqlite3.Connection) -> int:
            (count,) = connection.execute(
                "SELECT count(*) FROM videos WHERE author_id = ? AND created_ms >= ?",
                (author_id, since_ms),
            ).fetchone()
            return int(count)

        return await self._database.read(effect)

    async def tally(self, video_id: int) -> VideoTally:
        """Count the facts about a video; comments by the rule of `facts_comments`."""

        def effect(connection: sqlite3.Connection) -> VideoTally:
            likes, shares, comments = connection.execute(
                "SELECT (SELECT count(*) FROM likes WHERE video_id = :video_id AND liked = 1),"
                f" (SELECT count(*) FROM shares WHERE video_id = :video_id), ({VISIBLE_BY_VIDEO})",
                {"video_id": video_id},
            ).fetchone()
            return VideoTally(likes=likes, comments=comments, shares=shares)

        return await self._database.read(effect)

    async def every_video(self, after: int, limit: int) -> Sequence[VideoRecord]:
        """All videos with an id above `after`."""
        return await self._records(
            "WHERE videos.video_id > ? ORDER BY videos.video_id LIMIT ?", (after, limit)
        )

    async def _records(self, rest: str, parameters: Sequence[object]) -> list[VideoRecord]:
        return await self._database.read(
            lambda connection: [
                _record(values) for values in connection.execute(f"{_RECORDS} {rest}", parameters)
            ]
        )

    def __repr__(self) -> str:
        return f"<SqliteVideoFacts on {self._database!r}>"


def _record(values: Sequence[Any]) -> VideoRecord:
    video = VIDEOS.row(values[:_VIDEO_END])
    media = values[_VIDEO_END:_MEDIA_END]
    counts = values[_MEDIA_END:]
    return VideoRecord(
        video=video,
        media=None if media[0] is None else VIDEO_MEDIA.row(media),
        counts=CountsRow(entity_id=video.video_id) if counts[0] is None else COUNTS.row(counts),
    )
