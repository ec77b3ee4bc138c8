"""What the worker needs of the world. The docstrings are the contract; adapters live in `storage/`."""

from pathlib import Path
from typing import Protocol

from actors.media import Claim, EncodedMedia, MediaFailure


class JobQueue(Protocol):
    """Where jobs come from. The queue keeps the leases, bounds the attempts and fails what is stuck for good.

    Every method may raise `sharding.errors.Unavailable`, after which nothing is known of the outcome and
    the call may be repeated.
    """

    async def claim(self, worker: str) -> Claim | None:
        """Take the job that is due longest for *worker*; None when nothing is due now.

        Atomic: no two living claims of one job. A claim lapses when its heartbeats stop, and its job is
        then due again with the next attempt.
        """
        ...

    async def heartbeat(self, claim: Claim, progress: float) -> bool:
        """Prolong *claim* and report *progress*, 0 to 1; a value below an earlier one is ignored.

        False: the claim lapsed and the job is somebody else's, or it is not wanted any more. The worker
        then stops and publishes nothing.
        """
        ...

    async def finish(self, claim: Claim, outcome: EncodedMedia | MediaFailure) -> None:
        """End the attempt with *outcome*; every object of it is in the store already.

        Idempotent, and ignored when the claim was lost. A curable failure makes the job due again while
        it has attempts left.
        """
        ...

    async def give_back(self, claim: Claim) -> None:
        """End the claim as if it had not been made: the job is due at once and no attempt is spent.

        Idempotent, and ignored when the claim was lost or is finished already: a worker that is stopped in
        the middle of `finish` cannot know whether it arrived.
        """
        ...

    async def wait(self, timeout_s: float) -> None:
        """Return when a job may be due, after *timeout_s* at the latest. May return early for no reason."""
        ...


class BlobStore(Protocol):
    """Where uploads lie and finished media go."""

    async def fetch(self, name: str, path: Path, *, max_bytes: int) -> int:
        """Copy the blob *name* into the new file *path*; return its size in bytes.

        Raises:
            NotFound: there is no such blob.
            TooLarge: it has more than *max_bytes*; at most that much was read.
            Unavailable: the store does not answer; *path* is to be thrown away.
        """
        ...

    async def put(self, name: str, path: Path, *, content_type: str) -> None:
        """Store the file *path* under *name*: readable whole afterwards, or not at all. Idempotent.

        Raises:
            Unavailable: unknown whether it is stored; repeat.
        """
        ...


class Clock(Protocol):
    """Time, handed in."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after *seconds*."""
        ...
