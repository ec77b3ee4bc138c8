"""What a worker encodes is a copy that no client can change, of bytes that were one upload."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from actors.ports.jobs import StoredBlob
from sharding.errors import NotFound, StorageUnavailable, TooLarge
from storage.minio.blobs import MinioBlobs
from storage.minio.calls import Calls
from storage.minio.objects import Found
from storage.minio.settings import MinioSettings

NAME = "quarantine/7/clip"
SETTINGS = MinioSettings(bucket_prefix="k-", copy_attempts=3)


class Objects:
    """An S3 server of a few dictionaries, in which a client may meddle before each copy."""

    def __init__(self) -> None:
        self.buckets: dict[str, dict[str, bytes]] = {"k-quarantine": {}, "k-sources": {}}
        self.meddling: list[bytes | None] = []
        self.copies = 0

    def stat(self, bucket, key):
        data = self.buckets[bucket].get(key)
        if data is None:
            return None
        blob = StoredBlob(name=key, size_bytes=len(data), content_type="x", stored_ms=0)
        return Found(blob, f"etag of {data!r}")

    def copy(self, source, found, target):
        self.copies += 1
        key = found.blob.name
        if self.meddling:
            other = self.meddling.pop(0)
            if other is None:
                del self.buckets[source][key]
            else:
                self.buckets[source][key] = other
        if self.stat(source, key) != found:
            return False
        self.buckets[target][key] = self.buckets[source][key]
        return True

    def read(self, bucket, key, max_bytes, take):
        take(self.buckets[bucket][key])
        return len(self.buckets[bucket][key])

    def listed(self, bucket, prefix, after, limit):
        raise AssertionError("fetching and discarding one upload lists nothing")


@pytest.fixture
def objects():
    return Objects()


@pytest.fixture
def blobs(objects):
    with ThreadPoolExecutor(1) as threads:
        yield MinioBlobs(objects, Calls(threads, 9), SETTINGS)


async def test_the_first_fetch_copies_and_all_read_the_copy(blobs, objects, tmp_path):
    objects.buckets["k-quarantine"][NAME] = b"first"
    for _ in range(3):
        assert await blobs.fetch(NAME, tmp_path / "clip", max_bytes=9) == 5
        objects.buckets["k-quarantine"][NAME] = b"other"
    assert (tmp_path / "clip").read_bytes() == b"first"
    assert objects.copies == 1


async def test_an_upload_that_is_replaced_while_it_is_copied_is_looked_at_again(
    blobs, objects, tmp_path
):
    objects.buckets["k-quarantine"][NAME] = b"first"
    objects.meddling = [b"later"]
    await blobs.fetch(NAME, tmp_path / "clip", max_bytes=9)
    assert (tmp_path / "clip").read_bytes() == b"later"
    assert objects.copies == 2


async def test_one_that_is_replaced_by_something_too_large_is_not_copied(blobs, objects, tmp_path):
    objects.buckets["k-quarantine"][NAME] = b"first"
    objects.meddling = [b"much longer than that"]
    with pytest.raises(TooLarge):
        await blobs.fetch(NAME, tmp_path / "clip", max_bytes=9)
    assert not objects.buckets["k-sources"]


async def test_one_that_goes_while_it_is_copied_is_not_there(blobs, objects, tmp_path):
    objects.buckets["k-quarantine"][NAME] = b"first"
    objects.meddling = [None]
    with pytest.raises(NotFound):
        await blobs.fetch(NAME, tmp_path / "clip", max_bytes=9)


async def test_one_that_is_replaced_without_end_is_given_up_for_now(blobs, objects, tmp_path):
    objects.buckets["k-quarantine"][NAME] = b"0"
    objects.meddling = [b"1", b"2", b"3", b"4"]
    with pytest.raises(StorageUnavailable):
        await blobs.fetch(NAME, tmp_path / "clip", max_bytes=9)
    assert objects.copies == SETTINGS.copy_attempts
