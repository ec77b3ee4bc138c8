"""Metrics: one list, one page."""

import asyncio
import io

import msgspec
import pytest

from actors.caches import CacheStatistics
from actors.runtime import RuntimeStatistics
from ops.bounds import open_listener
from ops.fleet.meters import numbers, watch_adapter
from ops.logs import LinePipe
from ops.meters import (
    GatewayMeters,
    watch_bus,
    watch_cache,
    watch_database,
    watch_jobs,
    watch_logs,
    watch_runtime,
)
from ops.metrics import METRICS, Metrics, every_name, open_metrics_page
from storage.embedded.bus import BusStatistics
from storage.embedded.jobs import JobStatistics
from storage.embedded.runners import DatabaseStatistics
from storage.redis.statistics import RedisStatistics


@pytest.fixture
def metrics():
    return Metrics(version="1.2")


def page(metrics):
    return metrics.exposition().decode()


def test_the_list_and_the_type_name_the_same_metrics():
    assert set(METRICS) == set(every_name())
    assert all(
        name.endswith("_total") == (spec.kind == "counter") for name, spec in METRICS.items()
    )


def test_the_gateway_is_counted(metrics):
    meters = GatewayMeters(metrics)
    meters.request("GET /feed", 200, 0.004)
    meters.request("GET /feed", 200, 0.3)
    meters.sockets(5)
    meters.socket_closed(4408)
    watch_adapter(metrics, "redis", lambda: snapshot(RedisStatistics))
    text = page(metrics)
    assert 'kinora_http_requests_total{route="GET /feed",status="200"} 2.0' in text
    assert 'kinora_http_request_seconds_bucket{le="0.005",route="GET /feed"} 1.0' in text
    assert "kinora_sockets_open 5.0" in text
    assert 'kinora_sockets_closed_total{code="4408"} 1.0' in text
    assert "_created" not in text


def test_what_is_watched_is_read_when_the_page_is(metrics):
    waiting = [1]
    metrics.watch("kinora_mailbox_waiting", lambda: waiting[0])
    metrics.collect(
        lambda: [
            ("kinora_cache_entries", 7, {"cache": "cards"}),
            ("kinora_cache_entries", 8, {"cache": "profiles"}),
            ("kinora_commits_total", 9),
        ]
    )
    waiting[0] = 2
    text = page(metrics)
    assert "kinora_mailbox_waiting 2.0" in text
    assert 'kinora_cache_entries{cache="profiles"} 8.0' in text
    assert "kinora_commits_total 9.0" in text
    assert "# HELP kinora_commits_total Commits of shard state." in text
    assert 'kinora_build_info{version="1.2"} 1.0' in text


def test_every_bounded_part_of_the_product_is_on_the_page(metrics):
    watch_runtime(metrics, lambda: snapshot(RuntimeStatistics))
    watch_cache(metrics, "cards", lambda: snapshot(CacheStatistics))
    watch_bus(metrics, lambda: snapshot(BusStatistics))
    watch_database(metrics, lambda: snapshot(DatabaseStatistics))
    watch_jobs(metrics, lambda: snapshot(JobStatistics))
    pipe = LinePipe(io.StringIO(), 4)
    watch_logs(metrics, pipe)
    pipe.close()
    metrics.count("kinora_tasks_failed_total")
    meters = GatewayMeters(metrics)
    meters.request("GET /feed", 200, 0.004)
    meters.socket_closed(4408)
    watch_adapter(metrics, "redis", lambda: snapshot(RedisStatistics))
    text = page(metrics)
    assert [name for name in METRICS if name not in text] == []
    assert "kinora_watch_failures_total 0.0" in text
    for number in RedisStatistics.__struct_fields__:
        assert f'kinora_adapter{{adapter="redis",number="{number}"}} 1.0' in text


def test_numbers_within_numbers_are_shown_by_their_path():
    class Inner(msgspec.Struct, frozen=True, kw_only=True):
        node: str
        waiting: int

    class Outer(msgspec.Struct, frozen=True, kw_only=True):
        links: tuple[Inner, ...]
        up: bool
        inner: Inner

    inner = Inner(node="node-0", waiting=3)
    found = dict(numbers(Outer(links=(inner,), up=True, inner=inner)))
    assert found == {"links.node-0.waiting": 3, "up": True, "inner.waiting": 3}


def snapshot(kind):
    return kind(**dict.fromkeys(kind.__struct_fields__, 1))


def test_a_reader_that_fails_is_left_out_and_counted(metrics):
    metrics.watch("kinora_bus_waiting", lambda: 1 / 0)
    assert "kinora_bus_waiting" not in page(metrics)
    assert "kinora_watch_failures_total 2.0" in page(metrics)


def test_a_wrong_use_is_an_error_at_once(metrics):
    with pytest.raises(TypeError, match="not in the list"):
        metrics.watch("kinora_surprises", lambda: 1)
    with pytest.raises(TypeError, match="labels"):
        metrics.watch("kinora_cache_entries", lambda: 1)
    metrics.count("kinora_commits_total")
    with pytest.raises(TypeError, match="is a counter"):
        metrics.observe("kinora_commits_total", 1.0)


async def ask(port, request):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_the_page_has_a_port_of_its_own(metrics):
    listener = open_listener("127.0.0.1", 0, setting="KINORA_METRICS_PORT")
    port = listener.getsockname()[1]
    async with open_metrics_page(metrics, listener):
        answer = await ask(port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"kinora_build_info" in answer
        assert (await ask(port, b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 404")
        assert (await ask(port, b"PUT /metrics HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 405")
        assert await ask(port, b"x" * 20_000) == b""
