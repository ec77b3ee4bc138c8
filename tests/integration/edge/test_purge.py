"""What is removed is served no more, by the edge neither; and what becomes ready is there before it is asked for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from actors.ports.jobs import StoredBlob
from actors.tasks import TaskSet
from ops.edge.purge import CachePurger, cache_keys, cache_path
from ops.edge.warm import Warmer
from tests.contracts.clock import ManualClock, until

pytestmark = pytest.mark.engines

NAME = "v/123/1/1080p.mp4"
KEPT = "v/124/1/1080p.mp4"
CLIP = bytes(range(256)) * 10_000


def blob(name, size=2_560_000):
    return StoredBlob(name=name, size_bytes=size, content_type="video/mp4", stored_ms=0)


def cached_slices(edge, name):
    """How many slices of an object lie in the cache now."""
    folder = Path(edge.settings.cache_folder)
    paths = [cache_path(folder, key) for key in cache_keys(name, len(CLIP), 1024 * 1024)]
    return lambda: sum(path.exists() for path in paths)


@pytest.fixture
def purger(edge, clock, tasks):
    return CachePurger(Path(edge.settings.cache_folder), edge.settings, clock=clock, tasks=tasks)


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
async def tasks():
    def alarm(name, error):
        raise AssertionError(f"task {name!r} failed") from error

    tasks = TaskSet(alarm)
    yield tasks
    await tasks.close()


async def test_a_removed_object_is_not_served_from_the_cache(edge, origin, purger):
    origin.objects |= {NAME: CLIP, KEPT: CLIP}
    for name in (NAME, KEPT):
        assert (await edge.see(name))[0] == 200
        await until(lambda name=name: cached_slices(edge, name)() == 3)
    del origin.objects[NAME]
    assert (await edge.see(NAME))[0] == 200
    assert await purger.purge([blob(NAME)]) == 3
    status, headers, _ = await edge.see(NAME)
    assert (status, headers["Content-Type"]) == (404, "application/problem+json")
    assert (await edge.see(NAME, range="bytes=2000000-2000010"))[0] == 404
    origin.asked.clear()
    assert (await edge.see(KEPT))[0] == 200
    assert not origin.asked
    (nginx,) = edge.running.processes
    assert not [line for line in nginx.log_tail(99).splitlines() if "[crit]" in line]


async def test_an_answer_that_was_on_its_way_during_a_purge_goes_with_its_repetition(
    edge, origin, purger, clock
):
    origin.objects[NAME] = CLIP
    origin.open.clear()
    late = asyncio.ensure_future(edge.see(NAME, range="bytes=0-9"))
    await until(lambda: origin.asked)
    assert await purger.purge([blob(NAME)]) == 0
    origin.open.set()
    assert (await late)[0] == 206
    # A viewer has the bytes before the cache does.
    await until(cached_slices(edge, NAME))
    del origin.objects[NAME]
    await until(lambda: clock.sleepers)
    clock.advance(edge.settings.purge_again_after_s)
    await until(lambda: purger.purged == 1)
    assert (await edge.see(NAME))[0] == 404


async def test_what_was_purged_may_come_back(edge, origin, purger):
    origin.objects[NAME] = CLIP
    await edge.see(NAME)
    await purger.purge([blob(NAME)])
    status, _, body = await edge.see(NAME)
    assert (status, body == CLIP) == (200, True)


async def test_a_small_object_is_one_slice(edge, origin, purger):
    origin.objects["a/9/1.jpg"] = b"picture"
    assert (await edge.see("a/9/1.jpg"))[2] == b"picture"
    await until(cached_slices(edge, "a/9/1.jpg"))
    assert await purger.purge([blob("a/9/1.jpg", 7)]) == 1


async def test_a_warmed_object_starts_without_the_store(edge, origin):
    origin.objects |= {NAME: CLIP, KEPT: CLIP}
    warmer = Warmer(edge.session, edge.settings)
    assert await warmer.warm(map(edge.sign, (NAME, KEPT, "v/9/1/missing.mp4"))) == 2
    assert (warmer.warmed, warmer.failed) == (2, 1)
    origin.asked.clear()
    for name in (NAME, KEPT):
        assert (await edge.see(name, range="bytes=0-1048575"))[2] == CLIP[: 1024 * 1024]
    assert not origin.asked


async def test_warming_without_an_edge_is_a_count_and_no_error(edge):
    warmer = Warmer(edge.session, edge.settings)
    assert await warmer.warm(["http://127.0.0.1:1/media/x"]) == 0
    assert warmer.failed == 1


async def test_warming_never_takes_more_than_its_share(edge, origin):
    names = [f"v/{number}/1/x.mp4" for number in range(1, 9)]
    origin.objects |= dict.fromkeys(names, CLIP)
    origin.open.clear()
    warmer = Warmer(edge.session, replace(edge.settings, warm_together=2))
    warming = asyncio.ensure_future(warmer.warm(map(edge.sign, names)))
    await until(lambda: len(origin.asked) == 2)
    await asyncio.sleep(0.1)
    assert len(origin.asked) == 2
    origin.open.set()
    assert await warming == 8
