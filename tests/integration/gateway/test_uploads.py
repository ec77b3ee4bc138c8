"""Files through the gateway: forms, signed ways to our own store, pictures, and media on their way out."""

import asyncio
import io

import aiohttp
import pytest

from actors import messages as m
from tests.integration.gateway.stand_in import ME, VIDEO, serving, ticket, until


def form(caption="hi", data=b"v" * 1_000, extra=()):
    made = aiohttp.FormData(default_to_multipart=True)
    for name, value in extra:
        made.add_field(name, value)
    if caption is not None:
        made.add_field("caption", caption)
    if data is not None:
        made.add_field("file", data, filename="a.mp4", content_type="video/mp4")
    return made


async def test_a_form_is_announced_once_its_size_is_known(gateway):
    gateway.node.replies[m.CompleteUpload] = b'{"video_id":"5005","status":"uploaded"}'
    headers = {"Idempotency-Key": "k"}
    status, told, _ = await gateway.call(
        "POST", "/upload/video", data=form(" hi "), headers=headers
    )
    assert (status, told) == (202, {"video_id": "5005", "status": "uploaded"})
    (_, create, first), (_, complete, second) = gateway.node.asked
    assert create == m.CreateUpload(caption="hi", size_bytes=1_000, content_type="video/mp4")
    assert complete == m.CompleteUpload(video_id=VIDEO, stored_bytes=1_000)
    assert first.op_id != second.op_id
    assert gateway.blobs.blobs == {f"quarantine/{VIDEO}/clip": b"v" * 1_000}
    assert gateway.blobs.open_writers == 0


async def test_a_repeated_form_does_not_touch_what_is_stored(gateway):
    gateway.node.replies[m.CreateUpload] = ticket(status="processing")
    headers = {"Idempotency-Key": "k"}
    await gateway.call("POST", "/upload/video", data=form(), headers=headers)
    await gateway.call("POST", "/upload/video", data=form(), headers=headers)
    await gateway.call("POST", "/upload/video", data=form(data=b"other"), headers=headers)
    first, again, other = [
        caller for _, message, caller in gateway.node.asked if isinstance(message, m.CreateUpload)
    ]
    assert (first.op_id, first.digest) == (again.op_id, again.digest)
    assert first.digest != other.digest
    assert gateway.blobs.blobs == {}


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (lambda: form(caption=None), 400),
        (lambda: form(data=None), 400),
        (lambda: form(data=b""), 400),
        (lambda: form(caption="x" * 301), 400),
        (lambda: form(extra=[("admin", "1")]), 400),
        (lambda: form(extra=[("caption", "again")]), 400),
        (lambda: form(caption="x" * 40_000), 413),
    ],
)
async def test_a_wrong_form_leaves_nothing(gateway, sent, status):
    answered, problem, _ = await gateway.call("POST", "/upload/video", data=sent())
    assert answered == status, problem
    assert gateway.node.asked == []
    assert gateway.blobs.blobs == {}
    assert gateway.blobs.open_writers == 0


async def test_an_upload_that_breaks_off_has_never_existed(gateway):
    async def half():
        yield (
            b'--B\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
            + b"v" * 9_000
        )
        await asyncio.sleep(0.05)
        raise ConnectionError

    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        await gateway.call(
            "POST",
            "/upload/video",
            data=half(),
            headers={"Content-Type": "multipart/form-data; boundary=B"},
        )
    await until(lambda: not gateway.blobs.open_writers)
    assert gateway.blobs.blobs == {}
    assert gateway.node.asked == []


async def test_without_a_store_of_ours_a_form_is_not_taken():
    async with serving(blobs=None) as gateway:
        status, problem, _ = await gateway.call("POST", "/upload/video", data=form())
        assert (status, problem["code"]) == (415, "unsupported_media")


async def test_completing_tells_what_the_store_has(gateway):
    gateway.blobs.blobs[f"quarantine/{VIDEO}/clip"] = b"12345"
    await gateway.call("POST", f"/upload/video/{VIDEO}/complete")
    assert gateway.node.last == m.CompleteUpload(video_id=VIDEO, stored_bytes=5)


async def test_a_way_to_the_store_is_told_only_while_the_file_is_awaited(gateway):
    _, told, _ = await gateway.call("GET", f"/upload/video/{VIDEO}")
    assert told["upload"]["url"] == "http://store/upload"
    failed = ticket(status="failed", error_code="too_long", error_title="Too long", rungs=("360p",))
    gateway.node.replies[m.GetUpload] = failed
    _, told, _ = await gateway.call("GET", f"/upload/video/{VIDEO}")
    assert told == {
        "video_id": str(VIDEO),
        "status": "failed",
        "progress": 0.0,
        "renditions": [{"name": "360p", "state": "ready"}],
        "error": {"code": "too_long", "title": "Too long"},
    }


