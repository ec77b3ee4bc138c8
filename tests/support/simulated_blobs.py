"""The blob store of a simulated world."""

from __future__ import annotations

from collections.abc import Sequence

from actors.ports.jobs import StoredBlob
from tests.support.virtual_loop import VirtualClock


class Blobs:
    """Fills `actors.ports.jobs.BlobBin`; a blob is its name."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._stored: dict[str, StoredBlob] = {}

    def put(self, name: str, size_bytes: int) -> None:
        """What a client does with the address that it was given."""
        self._stored[name] = StoredBlob(
            name=name,
            size_bytes=size_bytes,
            content_type="video/mp4",
            stored_ms=self._clock.unix_ms(),
        )

    async def stat(self, name: str) -> StoredBlob | None:
        """What is stored under `name`."""
        return self._stored.get(name)

    async def discard(self, prefix: str) -> int:
        """Remove by prefix."""
        names = [name for name in self._stored if name.startswith(prefix)]
        for name in names:
            del self._stored[name]
        return len(names)

    async def list(self, prefix: str, *, older_than_ms: int, limit: int) -> Sequence[StoredBlob]:
        """Look up by prefix and age."""
        found = [
            blob
            for name, blob in self._stored.items()
            if name.startswith(prefix) and blob.stored_ms < older_than_ms
        ]
        return found[:limit]
