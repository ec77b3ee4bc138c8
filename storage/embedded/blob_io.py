"""One blob on its way into the folder, or held open while it is served."""

import os
from pathlib import Path
from typing import BinaryIO

from actors.ports.clock import Clock
from sharding.errors import Internal, TooLarge
from storage.blob_names import checked_name
from storage.embedded import blob_folder
from storage.embedded.disk import Disk
from storage.open_blob import OpenBlob


class FolderBlobWriter:
    """A blob on its way in; fills `gateway.ports.BlobWriter`."""

    __slots__ = (
        "_clock",
        "_content_type",
        "_disk",
        "_file",
        "_left",
        "_name",
        "_root",
        "_temporary",
    )

    def __init__(
        self,
        root: Path,
        temporary: Path,
        file: BinaryIO,
        name: str,
        content_type: str,
        max_bytes: int,
        clock: Clock,
        disk: Disk,
    ) -> None:
        self._root = root
        self._temporary = temporary
        self._file = file
        self._name = name
        self._content_type = content_type
        self._left = max_bytes
        self._clock = clock
        self._disk = disk

    async def write(self, data: bytes) -> None:
        """Append.

        Raises:
            TooLarge: it would pass the blob's `max_bytes`; `data` was not written.
        """
        if len(data) > self._left:
            raise TooLarge()
        self._left -= len(data)
        await self._disk.run(lambda: self._file.write(data))

    async def commit(self, name: str | None = None) -> None:
        """Make it readable, whole, under `name`, or under the name that it was created with."""
        name = self._name if name is None else checked_name(name)
        if self._file.closed:
            raise Internal(context=f"{name} was committed or aborted before")
        stored_ms = self._clock.unix_ms()

        def call() -> None:
            try:
                self._file.close()
                settle(self._temporary, stored_ms)
                blob_folder.publish(self._root, self._temporary, name, self._content_type)
            finally:
                self._temporary.unlink(missing_ok=True)

        await self._disk.run(call)

    async def abort(self) -> None:
        """Leave no trace of it. Idempotent, and harmless after `commit`."""
        if self._file.closed:
            return

        def call() -> None:
            self._file.close()
            self._temporary.unlink(missing_ok=True)

        await self._disk.run(call)

    def __repr__(self) -> str:
        return f"<FolderBlobWriter {self._name} left={self._left}>"


class FolderBlobReader(OpenBlob):
    """A blob of the folder."""

    __slots__ = ()

    def piece(self, offset: int, size: int) -> bytes:
        """At most `size` bytes from `offset`; readers of one file do not move each other."""
        return os.pread(self.file.fileno(), size, offset)


def settle(temporary: Path, stored_ms: int) -> None:
    """Date a finished file and bring it to the disk."""
    os.utime(temporary, ns=(stored_ms * 1_000_000, stored_ms * 1_000_000))
    blob_folder.sync(temporary)
