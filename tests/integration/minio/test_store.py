"""The object store in good and bad days, seen through our adapter."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import urllib3
from minio import Minio
from minio.error import S3Error

from actors.ports.clock import SystemClock
from sharding.errors import StorageUnavailable
from storage.minio.buckets import ensure_buckets
from storage.minio.calls import Calls
from storage.minio.layout import edge_referer
from storage.minio.opening import open_minio
from tests.contracts.minio import EDGE_KEY, driver, minio_settings, opened
from tests.support.engines import ACCOUNT, MinioAddress

pytestmark = pytest.mark.engines

MP4 = "video/mp4"
NAME = "v/7/1/1080p.mp4"


@pytest.fixture
async def store(engines):
    async with opened(engines.minio()) as store:
        yield store


async def put(store, tmp_path, name, data=b"data"):
    path = tmp_path / "file"
    path.write_bytes(data)
    await store.store.put(name, path, content_type=MP4)


async def test_what_is_longer_than_a_part_arrives_whole(engines, tmp_path):
    settings = minio_settings(engines.minio(), part_bytes=5 * 1024 * 1024)
    data = bytes(range(256)) * 48 * 1024  # 12 MiB
    async with opened(engines.minio(), settings) as store:
        await put(store, tmp_path, NAME, data)
        fetched = tmp_path / "fetched"
        assert await store.store.fetch(NAME, fetched, max_bytes=len(data)) == len(data)
        assert fetched.read_bytes() == data


async def test_a_blob_that_outgrows_memory_is_written_and_read_all_the_same(engines):
    settings = minio_settings(engines.minio(), spool_bytes=1000)
    async with opened(engines.minio(), settings) as store:
        writer = await store.gate.create("a/1/1.jpg", max_bytes=10_000, content_type="image/jpeg")
        for number in range(10):
            await writer.write(bytes([number]) * 1000)
        await writer.commit()
        reader = await store.gate.open_read("a/1/1.jpg")
        assert [piece async for piece in reader.chunks(2500, 1000)] == [b"\2" * 500 + b"\3" * 500]
        await reader.close()


async def test_setting_up_twice_is_setting_up_once(store, tmp_path):
    await put(store, tmp_path, NAME)
    first = await store.ensure_buckets(edge_key=EDGE_KEY)
    assert await store.ensure_buckets(edge_key=EDGE_KEY) == first
    assert (await store.bin.stat(NAME)).size_bytes == 4


async def test_leftovers_have_an_end(engines):
    settings = minio_settings(engines.minio(), quarantine_days=3)
    async with opened(engines.minio(), settings):
        for kind in ("quarantine", "sources"):
            (rule,) = (
                driver(engines.minio()).get_bucket_lifecycle(settings.bucket_prefix + kind).rules
            )
            assert rule.expiration.days == 3


async def test_a_server_that_knows_less_is_used_and_said_to_lack_it(engines):
    settings = minio_settings(engines.minio(), notify_arn="arn:minio:sqs::NOWHERE:nats")
    async with opened(engines.minio(), settings) as store:
        assert "events" in await store.ensure_buckets(edge_key=EDGE_KEY)


async def test_only_the_edge_reads_media_and_only_what_is_served(engines, store, tmp_path):
    for name in (NAME, "a/9/1.jpg", "other/1"):
        await put(store, tmp_path, name)
    bucket = f"http://{engines.minio().endpoint}/{store.bin._layout.media}"
    edge = {"Referer": edge_referer(EDGE_KEY)}
    pool = urllib3.PoolManager()

    async def status(path, headers):
        answer = await asyncio.to_thread(pool.request, "GET", bucket + path, headers=headers)
        return answer.status

    assert await status(f"/{NAME}", edge) == 200
    assert await status("/a/9/1.jpg", edge) == 200
    for path in ("/other/1", "", "/", "?list-type=2", "?policy"):
        assert await status(path, edge) == 403
    for stranger in ({}, {"Referer": edge_referer("f" * 32)}, {"Referer": "https://app.example"}):
        assert await status(f"/{NAME}", stranger) == 403
    pool.clear()


async def test_a_server_that_overlooks_the_condition_is_found_out_and_media_are_closed(engines):
    settings = minio_settings(engines.minio())
    async with opened(engines.minio(), settings) as store:
        trusting = driver(engines.minio())
        with ThreadPoolExecutor(1) as threads:
            calls = Calls(threads, 1)
            with pytest.raises(StorageUnavailable, match="overlooks"):
                # Whoever asks with the keys of the owner is let in, as anybody would be there.
                await ensure_buckets(trusting, trusting, calls, settings, edge_key=EDGE_KEY)
        with pytest.raises(S3Error, match="NoSuchBucketPolicy"):
            trusting.get_bucket_policy(store.bin._layout.media)


async def test_media_may_be_opened_to_a_network_that_is_ours_alone(engines, tmp_path):
    settings = minio_settings(engines.minio(), media_open=True)
    async with opened(engines.minio(), settings) as store:
        for name in (NAME, "other/1"):
            await put(store, tmp_path, name)
        stranger = Minio(engines.minio().endpoint, secure=False, region="us-east-1")
        bucket = store.bin._layout.media
        assert stranger.stat_object(bucket, NAME).size == 4
        for forbidden in (
            lambda: stranger.stat_object(bucket, "other/1"),
            lambda: list(stranger.list_objects(bucket)),
        ):
            with pytest.raises(S3Error, match="AccessDenied"):
                forbidden()


async def test_what_goes_is_told_before_and_after_and_only_of_media(engines, tmp_path):
    told: list[tuple[list[tuple[str, int]], bool]] = []

    async def hear(blobs):
        there = await opened_store.bin.stat(NAME) is not None
        told.append(([(blob.name, blob.size_bytes) for blob in blobs], there))

    async with opened(engines.minio(), on_discard=hear) as opened_store:
        await put(opened_store, tmp_path, NAME)
        await put(opened_store, tmp_path, "quarantine/7/clip")
        await opened_store.bin.discard("quarantine/7/")
        assert told == []
        assert await opened_store.bin.discard("v/7/") == 1
        assert told == [([(NAME, 4)], True), ([(NAME, 4)], False)]
        assert await opened_store.bin.discard("v/7/") == 0
        assert len(told) == 2


async def test_a_removal_that_could_not_be_told_is_not_done(engines, tmp_path):
    async def hear(blobs):
        raise StorageUnavailable

    async with opened(engines.minio(), on_discard=hear) as store:
        await put(store, tmp_path, NAME)
        with pytest.raises(StorageUnavailable):
            await store.bin.discard("v/7/")
        assert await store.bin.stat(NAME) is not None


async def test_nothing_there_yet_is_unavailable_not_absent(engines, tmp_path):
    address = engines.minio()
    async with open_minio(
        minio_settings(address),
        access_key=address.access_key,
        secret_key=address.secret_key,
        clock=SystemClock(),
    ) as store:
        with pytest.raises(StorageUnavailable):
            await store.ping()
        with pytest.raises(StorageUnavailable):
            await put(store, tmp_path, NAME)


async def test_wrong_keys_are_unavailable_and_told_to_operators_only(engines):
    address = engines.minio()
    async with open_minio(
        minio_settings(address),
        access_key=address.access_key,
        secret_key="wrong-secret",
        clock=SystemClock(),
    ) as store:
        with pytest.raises(StorageUnavailable) as raised:
            await store.ping()
        assert "SignatureDoesNotMatch" in (raised.value.context or "")
        assert "wrong-secret" not in f"{raised.value.context} {store!r} {raised.value}"


async def test_a_call_beyond_the_bound_is_refused_and_was_certainly_not_made(engines):
    settings = minio_settings(engines.minio(), max_waiting=2)
    async with opened(engines.minio(), settings) as store:
        answers = await asyncio.gather(
            *(store.bin.stat(NAME) for _ in range(5)), return_exceptions=True
        )
        refused = [each for each in answers if isinstance(each, StorageUnavailable)]
        assert (answers.count(None), len(refused)) == (2, 3)
        assert all(each.executed is False for each in refused)
        assert store.statistics().failed == 3


async def test_a_store_that_falls_silent_or_dies_is_unavailable_in_time_and_comes_back(
    engines, tmp_path
):
    with engines.own_minio() as running:
        (process,) = running.processes
        address = MinioAddress(
            endpoint=process.address,
            access_key=ACCOUNT.access_key,
            secret_key=ACCOUNT.secret_key,
        )
        settings = replace(
            minio_settings(address), connect_timeout_s=0.3, read_timeout_s=0.3, retries=1
        )
        async with opened(address, settings) as store:
            await put(store, tmp_path, NAME)
            process.pause()
            async with asyncio.timeout(5):
                with pytest.raises(StorageUnavailable):
                    await store.bin.stat(NAME)
            process.resume()
            assert (await store.bin.stat(NAME)).size_bytes == 4
            process.kill()
            async with asyncio.timeout(5):
                with pytest.raises(StorageUnavailable):
                    await put(store, tmp_path, NAME, b"other")
                with pytest.raises(StorageUnavailable):
                    await store.bin.discard("v/7/")
            process.restart()
            assert (await store.bin.stat(NAME)).size_bytes == 4
            assert await store.bin.discard("v/7/") == 1
