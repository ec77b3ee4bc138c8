"""What the store itself takes from clients: the file that was announced, and nothing else."""

from __future__ import annotations

import asyncio

import aiohttp
import nats
import pytest

from actors.ports.clock import SystemClock
from actors.replies import UploadTicket
from storage.stored_events import parse_stored
from tests.contracts.clock import ManualClock
from tests.contracts.minio import minio_settings, opened

pytestmark = pytest.mark.engines

SIZE = 1000
NAME = "quarantine/7/clip"


def ticket(method="POST", size=SIZE):
    return UploadTicket(
        video_id=7,
        status="awaiting_upload",
        source=NAME,
        size_bytes=size,
        content_type="video/mp4",
        sha256=None,
        method=method,
    )


@pytest.fixture
async def store(engines):
    async with opened(engines.minio()) as store:
        yield store


@pytest.fixture
async def client():
    async with aiohttp.ClientSession() as session:
        yield session


async def post(client, way, data, **changed):
    form = aiohttp.FormData()
    for field, value in {**way.fields, **changed}.items():
        form.add_field(field, value)
    form.add_field(way.file_field, data, filename="clip.mp4")
    async with client.post(way.url, data=form) as answer:
        return answer.status


async def put(client, way, data, **changed):
    headers = {name: value for name, value in way.headers.items() if name != "Content-Length"}
    async with client.put(way.url, data=data, headers=headers | changed) as answer:
        return answer.status


async def test_the_announced_file_is_taken_as_a_form(store, client):
    assert await post(client, store.policies.sign(ticket()), b"x" * SIZE) == 204
    stored = await store.bin.stat(NAME)
    assert (stored.size_bytes, stored.content_type) == (SIZE, "video/mp4")


@pytest.mark.parametrize("size", [0, SIZE - 1, SIZE + 1, 100 * SIZE])
async def test_a_form_with_another_size_is_refused(store, client, size):
    assert await post(client, store.policies.sign(ticket()), b"x" * size) >= 400
    assert await store.bin.stat(NAME) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"key": "quarantine/8/clip"},
        {"key": "v/7/1/1080p.mp4"},
        {"Content-Type": "text/html"},
        {"x-amz-signature": "0" * 64},
        {"x-amz-date": "20200101T000000Z"},
    ],
)
async def test_a_form_that_was_changed_is_refused(store, client, changed):
    assert await post(client, store.policies.sign(ticket()), b"x" * SIZE, **changed) >= 400
    assert not await store.bin.list("", older_than_ms=2**53, limit=9)


async def test_a_form_for_another_bucket_is_refused(store, client):
    way = store.policies.sign(ticket())
    url = way.url.removesuffix("quarantine") + "media"
    elsewhere = type(way)(
        **{**{name: getattr(way, name) for name in way.__struct_fields__}, "url": url}
    )
    assert await post(client, elsewhere, b"x" * SIZE) == 403


async def test_the_announced_file_is_taken_as_a_put(store, client):
    assert await put(client, store.policies.sign(ticket("PUT")), b"x" * SIZE) == 200
    stored = await store.bin.stat(NAME)
    assert (stored.size_bytes, stored.content_type) == (SIZE, "video/mp4")


@pytest.mark.parametrize("size", [0, SIZE - 1, SIZE + 1])
async def test_a_put_with_another_length_is_refused(store, client, size):
    assert await put(client, store.policies.sign(ticket("PUT")), b"x" * size) == 403
    assert await store.bin.stat(NAME) is None


async def test_a_put_with_another_type_or_name_is_refused(store, client):
    way = store.policies.sign(ticket("PUT"))
    assert await put(client, way, b"x" * SIZE, **{"Content-Type": "text/html"}) == 403
    url = way.url.replace("/7/clip", "/8/clip")
    async with client.put(url, data=b"x" * SIZE, headers={"Content-Type": "video/mp4"}) as answer:
        assert answer.status == 403


@pytest.mark.parametrize(("method", "send"), [("POST", post), ("PUT", put)])
async def test_a_way_ends_with_its_time(engines, client, method, send):
    past = ManualClock(SystemClock().unix_ms() - 3_601_000)
    async with opened(engines.minio(), clock=past) as store:
        assert await send(client, store.policies.sign(ticket(method)), b"x" * SIZE) == 403
        assert await store.bin.stat(NAME) is None


async def test_what_was_uploaded_is_readable_by_nobody(store, client):
    way = store.policies.sign(ticket())
    await post(client, way, b"x" * SIZE)
    for method in ("GET", "HEAD", "DELETE"):
        async with client.request(method, f"{way.url}/{NAME}") as answer:
            assert answer.status == 403
    async with client.get(way.url) as answer:
        assert answer.status == 403


async def test_an_upload_that_is_replaced_while_it_is_encoded_changes_nothing(
    store, client, tmp_path
):
    way = store.policies.sign(ticket())
    await post(client, way, b"a" * SIZE)
    path = tmp_path / "clip"
    assert await store.store.fetch(NAME, path, max_bytes=SIZE) == SIZE
    # The same policy, used once more.
    assert await post(client, way, b"b" * SIZE) == 204
    assert await store.store.fetch(NAME, path, max_bytes=SIZE) == SIZE
    assert path.read_bytes() == b"a" * SIZE


async def test_a_removed_upload_takes_its_copy_along(store, client, tmp_path):
    way = store.policies.sign(ticket())
    await post(client, way, b"a" * SIZE)
    await store.store.fetch(NAME, tmp_path / "clip", max_bytes=SIZE)
    assert await store.bin.discard("quarantine/7/") == 1
    await post(client, way, b"b" * SIZE)
    await store.store.fetch(NAME, tmp_path / "clip", max_bytes=SIZE)
    assert (tmp_path / "clip").read_bytes() == b"b" * SIZE


async def test_the_store_tells_the_bus_of_an_upload(engines, client):
    settings = minio_settings(engines.minio(), notify_arn="arn:minio:sqs::KINORA:nats")
    told: asyncio.Queue[bytes] = asyncio.Queue()
    bus = await nats.connect(engines.nats())

    async def hear(message):
        told.put_nowait(message.data)

    try:
        await bus.subscribe("kinora.stored", cb=hear)
        await bus.flush()
        async with opened(engines.minio(), settings) as store:
            await post(client, store.policies.sign(ticket(size=4321)), b"x" * 4321)
            async with asyncio.timeout(10):
                while True:
                    found = parse_stored(await told.get())
                    if any(each.size_bytes == 4321 for each in found):
                        break
        assert [each.name for each in found] == [NAME]
    finally:
        await bus.close()
