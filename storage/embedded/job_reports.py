"""`JobReports`: tells the domain what became of its jobs.

Outcomes are read from the table and forgotten there when the reporter returns, so they are told at least
once, also after a restart. Progress is only kept in memory, at most one value a job, and may be skipped.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec

from actors.media import EncodedMedia, MediaFailure
from actors.ports.clock import Clock
from actors.ports.jobs import JobReport, Reporter
from sharding.codec import Codec
from sharding.errors import KinoraError
from storage.embedded.database import Database

#: Jobs whose last progress is remembered; beyond, memory of it is dropped, which only costs a report.
MAX_REMEMBERED = 1024

_Key = tuple[int, int]


OUTCOMES: Codec[EncodedMedia | MediaFailure] = Codec(EncodedMedia | MediaFailure)


class ReportSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How often the domain hears of jobs."""

    #: Least time between two reports of one job's progress, in seconds.
    progress_every_s: float = 0.25
    #: Pause after a reporter failed, and the longest between two rounds, in seconds.
    round_s: float = 1.0
    #: Outcomes that are read at a time.
    bite: int = 64


class JobReports:
    """Reports of one desk."""

    def __init__(self, database: Database, clock: Clock, settings: ReportSettings) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings
        self._reporter: Reporter | None = None
        self._news = asyncio.Event()
        self._progress: dict[_Key, JobReport] = {}
        self._progress_at: dict[_Key, float] = {}

    def report_to(self, reporter: Reporter) -> None:
        """Tell `reporter` from now on."""
        self._reporter = reporter
        self._news.set()

    def outcome_stored(self) -> None:
        """There may be an outcome to report."""
        self._news.set()

    def progressed(self, report: JobReport) -> None:
        """Report this soon, unless the same job's progress was reported just now."""
        key = (report.video_id, report.generation)
        now = self._clock.monotonic()
        last = self._progress_at.get(key)
        if last is not None and now - last < self._settings.progress_every_s:
            return
        if len(self._progress_at) >= MAX_REMEMBERED:
            self._progress_at.clear()
            self._progress.clear()
        self._progress_at[key] = now
        self._progress[key] = report
        self._news.set()

    def forget_progress(self, video_id: int, generation: int) -> None:
        """Progress of this job says nothing any more."""
        self._progress.pop((video_id, generation), None)
        self._progress_at.pop((video_id, generation), None)

    async def report(self) -> bool:
        """Tell all that is to be told now; False when some of it must be told again.

        Raises:
            StorageUnavailable: outcomes cannot be read or ticked off.
        """
        self._news.clear()
        reporter = self._reporter
        if reporter is None:
            return True
        while self._progress:
            progress = self._progress.pop(next(iter(self._progress)))
            with suppress(Exception):
                await reporter(progress)
        after, complete = 0, True
        while bite := await self._outcomes(after):
            for place, outcome in bite:
                after = place
                try:
                    await reporter(outcome)
                except Exception:
                    complete = False
                else:
                    await self._tick_off(place)
        return complete

    async def run(self, before_each_round: Callable[[], Awaitable[None]]) -> None:
        """Report until cancelled, a round at every news and at least one each `round_s`."""
        while True:
            try:
                await before_each_round()
                complete = await self.report()
            except KinoraError:
                complete = False
            if not complete:
                await self._clock.sleep(self._settings.round_s)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.round_s):
                    await self._news.wait()

    async def _outcomes(self, after: int) -> list[tuple[int, JobReport]]:
        def effect(connection: sqlite3.Connection) -> list[tuple[int, JobReport]]:
            rows = connection.execute(
                "SELECT place, video_id, author_id, generation, progress, outcome FROM jobs"
                " WHERE state = 'ended' AND place > ? ORDER BY place LIMIT ?",
                (after, self._settings.bite),
            )
            return [
                (
                    place,
                    JobReport(
                        video_id=video_id,
                        author_id=author_id,
                        generation=generation,
                        outcome=OUTCOMES.decode(outcome),
                        progress=progress,
                    ),
                )
                for place, video_id, author_id, generation, progress, outcome in rows
            ]

        return await self._database.read(effect)

    async def _tick_off(self, place: int) -> None:
        # The key stays: it is how a repeated submission is recognised.
        await self._database.write(
            lambda connection: (
                connection.execute(
                    "UPDATE jobs SET state = 'reported', job = NULL, outcome = NULL WHERE place = ?",
                    (place,),
                ).rowcount
            )
        )

    def __repr__(self) -> str:
        return f"<JobReports to {self._reporter!r} progress={len(self._progress)}>"
