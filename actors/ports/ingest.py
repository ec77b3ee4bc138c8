"""Uploads that have arrived, as the store itself tells: sooner than a client's "complete", and without it."""

from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec


class StoredUpload(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The file of an upload lies in quarantine."""

    video_id: int
    size_bytes: int
    #: 0 until somebody has looked it up.
    author_id: int = 0


Taker = Callable[[StoredUpload], Awaitable[None]]


class UploadFeed(Protocol):
    """Tells nodes of stored uploads, at least once, soon; a sweep finds what it lost."""

    def take_by(self, taker: Taker) -> None:
        """Call `taker` again and again until it returns: with an upload without an author at any node, with
        one that has an author at the node that follows that author's shard."""
        ...

    async def pass_on(self, upload: StoredUpload) -> None:
        """Hand one whose author is known to the node that follows the author's shard.

        Raises:
            StorageUnavailable: unknown whether it was taken; repeat, or leave it to the sweep.
        """
        ...
