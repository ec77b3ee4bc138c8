"""Which adapters the suites run over.

A suite names a port by its fixture (`store`, `facts`, `bus`, `jobs`, `blobs`, `names`). Another technology
is one more parameter of that fixture; the suites stay as they are.
"""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from actors.tasks import TaskSet
from storage.embedded.blobs import open_blobs
from storage.embedded.bus import BusSettings, InProcessBus
from storage.embedded.database import MEMORY, open_database
from storage.embedded.disk import InlineDisk, open_disk
from storage.embedded.facts import SqliteFacts
from storage.embedded.jobs import open_jobs
from storage.embedded.names import SqliteNames
from storage.embedded.runners import InlineRunner
from storage.embedded.shard_store import SqliteShardStore
from storage.embedded.thread_runner import ThreadRunner
from tests.contracts.clock import ManualClock

EMBEDDED = ("embedded-memory", "embedded-file")


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
async def stack():
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def tasks():
    def alarm(name, error):
        raise AssertionError(f"task {name!r} failed") from error

    tasks = TaskSet(alarm)
    yield tasks
    await tasks.close()


async def embedded(request, stack, clock, tmp_path):
    if request.param == "embedded-memory":
        return await stack.enter_async_context(open_database(MEMORY, InlineRunner()))
    file = tmp_path / "kinora.db"
    return await stack.enter_async_context(open_database(file, ThreadRunner(clock)))


@pytest.fixture(params=EMBEDDED)
async def store(request, stack, clock, tmp_path):
    return SqliteShardStore(await embedded(request, stack, clock, tmp_path))


@pytest.fixture(params=EMBEDDED)
async def facts(request, stack, clock, tmp_path):
    return SqliteFacts(await embedded(request, stack, clock, tmp_path))


@pytest.fixture(params=EMBEDDED)
async def names(request, stack, clock, tmp_path):
    return SqliteNames(await embedded(request, stack, clock, tmp_path), clock)


@pytest.fixture(params=EMBEDDED)
async def jobs(request, stack, clock, tmp_path, tasks):
    database = await embedded(request, stack, clock, tmp_path)
    return await stack.enter_async_context(open_jobs(database, clock, tasks))


@pytest.fixture(params=["embedded", "embedded-serialising"])
async def bus(request, clock, tasks):
    serialise = request.param == "embedded-serialising"
    bus = InProcessBus(clock, tasks, BusSettings(serialise=serialise))
    yield bus
    bus.close()


@pytest.fixture(params=["embedded-inline", "embedded-threads"])
async def blobs(request, stack, clock, tmp_path):
    inline = request.param == "embedded-inline"
    disk = InlineDisk() if inline else await stack.enter_async_context(open_disk(2))
    return await open_blobs(tmp_path / "blobs", clock, disk)
