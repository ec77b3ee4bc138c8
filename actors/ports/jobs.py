"""Errands: what actors have others do. Both ports are reached through the outbox, so calls may repeat."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

from actors.media import EncodedMedia, MediaFailure, MediaJob


class JobReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a job so far."""

    video_id: int
    author_id: int
    generation: int
    #: None while it runs.
    outcome: EncodedMedia | MediaFailure | None
    #: 0..1; never falls for one generation.
    progress: float


Reporter = Callable[[JobReport], Awaitable[None]]


class JobDesk(Protocol):
    """Where jobs are handed in and their reports come back."""

    async def submit(self, job: MediaJob) -> None:
        """Have `job` done. One (video, generation) is one job, however often it is submitted.

        Raises:
            StorageUnavailable: unknown whether it was taken; repeat.
        """
        ...

    async def withdraw(self, video_id: int) -> None:
        """End whatever is under way for a video; nobody is told. Repeatable."""
        ...

    def report_to(self, reporter: Reporter) -> None:
        """Call `reporter` with every report; one with an outcome again until a call returns.

        Among several nodes an outcome comes to the owner of the video's shard. Reports of progress come to
        every node; they may be skipped.
        """
        ...


class StoredBlob(msgspec.Struct, frozen=True, kw_only=True):
    """One object of the blob store."""

    name: str
    size_bytes: int
    content_type: str
    stored_ms: int


class BlobBin(Protocol):
    """The side of the blob store that the domain needs."""

    async def stat(self, name: str) -> StoredBlob | None:
        """What is stored under `name`."""
        ...

    async def discard(self, prefix: str) -> int:
        """Remove every object whose name starts with `prefix`; returns how many. Repeatable.

        A prefix ends with `/` unless it is the whole name of an object that begins no other.
        """
        ...

    async def list(self, prefix: str, *, older_than_ms: int, limit: int) -> Sequence[StoredBlob]:
        """Objects whose name starts with `prefix` and that were stored before a Unix millisecond."""
        ...
