"""`NatsJobs`: the desk where jobs are handed in, and the queue that media workers take them from.

The one truth of a job is its entry, one per video, changed by compare-and-swap (`job_state`). There is no
second one: no message of a work queue that is redelivered while the entry says otherwise. A claim is alive as
long as its entry changes; one that has stood still for a lease is ended by whoever notices, worker or node.

An outcome is stored in the entry first and then handed to the inbox of the video's shard, so it is told by
somebody, whoever dies in between. Progress is a core message to every node, at most a few a second per job.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import msgspec

from actors.media import Claim, EncodedMedia, MediaFailure, MediaJob
from actors.ports.clock import Clock
from actors.ports.jobs import Reporter
from sharding.errors import KinoraError, StorageUnavailable
from sharding.shards import shard_of
from storage.nats.chores import Chores
from storage.nats.dead import DeadLetters
from storage.nats.inbox import Inbox
from storage.nats.job_board import JobBoard, Seen, Step
from storage.nats.job_progress import JobProgress
from storage.nats.job_state import (
    JobState,
    Outcome,
    beaten,
    claimed,
    finished,
    given_back,
    lapsed,
    over,
    submitted,
)
from storage.nats.outgoing import Outgoing
from storage.nats.posts import Reported
from storage.nats.settings import NatsSettings


class JobStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """How many jobs are in which state, as this process knows."""

    waiting: int
    running: int
    #: Ended, but not yet in the inbox of the video's shard.
    unreported: int
    #: Jobs that this process gave up, and changes that another one was faster with.
    given_up: int
    conflicts: int


class NatsJobs:
    """Fills `actors.ports.jobs.JobDesk` for the domain and `media.ports.JobQueue` for workers."""

    def __init__(
        self,
        make_board: Callable[[Callable[[], None]], JobBoard],
        progress: JobProgress,
        outgoing: Outgoing,
        inbox: Inbox,
        dead: DeadLetters,
        chores: Chores,
        clock: Clock,
        settings: NatsSettings,
    ) -> None:
        self._due = asyncio.Event()
        self._board = make_board(self._due.set)
        self._progress = progress
        self._outgoing = outgoing
        self._inbox = inbox
        self._dead = dead
        self._chores = chores
        self._clock = clock
        self._settings = settings
        self._watching = False
        self._given_up = 0

    async def submit(self, job: MediaJob) -> None:
        """Have `job` done, unless it was submitted before, or a newer generation was.

        Raises:
            StorageUnavailable: unknown whether it was taken; repeat.
        """
        await self._board.change(job.video_id, lambda before, _: submitted(before, job))

    async def withdraw(self, video_id: int) -> None:
        """End the job of this video, if it has not ended; nobody is told. Repeatable.

        Raises:
            StorageUnavailable: unknown whether it was ended; repeat.
        """
        await self._board.change(video_id, lambda before, _: over(before))

    def report_to(self, reporter: Reporter) -> None:
        """Call `reporter` with outcomes for the shards that are followed here, and with all progress."""
        self._inbox.reporter = reporter
        self._progress.tell(reporter)
        self._watch()

    async def claim(self, worker: str) -> Claim | None:
        """Take the job that is due longest; None when none is.

        Raises:
            StorageUnavailable: unknown whether one was taken; one that was lapses.
        """
        # Before the look: a job that is handed in meanwhile must wake the next `wait`.
        self._due.clear()
        self._watch()
        await self._board.be_complete()
        await self.end_lapsed()
        for seen in sorted(self._due_now(), key=lambda each: each.place):
            state = await self._board.change(
                seen.state.video_id, lambda before, seq: claimed(before, worker, seq)
            )
            if state is not None and state.job is not None:
                self._progress.show(state.report)
                return Claim(job=state.job, attempt=state.attempt, token=str(state.claims))
        return None

    async def heartbeat(self, claim: Claim, progress: float) -> bool:
        """Prolong the lease and note the progress; False when the claim is lost.

        Raises:
            StorageUnavailable: unknown whether it was prolonged.
        """
        state = await self._board.change(
            claim.job.video_id, lambda before, _: beaten(before, claim, progress)
        )
        if state is None:
            return False
        self._progress.show(state.report)
        return True

    async def finish(self, claim: Claim, outcome: EncodedMedia | MediaFailure) -> None:
        """End the attempt; with a curable failure, end the job only when its attempts are used up.

        Raises:
            StorageUnavailable: unknown whether it was ended; repeat.
        """
        await self._end(
            claim.job.video_id,
            lambda before, _: finished(
                before,
                claim,
                outcome,
                self._settings.job_max_attempts,
                self._settings.job_retry_first_s,
            ),
        )

    async def give_back(self, claim: Claim) -> None:
        """End the claim as if it had not been made.

        Raises:
            StorageUnavailable: unknown whether it was ended; repeat.
        """
        await self._board.change(claim.job.video_id, lambda before, _: given_back(before, claim))

    async def wait(self, timeout_s: float) -> None:
        """Return when a job may be due, after `timeout_s` at the latest."""
        self._watch()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._due.wait()

    async def end_lapsed(self) -> None:
        """End claims whose workers are silent, and tell of outcomes that nobody has told.

        Raises:
            StorageUnavailable: some are left; the next look finds them.
        """
        for seen in self._board.seen():
            if self._board.silent_s(seen) < self._settings.job_lease_s:
                continue
            if seen.state.state == "running":
                await self._end(seen.state.video_id, self._step_of_lapse(seen))
            elif seen.state.state == "ended":
                await self._tell(seen.state)

    async def look(self) -> None:
        """Read everything anew, as what was heard may not be all.

        Raises:
            StorageUnavailable: it cannot be read now.
        """
        if self._watching:
            await self._board.read()

    async def welcome(self) -> None:
        """There is a new connection.

        Raises:
            StorageUnavailable: it does not answer yet.
        """
        await self.look()
        self._due.set()

    async def statistics(self) -> JobStatistics:
        """Counts as of now."""
        states = [seen.state.state for seen in self._board.seen()]
        return JobStatistics(
            waiting=states.count("waiting"),
            running=states.count("running"),
            unreported=states.count("ended"),
            given_up=self._given_up,
            conflicts=self._board.conflicts,
        )

    def _watch(self) -> None:
        """Hold the board from now on: a process that neither works nor is told has no use for it."""
        if self._watching:
            return
        self._watching = True
        self._chores.begin(self._board_opened(), name="jobs")
        self._chores.every(self._settings.job_look_every_s, self.end_lapsed, name="lapsed jobs")

    async def _board_opened(self) -> None:
        await self._board.open()
        # Without a connection the next one brings it.
        with suppress(StorageUnavailable):
            await self._board.read()

    def _due_now(self) -> list[Seen]:
        now = self._clock.monotonic()
        return [
            seen
            for seen in self._board.seen()
            if seen.state.state == "waiting" and seen.since + seen.state.pause_s <= now
        ]

    def _step_of_lapse(self, silent: Seen) -> Step:
        def step(before: JobState | None, seq: int) -> JobState | None:
            # It has given a sign of life meanwhile.
            if seq != silent.seq:
                return None
            return lapsed(before, self._settings.job_max_attempts)

        return step

    async def _end(self, video_id: int, step: Step) -> None:
        after = await self._board.change(video_id, step)
        if after is None or after.state != "ended":
            return
        # It has ended durably: whoever looks after us tells of it if we cannot.
        with suppress(KinoraError):
            await self._tell(after)

    async def _tell(self, ended: JobState) -> None:
        self._progress.forget(ended.video_id, ended.generation)
        await self._outgoing.put({shard_of(ended.video_id): [Reported(ended.report)]})
        if _given_up(ended.outcome):
            await self._dead.bury("job", f"video {ended.video_id}", ended.job, repr(ended.outcome))
            self._given_up += 1
        await self._board.change(
            ended.video_id, lambda before, _: over(before) if before == ended else None
        )

    def __repr__(self) -> str:
        return f"<NatsJobs {self._board!r}>"


def _given_up(outcome: Outcome | None) -> bool:
    """Whether attempts were used up, rather than a verdict reached."""
    return isinstance(outcome, MediaFailure) and outcome.curable
