"""The whole way of a video: put by a worker, warmed, seen through the edge, removed, seen no more."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from actors.tasks import TaskSet
from ops.edge.purge import CachePurger
from ops.edge.warm import Warmer
from tests.contracts.clock import ManualClock, until
from tests.contracts.minio import EDGE_KEY, minio_settings, opened
from tests.integration.edge.conftest import opened_edge, seen

pytestmark = pytest.mark.engines

NAME = "v/123/1/1080p.mp4"
CLIP = bytes(range(256)) * 40_000  # 10 slices, stored in two parts


def cached_files(edge):
    return [path for path in Path(edge.settings.cache_folder).rglob("*") if path.is_file()]


async def test_a_video_is_seen_by_all_and_after_its_removal_by_none(
    engines, edge_settings, tmp_path
):
    def alarm(name, error):
        raise AssertionError(f"task {name!r} failed") from error

    tasks = TaskSet(alarm)
    purger = CachePurger(
        Path(edge_settings.cache_folder), edge_settings, clock=ManualClock(), tasks=tasks
    )
    address = engines.minio()
    settings = minio_settings(address)
    origin = SimpleNamespace(address=address.endpoint)
    path = tmp_path / "clip"
    path.write_bytes(CLIP)
    async with (
        opened(address, settings, on_discard=purger.purge) as store,
        opened_edge(
            engines, origin, edge_settings, f"{settings.bucket_prefix}media", EDGE_KEY
        ) as edge,
    ):
        assert (await edge.see(NAME))[0] == 404
        await store.store.put(NAME, path, content_type="video/mp4")
        await store.store.put("other/1", path, content_type="video/mp4")
        status, headers, body = await seen(edge, NAME)
        assert (status, body == CLIP) == (200, True)
        assert headers["Content-Type"] == "video/mp4"
        assert not [name for name in headers if name.lower().startswith("x-amz")]
        assert await Warmer(edge.session, edge_settings).warm([edge.sign(NAME)]) == 1
        status, headers, body = await edge.see(NAME, range="bytes=10000000-10000099")
        assert (status, body) == (206, CLIP[10_000_000:10_000_100])
        assert headers["X-Cache"] == "HIT"
        await until(lambda: len(cached_files(edge)) == 10)
        assert await store.bin.discard("v/123/") == 1
        assert purger.purged == 10
        assert (await edge.see(NAME))[0] == 404
        assert (await edge.see(NAME, range="bytes=10000000-10000099"))[0] == 404
    await tasks.close()
