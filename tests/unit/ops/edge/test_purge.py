"""A purge removes exactly the files of what is gone, and comes again."""

from __future__ import annotations

import pytest

from actors.ports.jobs import StoredBlob
from actors.tasks import TaskSet
from ops.edge.purge import CachePurger, cache_keys, cache_path
from ops.edge.settings import EdgeSettings
from tests.contracts.clock import ManualClock, until

SETTINGS = EdgeSettings(slice_bytes=100, purge_again_after_s=15.0, max_purge_again=3)


def blob(name, size=250):
    return StoredBlob(name=name, size_bytes=size, content_type="video/mp4", stored_ms=0)


@pytest.fixture
async def tasks():
    def alarm(name, error):
        raise AssertionError(f"task {name!r} failed") from error

    tasks = TaskSet(alarm)
    yield tasks
    await tasks.close()


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def purger(tmp_path, clock, tasks):
    return CachePurger(tmp_path, SETTINGS, clock=clock, tasks=tasks)


def cache(folder, name, size=250):
    paths = [cache_path(folder, key) for key in cache_keys(name, size, 100)]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"slice")
    return paths


async def test_every_slice_of_an_object_goes_and_no_other(purger, tmp_path):
    gone, kept = cache(tmp_path, "v/1/1/a.mp4"), cache(tmp_path, "v/2/1/a.mp4")
    assert await purger.purge([blob("v/1/1/a.mp4")]) == 3
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in kept)


async def test_a_purge_may_be_repeated(purger, tmp_path):
    cache(tmp_path, "v/1/1/a.mp4")
    assert [await purger.purge([blob("v/1/1/a.mp4")]) for _ in range(2)] == [3, 0]


async def test_what_was_written_during_a_purge_goes_a_while_later(purger, tmp_path, clock):
    await purger.purge([blob("v/1/1/a.mp4")])
    late = cache(tmp_path, "v/1/1/a.mp4")
    await until(lambda: clock.sleepers)
    clock.advance(14.9)
    assert all(path.exists() for path in late)
    clock.advance(0.1)
    await until(lambda: purger.purged == 3)


async def test_what_waits_to_be_purged_again_is_bounded(purger, tmp_path, clock):
    names = [f"v/{number}/1/a.mp4" for number in range(5)]
    await purger.purge([blob(name) for name in names])
    for name in names:
        cache(tmp_path, name)
    await until(lambda: clock.sleepers)
    clock.advance(15)
    await until(lambda: purger.purged == 9)
    assert "again=0" in repr(purger)


async def test_one_after_the_other_is_purged_again_at_its_own_time(purger, tmp_path, clock):
    await purger.purge([blob("v/1/1/a.mp4")])
    await until(lambda: clock.sleepers)
    clock.advance(10)
    await purger.purge([blob("v/2/1/a.mp4")])
    cache(tmp_path, "v/1/1/a.mp4")
    cache(tmp_path, "v/2/1/a.mp4")
    clock.advance(5)
    await until(lambda: purger.purged == 3)
    await until(lambda: clock.sleepers)
    clock.advance(10)
    await until(lambda: purger.purged == 6)