def signed_form(data, policy="good", before=True):
    made = aiohttp.FormData(default_to_multipart=True)
    if before:
        made.add_field("policy", policy)
    made.add_field("file", data, filename="a.mp4", content_type="video/mp4")
    if not before:
        made.add_field("policy", policy)
    return made


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (lambda: signed_form(b"0123456789"), 204),
        (lambda: signed_form(b"012345678"), 400),
        (lambda: signed_form(b"0123456789x"), 413),
        (lambda: signed_form(b"0" * 1_000_000), 413),
        (lambda: signed_form(b"0123456789", policy="forged"), 403),
        (lambda: signed_form(b"0123456789", before=False), 403),
    ],
)
async def test_our_store_takes_a_form_only_as_it_was_signed(gateway, sent, status):
    assert (await gateway.call("POST", "/store/upload", data=sent()))[0] == status
    kept = {"quarantine/5005": b"0123456789"} if status == 204 else {}
    assert gateway.blobs.blobs == kept
    assert gateway.blobs.open_writers == 0


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("data", "changes", "status"),
    [
        (b"0123456789", {}, 200),
        (b"012345678", {}, 400),
        (b"0123456789x", {}, 413),
        (b"0123456789", {"signature": "forged"}, 403),
        (b"0123456789", {"type": "text/html"}, 415),
        (b"0123456789", {"name": "quarantine/5006"}, 403),
    ],
)
async def test_our_store_takes_a_put_only_as_it_was_signed(gateway, data, changes, status, chunked):
    async def pieces():
        yield data

    name, signature = changes.get("name", "quarantine/5005"), changes.get("signature", "good")
    answered, _, _ = await gateway.call(
        "PUT",
        f"/store/upload/{name}?signature={signature}",
        data=pieces() if chunked else data,
        headers={"Content-Type": changes.get("type", "video/mp4")},
    )
    assert answered == status
    assert gateway.blobs.blobs == ({"quarantine/5005": data} if status == 200 else {})
    assert gateway.blobs.open_writers == 0


async def test_a_picture_is_encoded_kept_and_shown(gateway):
    status, _, _ = await gateway.call(
        "POST", "/user/me/avatar", data=b"picture", headers={"Content-Type": "image/png"}
    )
    assert status == 200
    ((name, data),) = gateway.blobs.blobs.items()
    assert name.startswith(f"a/{ME}/")
    assert data == b"jpeg:picture"
    assert gateway.node.last == m.SetAvatar(name=name)


async def test_another_picture_under_the_same_key_is_another_request(gateway):
    headers = {"Content-Type": "image/png", "Idempotency-Key": "k"}
    for data in (b"picture 1", b"picture 1", b"picture 2"):
        await gateway.call("POST", "/user/me/avatar", data=data, headers=headers)
    first, again, other = [caller for _, _, caller in gateway.node.asked]
    assert first.op_id == again.op_id == other.op_id
    assert first.digest == again.digest != other.digest


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"picture", "image/gif", 415),
        (b"nothing", "image/png", 400),
        (b"x" * 2_500_000, "image/png", 413),
    ],
)
async def test_a_wrong_picture_is_refused(gateway, data, content_type, status):
    headers = {"Content-Type": content_type}
    answer = await gateway.call("POST", "/user/me/avatar", data=io.BytesIO(data), headers=headers)
    assert answer[0] == status
    assert gateway.blobs.blobs == {}


@pytest.fixture
def media(gateway):
    gateway.blobs.blobs["v/5/1/a.mp4"] = bytes(range(100))
    now_ms = gateway.edge.clock.unix_ms()
    base = gateway.links.base("v/5/1/", expires_ms=gateway.links.expiry_ms(now_ms))
    return base.replace("http://media", "/media") + "a.mp4"


async def test_media_are_served_whole_and_for_ever(gateway, media):
    status, body, headers = await gateway.call("GET", media)
    assert (status, body) == (200, bytes(range(100)))
    assert headers["Content-Type"] == "video/mp4"
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["X-Content-Type-Options"] == "nosniff"
    again = {"If-None-Match": headers["ETag"]}
    assert (await gateway.call("GET", media, headers=again))[:2] == (304, b"")


@pytest.mark.parametrize(
    ("wanted", "status", "body", "told"),
    [
        ("bytes=0-9", 206, bytes(range(10)), "bytes 0-9/100"),
        ("bytes=95-", 206, bytes(range(95, 100)), "bytes 95-99/100"),
        ("bytes=-3", 206, bytes(range(97, 100)), "bytes 97-99/100"),
        ("bytes=100-", 416, b"", "bytes */100"),
        ("bytes=5-1", 200, bytes(range(100)), None),
    ],
)
async def test_a_range_of_media_is_served_alone(gateway, media, wanted, status, body, told):
    answered, got, headers = await gateway.call("GET", media, headers={"Range": wanted})
    assert (answered, got, headers.get("Content-Range")) == (status, body, told)


async def test_the_length_of_media_is_told_without_them(gateway, media):
    status, body, headers = await gateway.call("HEAD", media)
    assert (status, body, headers["Content-Length"]) == (200, b"", "100")


async def test_a_forged_address_is_forbidden_and_an_old_one_gone(gateway, media):
    _, _, signature, expiry, rest = media.split("/", 4)
    for forged in (f"/media/{'A' * 22}/{expiry}/{rest}", f"/media/{signature}/9{expiry}/{rest}"):
        assert (await gateway.call("GET", forged))[0] == 403
    assert (await gateway.call("GET", media.replace("v/5/", "v/6/")))[0] == 403
    old = gateway.links.base("v/5/1/", expires_ms=1_000).replace("http://media", "/media")
    assert (await gateway.call("GET", old + "a.mp4"))[0] == 410


async def test_a_signed_address_of_anything_else_leads_nowhere(gateway):
    gateway.blobs.blobs["quarantine/5005"] = b"secret"
    now_ms = gateway.edge.clock.unix_ms()
    base = gateway.links.base("quarantine/5005", expires_ms=gateway.links.expiry_ms(now_ms))
    assert (await gateway.call("GET", base.replace("http://media", "/media")))[0] == 404
