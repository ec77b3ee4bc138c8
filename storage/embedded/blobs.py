"""`FolderBlobs`: a folder as the blob store.

What is readable is whole: bytes go to a temporary file, are synced, and appear under their name by one
rename. What a kill leaves behind is swept when the folder is opened. Blobs of one name are replaced whole;
a reader that holds the old one keeps it.
"""

import os
import shutil
from collections.abc import Sequence
from itertools import count, islice
from pathlib import Path

from msgspec import structs

from actors.ports.clock import Clock
from actors.ports.jobs import StoredBlob
from sharding.errors import NotFound, TooLarge
from storage.blob_names import checked_name
from storage.embedded import blob_folder
from storage.embedded.blob_io import FolderBlobReader, FolderBlobWriter, settle
from storage.embedded.disk import Disk
from storage.open_blob import CHUNK_BYTES


class FolderBlobs:
    """Fills `actors.ports.jobs.BlobBin`, `media.ports.BlobStore` and `gateway.ports.BlobGate`."""

    __slots__ = ("_clock", "_disk", "_incoming", "_numbers", "_root")

    def __init__(self, root: Path, incoming: Path, clock: Clock, disk: Disk) -> None:
        self._root = root
        self._incoming = incoming
        self._clock = clock
        self._disk = disk
        self._numbers = count()

    async def stat(self, name: str) -> StoredBlob | None:
        """What is stored under `name`."""
        checked_name(name)
        return await self._disk.run(lambda: blob_folder.stat_blob(self._root, name))

    async def discard(self, prefix: str) -> int:
        """Remove every blob whose name starts with `prefix`; returns how many. Repeatable."""
        return await self._disk.run(lambda: blob_folder.discard(self._root, prefix))

    async def list(self, prefix: str, *, older_than_ms: int, limit: int) -> Sequence[StoredBlob]:
        """At most `limit` blobs under `prefix` that were stored before that moment, in any order."""

        def call() -> Sequence[StoredBlob]:
            found = (
                blob_folder.stat_blob(self._root, name)
                for name, _ in blob_folder.found(self._root, prefix)
            )
            old = (blob for blob in found if blob is not None and blob.stored_ms < older_than_ms)
            return tuple(islice(old, limit))

        return await self._disk.run(call)

    async def fetch(self, name: str, path: Path, *, max_bytes: int) -> int:
        """Copy a blob into the file `path`; its size in bytes.

        Raises:
            NotFound: there is no such blob.
            TooLarge: it has more than `max_bytes`; nothing was copied.
        """
        checked_name(name)

        def call() -> int:
            try:
                source = blob_folder.path_of(self._root, name).open("rb")
            except (FileNotFoundError, NotADirectoryError):
                raise NotFound("There is no such blob.", context=name) from None
            with source:
                size = os.fstat(source.fileno()).st_size
                if size > max_bytes:
                    raise TooLarge(context=f"{name} has {size} bytes")
                with path.open("wb") as target:
                    shutil.copyfileobj(source, target, CHUNK_BYTES)
            return size

        return await self._disk.run(call)

    async def put(self, name: str, path: Path, *, content_type: str) -> None:
        """Store a copy of the file `path` under `name`. Idempotent."""
        checked_name(name)
        temporary = self._temporary()
        stored_ms = self._clock.unix_ms()

        def call() -> None:
            try:
                shutil.copyfile(path, temporary)
                settle(temporary, stored_ms)
                blob_folder.publish(self._root, temporary, name, content_type)
            finally:
                temporary.unlink(missing_ok=True)

        await self._disk.run(call)

    async def create(self, name: str, *, max_bytes: int, content_type: str) -> FolderBlobWriter:
        """Begin a blob; an existing one of that name stays until `commit`.

        Raises:
            InvalidRequest: `name` is none of a blob.
        """
        checked_name(name)
        temporary = self._temporary()
        file = await self._disk.run(lambda: temporary.open("xb"))
        return FolderBlobWriter(
            self._root, temporary, file, name, content_type, max_bytes, self._clock, self._disk
        )

    async def open_read(self, name: str) -> FolderBlobReader | None:
        """The blob of that name, None where there is none."""
        checked_name(name)

        def call() -> FolderBlobReader | None:
            blob = blob_folder.stat_blob(self._root, name)
            try:
                file = blob_folder.path_of(self._root, name).open("rb", buffering=0)
            except (FileNotFoundError, NotADirectoryError):
                return None
            if blob is None:
                file.close()
                return None
            size = os.fstat(file.fileno()).st_size
            return FolderBlobReader(structs.replace(blob, size_bytes=size), file, self._disk)

        return await self._disk.run(call)

    async def ping(self) -> None:
        """Return when the folder can be written to.

        Raises:
            StorageUnavailable: it cannot.
        """
        probe = self._temporary()

        def call() -> None:
            probe.touch()
            probe.unlink()

        await self._disk.run(call)

    def _temporary(self) -> Path:
        return self._incoming / f"{os.getpid()}-{next(self._numbers)}"

    def __repr__(self) -> str:
        return f"<FolderBlobs {self._root}>"


async def open_blobs(root: Path, clock: Clock, disk: Disk) -> FolderBlobs:
    """The blobs below `root`, made where it is missing; half-written ones of a killed process are swept.

    One process may have a folder open at a time.
    """
    incoming = await disk.run(lambda: blob_folder.make_temporary_folder(root))
    return FolderBlobs(root, incoming, clock, disk)
