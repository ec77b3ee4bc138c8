"""The state of one video's job, and the steps from one to the next; pure.

One entry per video, of its newest generation. Each step takes the state before and returns the one after, or
None where there is nothing to do: whoever stores it says which entry it was made from, and if somebody was
faster the step is taken again from theirs. So a claim is won by one, and a lost claim changes nothing.

What remains of a job that is over is its generation, by which a repeated errand is recognised.
"""

from typing import Literal

import msgspec

from actors.media import TIMED_OUT, Claim, EncodedMedia, MediaFailure, MediaJob
from actors.ports.jobs import JobReport
from sharding.codec import Codec

Outcome = EncodedMedia | MediaFailure


class JobState(msgspec.Struct, frozen=True, kw_only=True):
    """How far the newest job of a video is."""

    video_id: int
    generation: int
    state: Literal["waiting", "running", "ended", "over"]
    #: None when it is over.
    job: MediaJob | None = None
    #: The number of the entry by which it was handed in: jobs are taken in this order. 0: this very entry.
    place: int = 0
    #: Claims that count, and all of them.
    attempt: int = 0
    claims: int = 0
    worker: str = ""
    #: It is due this long after the entry was stored, in seconds.
    pause_s: float = 0.0
    progress: float = 0.0
    outcome: Outcome | None = None

    def holds(self, claim: Claim) -> bool:
        """Whether `claim` is alive."""
        same = (claim.job.generation, claim.token) == (self.generation, str(self.claims))
        return same and self.state == "running"

    @property
    def report(self) -> JobReport:
        """What the domain is told of it now."""
        assert self.job is not None
        return JobReport(
            video_id=self.video_id,
            author_id=self.job.author_id,
            generation=self.generation,
            outcome=self.outcome,
            progress=self.progress,
        )


JOBS: Codec[JobState] = Codec(JobState)


def submitted(before: JobState | None, job: MediaJob) -> JobState | None:
    """A job was handed in; nothing where it, or a newer one, was before."""
    if before is not None and before.generation >= job.generation:
        return None
    return JobState(video_id=job.video_id, generation=job.generation, state="waiting", job=job)


def over(before: JobState | None) -> JobState | None:
    """It is not wanted any more, or everybody has been told."""
    if before is None or before.state == "over":
        return None
    return JobState(video_id=before.video_id, generation=before.generation, state="over")


def claimed(before: JobState | None, worker: str, seq: int) -> JobState | None:
    """A worker takes it; `seq` is the number of the entry `before`."""
    if before is None or before.state != "waiting":
        return None
    return msgspec.structs.replace(
        before,
        state="running",
        place=before.place or seq,
        attempt=before.attempt + 1,
        claims=before.claims + 1,
        worker=worker,
        pause_s=0.0,
    )


def beaten(before: JobState | None, claim: Claim, progress: float) -> JobState | None:
    """The worker lives, and says how far it is."""
    if before is None or not before.holds(claim):
        return None
    progress = max(before.progress, min(progress, 1.0))
    return msgspec.structs.replace(before, progress=progress)


def finished(
    before: JobState | None, claim: Claim, outcome: Outcome, max_attempts: int, pause_s: float
) -> JobState | None:
    """The attempt has ended; the job too, unless another attempt may end better."""
    if before is None or not before.holds(claim):
        return None
    curable = isinstance(outcome, MediaFailure) and outcome.curable
    if curable and before.attempt < max_attempts:
        pause_s *= 2 ** (before.attempt - 1)
        return msgspec.structs.replace(before, state="waiting", pause_s=pause_s)
    return msgspec.structs.replace(before, state="ended", outcome=outcome)


def given_back(before: JobState | None, claim: Claim) -> JobState | None:
    """The claim is as if it had not been made."""
    if before is None or not before.holds(claim):
        return None
    return msgspec.structs.replace(before, state="waiting", attempt=before.attempt - 1)


def lapsed(before: JobState | None, max_attempts: int) -> JobState | None:
    """The worker gave no sign of life for the length of a lease."""
    if before is None or before.state != "running":
        return None
    if before.attempt < max_attempts:
        return msgspec.structs.replace(before, state="waiting")
    return msgspec.structs.replace(before, state="ended", outcome=TIMED_OUT)
