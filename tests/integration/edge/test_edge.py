"""What the edge promises: one origin request for any crowd, nothing without a signature, nothing of the store."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import msgspec
import pytest

from tests.contracts.clock import until
from tests.integration.edge.conftest import opened_edge, seen

pytestmark = pytest.mark.engines

MIB = 1024 * 1024
CLIP = bytes(range(256)) * 10_000  # 2,560,000 bytes: three slices
NAME = "v/123/1/1080p.mp4"
SLICES = ("bytes=0-1048575", "bytes=1048576-2097151", "bytes=2097152-3145727")


@pytest.fixture
def clip(origin):
    origin.objects[NAME] = CLIP
    return CLIP


async def test_a_crowd_costs_the_store_one_request_for_each_slice(edge, origin, clip):
    origin.open.clear()
    crowd = [asyncio.ensure_future(edge.see(NAME)) for _ in range(50)]
    await until(lambda: origin.asked)
    # All others have come by the time that the first has its answer.
    await asyncio.sleep(0.3)
    origin.open.set()
    for status, _, body in await asyncio.gather(*crowd):
        assert (status, body == clip) == (200, True)
    assert origin.asked == Counter({(NAME, each): 1 for each in SLICES})


async def test_everybody_shares_one_copy_whatever_their_signature(edge, origin, clip):
    now_ms = edge.clock.unix_ms()
    for later in (3_600_000, 7_200_000, 10_800_000):
        status, _, body = await edge.ask(edge.sign(NAME, expires_ms=now_ms + later))
        assert (status, body == clip) == (200, True)
    assert sum(origin.asked.values()) == len(SLICES)


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-99", 0, 99),
        ("bytes=1048570-1048580", 1048570, 1048580),
        ("bytes=2000000-", 2_000_000, len(CLIP) - 1),
        ("bytes=-10", len(CLIP) - 10, len(CLIP) - 1),
        ("bytes=2559999-9999999", len(CLIP) - 1, len(CLIP) - 1),
    ],
)
async def test_a_range_comes_out_of_the_cache(edge, origin, clip, asked, first, last):
    await edge.see(NAME)
    origin.asked.clear()
    status, headers, body = await edge.see(NAME, range=asked)
    assert (status, body == clip[first : last + 1]) == (206, True)
    assert headers["Content-Range"] == f"bytes {first}-{last}/{len(clip)}"
    assert not origin.asked


async def test_a_cold_range_fetches_only_its_slices(edge, origin, clip):
    status, _, body = await edge.see(NAME, range="bytes=1500000-1500009")
    assert (status, body) == (206, clip[1_500_000:1_500_010])
    assert set(origin.asked) == {(NAME, SLICES[1])}


@pytest.mark.parametrize("asked", ["bytes=2560000-", "bytes=2560000-2560010", "bytes=99999999-"])
async def test_a_range_beyond_the_end_is_refused_without_a_word_of_the_store(edge, clip, asked):
    status, _, body = await edge.see(NAME, range=asked)
    assert status == 416
    assert b"InvalidRange" not in body


async def test_head_tells_the_size_and_sends_nothing(edge, origin, clip):
    status, headers, body = await edge.ask(edge.sign(NAME), "HEAD")
    assert (status, headers["Content-Length"], body) == (200, str(len(clip)), b"")
    assert set(origin.asked) <= {(NAME, SLICES[0])}


async def test_what_is_served_may_be_kept_for_ever_and_read_by_any_page(edge, clip):
    _, headers, _ = await edge.see(NAME, origin="https://app.example")
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Access-Control-Expose-Headers"].startswith(
        "Content-Length, Content-Range, ETag"
    )
    assert (headers["ETag"], headers["Content-Type"]) == ('"abc"', "video/mp4")
    assert headers["X-Content-Type-Options"] == "nosniff"


async def test_a_copy_that_is_still_right_is_not_sent_again(edge, clip):
    _, headers, _ = await edge.see(NAME)
    status, _, body = await edge.see(NAME, if_none_match=headers["ETag"])
    assert (status, body) == (304, b"")


async def test_a_page_may_ask_before_it_sends_a_range(edge, origin):
    status, headers, _ = await edge.ask(edge.sign(NAME), "OPTIONS", origin="https://app.example")
    assert (status, headers["Access-Control-Allow-Headers"]) == (204, "Range")
    assert "GET" in headers["Access-Control-Allow-Methods"]
    assert not origin.asked


async def test_the_store_learns_nothing_of_a_viewer_and_a_viewer_nothing_of_the_store(
    edge, origin, clip
):
    _, headers, _ = await edge.ask(
        edge.sign(NAME) + "?list-type=2&X-Amz-Date=x",
        cookie="a=b",
        authorization="Bearer x",
        x_amz_meta_y="z",
    )
    for each in origin.seen:
        assert set(each) == {"url", "Host", "Range", "Referer"}
        assert "?" not in each["url"]
    assert not {"Vary", "X-Amz-Request-Id", "Last-Modified"} & set(headers)
    assert "/" not in headers["Server"]


def refusal(answer):
    status, headers, body = answer
    told = msgspec.json.decode(body)
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Cache-Control"] == "no-store"
    assert (told["status"], told["request_id"]) == (status, headers["X-Request-Id"])
    return status, told["code"]


async def test_a_signature_opens_one_video_until_its_time(edge, origin, clip):
    url = edge.sign(NAME)
    origin.objects["v/124/1/1080p.mp4"] = CLIP
    assert (await edge.ask(url))[0] == 200
    forged = (
        url.replace("/v/123/", "/v/124/"),
        url.replace("/v/123/", "/a/123/"),
        url.replace("/media/", "/media/x"),
        url.replace(url.split("/")[4], "A" * 22),
        url.replace(url.split("/")[5], "9999999999"),
        url.replace(url.split("/")[5], "soon"),
        url.replace(url.split("/")[5], "9" * 40),
    )
    for each in forged:
        assert refusal(await edge.ask(each)) == (403, "forbidden"), each
    expired = edge.sign(NAME, expires_ms=edge.clock.unix_ms() - 2000)
    assert refusal(await edge.ask(expired)) == (410, "gone")
    assert not [name for name, _ in origin.asked if name != NAME]


async def test_a_stranger_key_opens_nothing(edge, clip):
    strangers = type(edge.links)(edge.links.url, b"x" * 32)
    base = strangers.base("v/123/", expires_ms=edge.clock.unix_ms() + 60_000)
    assert refusal(await edge.ask(f"{base}1/1080p.mp4")) == (403, "forbidden")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/test-media",
        "/test-media/v/123/1/1080p.mp4",
        "/test-quarantine/quarantine/1/clip",
        "/media/",
        "/media/x/1/quarantine/1/clip",
        "/media/x/1/v/",
        "/media/x/1/v/1/",
        "/media/x/1/v/one/clip",
        "/origin/test-media/v/1/1/x",
        "/nginx_status",
    ],
)
async def test_nothing_else_is_there(edge, origin, path):
    assert refusal(await edge.ask(edge.url + path)) == (404, "not_found")
    assert not origin.asked


@pytest.mark.parametrize(
    "way", ["../../a/9/1.jpg", "%2e%2e/%2e%2e/a/9/1.jpg", "..%2f..%2fa/9/1.jpg"]
)
async def test_no_way_leads_out_of_a_signed_prefix(edge, origin, way):
    origin.objects["a/9/1.jpg"] = b"secret"
    reader, writer = await asyncio.open_connection("127.0.0.1", int(edge.url.rpartition(":")[2]))
    path = edge.sign(NAME).removeprefix(edge.url).removesuffix("1/1080p.mp4") + way
    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    assert b"secret" not in answer
    assert answer.split()[1] in (b"403", b"404")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_nothing_can_be_written_through_the_edge(edge, origin, clip, method):
    assert refusal(await edge.ask(edge.sign(NAME), method)) == (405, "method_not_allowed")
    assert not origin.asked


async def test_an_absence_is_believed_for_a_second_only(edge, origin):
    assert refusal(await edge.see(NAME)) == (404, "not_found")
    origin.objects[NAME] = CLIP
    await seen(edge, NAME)


async def test_what_is_cached_is_served_without_the_store_and_the_rest_is_said_to_be_away(
    edge, origin, clip
):
    await edge.see(NAME)
    await origin.stop()
    status, _, body = await edge.see(NAME)
    assert (status, body == clip) == (200, True)
    answer = await edge.see("v/5/1/1080p.mp4")
    assert refusal(answer) == (503, "unavailable")
    assert answer[1]["Retry-After"] == "1"
    assert msgspec.json.decode(answer[2])["executed"] is False


@pytest.mark.parametrize("status", [500, 503])
async def test_a_store_that_fails_is_said_to_be_away(edge, origin, status):
    origin.status = status
    assert refusal(await edge.see(NAME)) == (503, "unavailable")


async def test_a_store_that_is_silent_is_given_up_and_asked_again_when_it_speaks(
    edge, origin, clip
):
    origin.open.clear()
    assert refusal(await edge.see(NAME)) == (503, "unavailable")
    origin.open.set()
    assert (await edge.see(NAME))[0] == 200


async def test_a_slow_viewer_holds_nobody_up(edge, origin, clip):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(edge.url.rpartition(":")[2]))
    path = edge.sign(NAME).removeprefix(edge.url)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await reader.readline()
    # It reads no further; the slices that it was sent are there for all.
    answers = await asyncio.gather(*(edge.see(NAME) for _ in range(10)))
    assert all(status == 200 and body == clip for status, _, body in answers)
    assert max(origin.asked.values()) == 1
    writer.close()


async def test_a_viewer_who_leaves_in_the_middle_spoils_nothing(edge, origin, clip):
    origin.open.clear()
    _, writer = await asyncio.open_connection("127.0.0.1", int(edge.url.rpartition(":")[2]))
    path = edge.sign(NAME).removeprefix(edge.url)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await until(lambda: origin.asked)
    writer.close()
    origin.open.set()
    status, _, body = await edge.see(NAME)
    assert (status, body == clip) == (200, True)
    assert origin.asked[NAME, SLICES[0]] <= 2


async def test_one_address_holds_no_more_connections_than_it_may(engines, origin, edge_settings):
    settings = replace(edge_settings, connections_per_address=2)
    origin.objects[NAME] = CLIP
    origin.open.clear()
    async with opened_edge(engines, origin, settings) as edge:
        held = [asyncio.ensure_future(edge.see(NAME)) for _ in range(2)]
        await until(lambda: origin.asked)
        await asyncio.sleep(0.2)
        assert refusal(await edge.see(NAME)) == (429, "rate_limited")
        origin.open.set()
        assert [status for status, _, _ in await asyncio.gather(*held)] == [200, 200]


async def test_the_store_is_never_asked_more_at_a_time_than_it_may(engines, origin, edge_settings):
    settings = replace(edge_settings, origin_connections=1)
    origin.objects |= {NAME: CLIP, "v/5/1/1080p.mp4": CLIP}
    origin.open.clear()
    async with opened_edge(engines, origin, settings) as edge:
        first = asyncio.ensure_future(edge.see(NAME))
        await until(lambda: origin.asked)
        assert refusal(await edge.see("v/5/1/1080p.mp4")) == (503, "unavailable")
        origin.open.set()
        assert (await first)[0] == 200
