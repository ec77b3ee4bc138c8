"""One blob on its way into the folder, or held open while it is served."""

import os
from collections.abc import AsyncIterator
from functools import partial
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from actors.ports.clock import Clock
from actors.ports.jobs import StoredBlob
from sharding.errors import Internal, TooLarge
from storage.blob_names import checked_name
from storage.embedded import blob_folder
from storage.embedded.disk import Disk

#: Bytes that are read at a time.
CHUNK_BYTES = 256 * 1024


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


class FolderBlobReader:
    """A blob held open; fills `gateway.ports.BlobReader`. Stays whole when the blob is discarded."""

    __slots__ = ("_disk", "_file", "blob")

    def __init__(self, blob: StoredBlob, file: FileIO, disk: Disk) -> None:
        #: What is held; its size is that of the open file, whatever happens to the name.
        self.blob = blob
        self._file = file
        self._disk = disk

    @property
    def size_bytes(self) -> int:
        """Bytes of the whole blob."""
        return self.blob.size_bytes

    @property
    def content_type(self) -> str:
        """What it was stored as."""
        return self.blob.content_type

    async def chunks(self, first: int, length: int) -> AsyncIterator[bytes]:
        """At most `length` bytes from offset `first`, in pieces of `CHUNK_BYTES`; less at the end."""
        end = min(first + length, self.size_bytes)
        while first < end:
            piece = await self._disk.run(partial(self._read, first, min(CHUNK_BYTES, end - first)))
            if not piece:
                return
            first += len(piece)
            yield piece

    async def close(self) -> None:
        """Let it go. Idempotent."""
        self._file.close()

    def _read(self, offset: int, size: int) -> bytes:
        if self._file.closed:
            raise Internal(context=f"{self.blob.name} is read after it was closed")
        return os.pread(self._file.fileno(), size, offset)

    def __repr__(self) -> str:
        return f"<FolderBlobReader {self.blob.name} {self.size_bytes}>"


def settle(temporary: Path, stored_ms: int) -> None:
    """Date a finished file and bring it to the disk."""
    os.utime(temporary, ns=(stored_ms * 1_000_000, stored_ms * 1_000_000))
    blob_folder.sync(temporary)
