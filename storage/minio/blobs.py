"""`MinioBlobs`: an S3 server as the blob store.

Nothing that a client can still write is encoded. The policy of an upload stays valid after the upload, so its
holder can send other bytes to the same key while a worker reads. Hence the first fetch of an upload copies it,
within the server and only if its ETag is still the one that was seen, into a bucket where clients have no key;
this and every later attempt reads the copy. That lies in `fetch` because it is the only reader of uploads:
no port had to change, and an upload that is never encoded is never copied. A removal takes both.
"""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from actors.ports.jobs import StoredBlob
from sharding.errors import NotFound, StorageUnavailable, TooLarge
from storage.blob_names import checked_name, checked_prefix
from storage.minio.blob_io import MinioBlobReader, MinioBlobWriter, spool
from storage.minio.calls import Calls
from storage.minio.layout import UPLOADS, Layout
from storage.minio.objects import Objects
from storage.minio.rounds import Rounds
from storage.minio.settings import MinioSettings

#: Told which served objects go: once before they are removed, so that a crash in between forgets no name, and
#: once after, when nothing can bring them back into a cache.
OnDiscard = Callable[[Sequence[StoredBlob]], Awaitable[object]]

#: Objects that one call of S3 removes at most.
_PAGE = 1000


async def _nobody(_: Sequence[StoredBlob]) -> None:
    """Tell nobody."""


class MinioBlobs:
    """Fills `actors.ports.jobs.BlobBin`, `media.ports.BlobStore` and `gateway.ports.BlobGate`."""

    __slots__ = ("_calls", "_layout", "_objects", "_on_discard", "_rounds", "_settings")

    def __init__(
        self,
        objects: Objects,
        calls: Calls,
        settings: MinioSettings,
        on_discard: OnDiscard | None = None,
    ) -> None:
        self._objects = objects
        self._calls = calls
        self._settings = settings
        self._layout = Layout.of(settings.bucket_prefix)
        self._on_discard = on_discard or _nobody
        self._rounds = Rounds(objects.listed, settings.max_listed)

    async def stat(self, name: str) -> StoredBlob | None:
        """What is stored under `name`; its time is the store's, to the second."""
        bucket = self._layout.bucket_of(checked_name(name))
        try:
            found = await self._calls.run(lambda: self._objects.stat(bucket, name))
        except StorageUnavailable as error:
            # Looking does nothing, and comes before everything that does.
            error.executed = False
            raise
        return None if found is None else found.blob

    async def discard(self, prefix: str) -> int:
        """Remove every blob whose name starts with `prefix`; returns how many. Repeatable."""
        count = 0
        for bucket in self._layout.buckets_of(checked_prefix(prefix)):
            count += await self._discard_in(bucket, prefix)
            if bucket == self._layout.quarantine:
                # After the originals: nothing is left then that could be copied again.
                await self._discard_in(self._layout.sources, prefix)
        return count

    async def list(self, prefix: str, *, older_than_ms: int, limit: int) -> Sequence[StoredBlob]:
        """At most `limit` blobs under `prefix` that were stored before that moment, in any order.

        A listing that looked at `max_listed` names ends there, and the next of that prefix goes on behind
        them: litter at the front never hides what lies behind it.
        """
        buckets = self._layout.buckets_of(checked_prefix(prefix))
        return await self._calls.run(
            lambda: self._rounds.go_on(
                buckets, prefix, lambda blob: blob.stored_ms < older_than_ms, limit
            )
        )

    async def fetch(self, name: str, path: Path, *, max_bytes: int) -> int:
        """Copy a blob into the file `path`; its size in bytes.

        Raises:
            NotFound: there is no such blob.
            TooLarge: it has more than `max_bytes`; nothing was copied.
            StorageUnavailable: the store does not answer.
        """
        bucket = self._layout.bucket_of(checked_name(name))

        def call() -> int:
            source = self._secured(name, max_bytes) if name.startswith(UPLOADS) else bucket
            with path.open("wb") as file:
                return self._objects.read(source, name, max_bytes, file.write)

        return await self._calls.run(call)

    async def put(self, name: str, path: Path, *, content_type: str) -> None:
        """Store a copy of the file `path` under `name`. Idempotent."""
        checked_name(name)

        def call() -> None:
            with path.open("rb") as file:
                self._write(name, file, path.stat().st_size, content_type)

        await self._calls.run(call)

    async def create(self, name: str, *, max_bytes: int, content_type: str) -> MinioBlobWriter:
        """Begin a blob, which lies here until `commit` sends it.

        Raises:
            InvalidRequest: `name` is none of a blob.
        """
        checked_name(name)
        file = spool(self._settings.spool_bytes)
        return MinioBlobWriter(file, name, content_type, max_bytes, self._write, self._calls)

    async def open_read(self, name: str) -> MinioBlobReader | None:
        """The blob of that name, None where there is none.

        It is fetched whole first: S3 does not keep an object for who reads it. For tools, and the rare
        answer that is not the edge's.
        """
        bucket = self._layout.bucket_of(checked_name(name))

        def call() -> MinioBlobReader | None:
            found = self._objects.stat(bucket, name)
            if found is None:
                return None
            file = spool(self._settings.spool_bytes)
            try:
                self._objects.read(bucket, name, found.blob.size_bytes, file.write)
            except (NotFound, TooLarge) as error:
                file.close()
                raise StorageUnavailable(context=f"{name} was replaced meanwhile") from error
            except BaseException:
                file.close()
                raise
            return MinioBlobReader(found.blob, file, self._calls)

        return await self._calls.run(call)

    async def ping(self) -> None:
        """Return when the store answers for us.

        Raises:
            StorageUnavailable: it does not, or our buckets are not there.
        """
        await self._calls.run(lambda: self._objects.listed(self._layout.media, "ping/", "", 1))

    def _secured(self, name: str, max_bytes: int) -> str:
        """Have a copy of an upload that no client can replace; its bucket."""
        for _ in range(self._settings.copy_attempts):
            if self._objects.stat(self._layout.sources, name) is not None:
                return self._layout.sources
            upload = self._objects.stat(self._layout.quarantine, name)
            if upload is None:
                raise NotFound("There is no such blob.", context=name)
            if upload.blob.size_bytes > max_bytes:
                raise TooLarge(context=f"{name} has {upload.blob.size_bytes} bytes")
            if self._objects.copy(self._layout.quarantine, upload, self._layout.sources):
                return self._layout.sources
        raise StorageUnavailable(context=f"{name} is being replaced again and again")

    def _write(self, name: str, file: BinaryIO, size: int, content_type: str) -> None:
        self._objects.write(self._layout.bucket_of(name), name, file, size, content_type)

    async def _discard_in(self, bucket: str, prefix: str) -> int:
        served = bucket == self._layout.media
        count, after = 0, ""
        while True:
            page = await self._page(bucket, prefix, after)
            if not page:
                return count
            if served:
                await self._on_discard(page)
            await self._remove(bucket, [blob.name for blob in page])
            if served:
                await self._on_discard(page)
            count, after = count + len(page), page[-1].name

    async def _page(self, bucket: str, prefix: str, after: str) -> Sequence[StoredBlob]:
        return await self._calls.run(lambda: self._objects.listed(bucket, prefix, after, _PAGE))

    async def _remove(self, bucket: str, names: Sequence[str]) -> None:
        await self._calls.run(lambda: self._objects.remove(bucket, [*names]))

    def __repr__(self) -> str:
        return f"<MinioBlobs {self._layout.media} {self._calls!r}>"
