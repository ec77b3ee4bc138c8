"""`SqliteJobs`: the desk where jobs are handed in, and the queue that media workers take them from.

One durable row for each (video, generation). A claim is a lease: its worker's heartbeats prolong it, and a
job whose lease ran out is due again, up to `max_attempts`; then it ends as a failure that says why. A newer
generation, or a withdrawal, makes the older ones of a video unwanted: their claims are lost. What remains
of a reported job is its key, so that an errand repeated by an outbox is still recognised.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import msgspec

from actors.media import TIMED_OUT, Claim, EncodedMedia, MediaFailure, MediaJob
from actors.ports.clock import Clock
from actors.ports.jobs import JobReport, Reporter
from actors.tasks import TaskSet
from sharding.codec import Codec
from storage.embedded.database import Database
from storage.embedded.job_reports import OUTCOMES, JobReports, ReportSettings

_JOBS: Codec[MediaJob] = Codec(MediaJob)

#: The row of a claim, as long as the claim is alive.
_HELD = "video_id = ? AND generation = ? AND claims = ? AND state = 'running'"


class JobSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Leases, attempts and reports."""

    #: How long a claim lives without a heartbeat, in milliseconds.
    lease_ms: int = 30_000
    #: Claims that a job may use up.
    max_attempts: int = 3
    #: Pause before the second attempt after a curable failure, in milliseconds; doubles with each.
    retry_first_ms: int = 2_000
    reports: ReportSettings = ReportSettings()


class JobStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """How many jobs are in which state now."""

    waiting: int
    running: int
    #: Ended, but the reporter has not returned yet.
    unreported: int


