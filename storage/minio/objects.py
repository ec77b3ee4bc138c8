"""`Objects`: the few things that are asked of an S3 server, one blocking call each.

Everything here runs on a thread of `Calls`. Only what every S3 server has is used: HEAD, GET, PUT (in parts
where it is long), COPY with a condition, LIST after a key, DELETE of many.

The store dates its objects to the second in one answer and finer in another, so times are cut to the second.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import BinaryIO

from minio import Minio
from minio.commonconfig import REPLACE, CopySource
from minio.deleteobjects import DeleteObject
from minio.error import MinioException, S3Error, ServerError
from urllib3 import BaseHTTPResponse

from actors.ports.clock import Clock
from actors.ports.jobs import StoredBlob
from sharding.errors import NotFound, StorageUnavailable, TooLarge
from storage.blob_names import told_type
from storage.minio.errors import is_missing, is_replaced
from storage.open_blob import CHUNK_BYTES


@dataclass(frozen=True, slots=True)
class Found:
    """An object and the tag of exactly these bytes of it."""

    blob: StoredBlob
    etag: str


class Objects:
    """Objects of an S3 server, by bucket and key."""

    __slots__ = ("_client", "_clock", "_part_bytes", "_transfer_timeout_s")

    def __init__(
        self, client: Minio, clock: Clock, *, part_bytes: int, transfer_timeout_s: float
    ) -> None:
        self._client = client
        self._clock = clock
        self._part_bytes = part_bytes
        self._transfer_timeout_s = transfer_timeout_s

    def stat(self, bucket: str, key: str) -> Found | None:
        """What is stored there, None where nothing is."""
        try:
            stored = self._client.stat_object(bucket, key)
        except S3Error as error:
            if is_missing(error):
                return None
            raise
        blob = StoredBlob(
            name=key,
            size_bytes=stored.size or 0,
            content_type=stored.content_type or told_type(key),
            stored_ms=_to_ms(stored.last_modified),
        )
        return Found(blob, stored.etag or "")

    def listed(self, bucket: str, prefix: str, after: str, limit: int) -> list[StoredBlob]:
        """At most `limit` objects under `prefix` whose keys come after `after`, in their order.

        A listing tells no types: they are those of the names.
        """
        found = self._client.list_objects(bucket, prefix, recursive=True, start_after=after or None)
        return [
            StoredBlob(
                name=each.object_name,
                size_bytes=each.size or 0,
                content_type=told_type(each.object_name),
                stored_ms=_to_ms(each.last_modified),
            )
            for each in islice(found, limit)
            if each.object_name is not None
        ]

    def remove(self, bucket: str, keys: list[str]) -> None:
        """Remove objects; those that are not there are no error.

        Raises:
            StorageUnavailable: some are left.
        """
        refused = list(self._client.remove_objects(bucket, map(DeleteObject, keys)))
        if refused:
            raise StorageUnavailable(context=f"{len(refused)} not removed: {refused[0].code}")

    def copy(self, source: str, found: Found, target: str) -> bool:
        """Copy exactly the bytes that were `found`, within the server; False when they are there no more."""
        key = found.blob.name
        try:
            self._client.copy_object(
                target,
                key,
                CopySource(source, key, match_etag=found.etag),
                # Else some servers refuse, and all would copy headers that a client may have sent.
                metadata={"Content-Type": found.blob.content_type},
                metadata_directive=REPLACE,
            )
        except (S3Error, ServerError) as error:
            if is_replaced(error) or is_missing(error):
                return False
            raise
        return True

    def write(self, bucket: str, key: str, data: BinaryIO, size: int, content_type: str) -> None:
        """Store `size` bytes of `data`: readable whole afterwards, or not at all."""
        self._client.put_object(
            bucket,
            key,
            data,
            size,
            content_type=content_type,
            part_size=self._part_bytes,
            num_parallel_uploads=1,
        )

    def read(self, bucket: str, key: str, max_bytes: int, take: Callable[[bytes], object]) -> int:
        """Hand all bytes of an object to `take`, piece by piece; how many they are.

        Raises:
            NotFound: there is no such object.
            TooLarge: it has more than `max_bytes`; nothing was taken.
            StorageUnavailable: they do not arrive, or not in time.
        """
        until = self._clock.monotonic() + self._transfer_timeout_s
        with self._answer(bucket, key) as answer:
            size = int(answer.headers.get("Content-Length", "0"))
            if size > max_bytes:
                raise TooLarge(context=f"{key} has {size} bytes")
            for piece in _pieces(answer):
                if self._clock.monotonic() > until:
                    raise StorageUnavailable(context=f"{key} took too long")
                take(piece)
        return size

    @contextmanager
    def _answer(self, bucket: str, key: str) -> Iterator[BaseHTTPResponse]:
        try:
            answer = self._client.get_object(bucket, key)
        except S3Error as error:
            if is_missing(error):
                raise NotFound("There is no such blob.", context=key) from None
            raise
        with closing(answer):
            # Closed early, its connection ends; read to the end, it is used again.
            yield answer


def _pieces(answer: BaseHTTPResponse) -> Iterator[bytes]:
    return iter(lambda: answer.read(CHUNK_BYTES), b"")


def _to_ms(when: datetime | None) -> int:
    if when is None:
        raise MinioException("an object without a date")
    return int(when.timestamp()) * 1000
