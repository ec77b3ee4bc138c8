"""`JobProgress`: how far running jobs are, whispered to every node a few times a second per job.

Nothing of it is kept: a report that is lost is replaced by the next. What arrives while the reporter is busy
replaces what waits for it, so one report per job waits at most.
"""

from collections.abc import Hashable
from contextlib import suppress

from nats.aio.msg import Msg

from actors.ports.clock import Clock
from actors.ports.jobs import JobReport, Reporter
from sharding.codec import Codec, UnknownMessage
from sharding.errors import KinoraError
from storage.nats.chores import Chores
from storage.nats.connection import Connection
from storage.nats.settings import NatsSettings

_REPORTS: Codec[JobReport] = Codec(JobReport)


class JobProgress:
    """Both ends of the whisper."""

    def __init__(
        self,
        connection: Connection,
        subject: str,
        chores: Chores,
        clock: Clock,
        settings: NatsSettings,
    ) -> None:
        self._connection = connection
        self._subject = subject
        self._chores = chores
        self._clock = clock
        self._settings = settings
        self._reporter: Reporter | None = None
        self._shown_at: dict[Hashable, float] = {}
        self._waiting: dict[Hashable, JobReport] = {}
        self._telling = False

    def tell(self, reporter: Reporter) -> None:
        """Call `reporter` with every report that arrives."""
        if self._reporter is None:
            self._chores.begin(self._connection.hear(self._subject, self._heard), name="progress")
        self._reporter = reporter

    def show(self, report: JobReport) -> None:
        """Tell every node, unless they were told of this job just now."""
        key = (report.video_id, report.generation)
        now = self._clock.monotonic()
        last = self._shown_at.get(key)
        if last is not None and now - last < self._settings.job_progress_every_s:
            return
        if len(self._shown_at) >= self._settings.job_max_remembered:
            self._shown_at.clear()
        self._shown_at[key] = now
        self._chores.begin(self._send(report), name="progress")

    def forget(self, video_id: int, generation: int) -> None:
        """Progress of this job says nothing any more."""
        self._shown_at.pop((video_id, generation), None)

    async def _send(self, report: JobReport) -> None:
        with suppress(KinoraError):
            await self._connection.send(self._subject, _REPORTS.encode(report))

    def _heard(self, message: Msg) -> None:
        try:
            report = _REPORTS.decode(message.data)
        except UnknownMessage:
            return
        if len(self._waiting) < self._settings.job_max_remembered:
            self._waiting[report.video_id, report.generation] = report
        if not self._telling:
            self._telling = True
            self._chores.begin(self._tell_waiting(), name="progress")

    async def _tell_waiting(self) -> None:
        try:
            while self._waiting and self._reporter is not None:
                report = self._waiting.pop(next(iter(self._waiting)))
                # A report that cannot be borne is as good as one that was lost.
                with suppress(Exception):
                    await self._reporter(report)
        finally:
            self._telling = False