class SqliteJobs:
    """Fills `actors.ports.jobs.JobDesk` for the domain and `media.ports.JobQueue` for workers."""

    def __init__(
        self, database: Database, clock: Clock, settings: JobSettings | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._settings = settings or JobSettings()
        self._due = asyncio.Event()
        self.reports = JobReports(database, clock, self._settings.reports)

    async def submit(self, job: MediaJob) -> None:
        """Have `job` done, unless it was submitted before, or a newer generation was."""

        def effect(connection: sqlite3.Connection) -> None:
            (newest,) = connection.execute(
                "SELECT max(generation) FROM jobs WHERE video_id = ?", (job.video_id,)
            ).fetchone()
            if newest is not None and newest >= job.generation:
                return
            _withdraw(connection, job.video_id)
            connection.execute(
                "INSERT INTO jobs (video_id, generation, author_id, state, job)"
                " VALUES (?, ?, ?, 'waiting', ?)",
                (job.video_id, job.generation, job.author_id, _JOBS.encode(job)),
            )

        await self._database.write(effect)
        self._due.set()

    async def withdraw(self, video_id: int) -> None:
        """End the jobs of this video that have not ended; nobody is told. Repeatable."""
        await self._database.write(lambda connection: _withdraw(connection, video_id))

    def report_to(self, reporter: Reporter) -> None:
        """Call `reporter` with every report; with an outcome, again until it returns."""
        self.reports.report_to(reporter)

    async def claim(self, worker: str) -> Claim | None:
        """Take the job that is due longest; None when none is."""
        # Before the look: a job that is handed in meanwhile must wake the next `wait`.
        self._due.clear()
        now_ms = self._clock.unix_ms()

        def effect(connection: sqlite3.Connection) -> tuple[Claim, float] | None:
            self._lapse(connection, now_ms)
            row = connection.execute(
                "SELECT place, job, attempt, claims, progress FROM jobs"
                " WHERE state = 'waiting' AND not_before_ms <= ? ORDER BY place LIMIT 1",
                (now_ms,),
            ).fetchone()
            if row is None:
                return None
            place, encoded, attempt, claims, progress = row
            connection.execute(
                "UPDATE jobs SET state = 'running', attempt = ?, claims = ?, worker = ?,"
                " lease_until_ms = ? WHERE place = ?",
                (attempt + 1, claims + 1, worker, now_ms + self._settings.lease_ms, place),
            )
            job = _JOBS.decode(encoded)
            return Claim(job=job, attempt=attempt + 1, token=str(claims + 1)), progress

        found = await self._database.write(effect)
        if found is None:
            return None
        claim, progress = found
        self._progressed(claim, progress)
        return claim

    async def heartbeat(self, claim: Claim, progress: float) -> bool:
        """Prolong the lease and note the progress; False when the claim is lost."""
        lease_until_ms = self._clock.unix_ms() + self._settings.lease_ms

        def effect(connection: sqlite3.Connection) -> float | None:
            connection.execute(
                "UPDATE jobs SET lease_until_ms = ?, progress = max(progress, min(?, 1.0))"
                f" WHERE {_HELD}",
                (lease_until_ms, progress, *_key(claim)),
            )
            row = connection.execute(
                f"SELECT progress FROM jobs WHERE {_HELD}", _key(claim)
            ).fetchone()
            return row[0] if row else None

        highest = await self._database.write(effect)
        if highest is None:
            return False
        self._progressed(claim, highest)
        return True

    async def finish(self, claim: Claim, outcome: EncodedMedia | MediaFailure) -> None:
        """End the attempt; with a curable failure, end the job only when its attempts are used up."""
        stored = OUTCOMES.encode(outcome)
        curable = isinstance(outcome, MediaFailure) and outcome.curable
        again = curable and claim.attempt < self._settings.max_attempts
        pause_ms = self._settings.retry_first_ms << (claim.attempt - 1)
        not_before_ms = self._clock.unix_ms() + pause_ms
        await self._database.write(
            lambda connection: (
                connection.execute(
                    f"UPDATE jobs SET state = ?, not_before_ms = ?, outcome = ? WHERE {_HELD}",
                    ("waiting" if again else "ended", not_before_ms, stored, *_key(claim)),
                ).rowcount
            )
        )
        if not again:
            self.reports.forget_progress(claim.job.video_id, claim.job.generation)
            self.reports.outcome_stored()
        self._due.set()

    async def give_back(self, claim: Claim) -> None:
        """End the claim as if it had not been made."""
        await self._database.write(
            lambda connection: (
                connection.execute(
                    f"UPDATE jobs SET state = 'waiting', attempt = attempt - 1 WHERE {_HELD}",
                    _key(claim),
                ).rowcount
            )
        )
        self._due.set()

    async def wait(self, timeout_s: float) -> None:
        """Return when a job may be due, after `timeout_s` at the latest."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._due.wait()

    async def end_claims(self) -> None:
        """Let every claim lapse now: at a start, all workers died with the process before."""

        def effect(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE jobs SET lease_until_ms = 0 WHERE state = 'running'")
            self._lapse(connection, self._clock.unix_ms())

        await self._database.write(effect)
        self._due.set()

    async def end_lapsed(self) -> None:
        """See to claims whose lease is over, though no worker asks for a job."""
        now_ms = self._clock.unix_ms()
        # Looked for by reading first: this is done every second, and a write is an fsync.
        lapsed = await self._database.read(
            lambda connection: connection.execute(
                "SELECT 1 FROM jobs WHERE state = 'running' AND lease_until_ms <= ?", (now_ms,)
            ).fetchone()
        )
        if lapsed:
            await self._database.write(lambda connection: self._lapse(connection, now_ms))
            self._due.set()

    async def statistics(self) -> JobStatistics:
        """Counts as of now."""

        def effect(connection: sqlite3.Connection) -> JobStatistics:
            waiting, running, unreported = (
                connection.execute(
                    "SELECT count(*) FROM jobs WHERE state = ?", (state,)
                ).fetchone()[0]
                for state in ("waiting", "running", "ended")
            )
            return JobStatistics(waiting=waiting, running=running, unreported=unreported)

        return await self._database.read(effect)

    def _lapse(self, connection: sqlite3.Connection, now_ms: int) -> None:
        over = "state = 'running' AND lease_until_ms <= ?"
        connection.execute(
            f"UPDATE jobs SET state = 'ended', outcome = ? WHERE {over} AND attempt >= ?",
            (OUTCOMES.encode(TIMED_OUT), now_ms, self._settings.max_attempts),
        )
        connection.execute(f"UPDATE jobs SET state = 'waiting' WHERE {over}", (now_ms,))

    def _progressed(self, claim: Claim, progress: float) -> None:
        self.reports.progressed(
            JobReport(
                video_id=claim.job.video_id,
                author_id=claim.job.author_id,
                generation=claim.job.generation,
                outcome=None,
                progress=progress,
            )
        )

    def __repr__(self) -> str:
        return f"<SqliteJobs {self.reports!r}>"


@asynccontextmanager
async def open_jobs(
    database: Database, clock: Clock, tasks: TaskSet, settings: JobSettings | None = None
) -> AsyncIterator[SqliteJobs]:
    """The jobs in `database`, with claims of a former process ended, reporting until the block ends.

    Raises:
        StorageUnavailable: the database does not answer.
    """
    jobs = SqliteJobs(database, clock, settings)
    await jobs.end_claims()
    reporting = tasks.spawn(jobs.reports.run(jobs.end_lapsed), name="job reports")
    try:
        yield jobs
    finally:
        reporting.cancel()
        with suppress(asyncio.CancelledError):
            await reporting


def _key(claim: Claim) -> tuple[int, int, int]:
    return claim.job.video_id, claim.job.generation, int(claim.token)


def _withdraw(connection: sqlite3.Connection, video_id: int) -> None:
    connection.execute(
        "UPDATE jobs SET state = 'withdrawn', job = NULL, outcome = NULL"
        " WHERE video_id = ? AND state IN ('waiting', 'running', 'ended')",
        (video_id,),
    )
