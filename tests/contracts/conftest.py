"""Which adapters the suites run over.

A suite names a port by its fixture (`store`, `facts`, `bus`, `jobs`, `blobs`, `names`, `limits`). Another technology
is one more parameter of that fixture; the suites stay as they are.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial

import pytest

from actors.ports.clock import SystemClock
from actors.ports.ingest import StoredUpload
from actors.tasks import TaskSet
from sharding.shards import SHARD_COUNT
from storage.embedded.blobs import open_blobs
from storage.embedded.bus import BusSettings, InProcessBus
from storage.embedded.database import MEMORY, open_database
from storage.embedded.disk import InlineDisk, open_disk
from storage.embedded.facts import SqliteFacts
from storage.embedded.jobs import open_jobs
from storage.embedded.limits import InProcessLimits
from storage.embedded.names import SqliteNames
from storage.embedded.runners import InlineRunner
from storage.embedded.shard_store import SqliteShardStore
from storage.embedded.table import InProcessTable
from storage.embedded.thread_runner import ThreadRunner
from storage.embedded.uploads_feed import InProcessUploads
from storage.minio.blobs import MinioBlobs
from tests.contracts.cassandra import CASSANDRA, cassandra_facts, cassandra_names, open_keyspace
from tests.contracts.clock import ManualClock
from tests.contracts.minio import minio_blobs
from tests.contracts.nats import NATS, nats_settings, open_test_nats, tell_of_stored
from tests.contracts.redis import REDIS, open_test_redis

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


@pytest.fixture(params=[*EMBEDDED, *REDIS])
async def store(request, stack, clock, tmp_path):
    if request.param.startswith("redis-"):
        nodes = request.getfixturevalue("engines").redis()
        return (await stack.enter_async_context(open_test_redis(request.param, nodes))).shards
    return SqliteShardStore(await embedded(request, stack, clock, tmp_path))


@pytest.fixture(params=["embedded", *REDIS])
async def limits(request, stack, clock):
    if request.param == "embedded":
        return InProcessLimits(clock)
    nodes = request.getfixturevalue("engines").redis()
    opening = open_test_redis(request.param, nodes, limits_clock=clock)
    return (await stack.enter_async_context(opening)).limits


@pytest.fixture(scope="session")
def cassandra_keyspace(engines):
    with open_keyspace(engines.cassandra()) as keyspace:
        yield keyspace


@pytest.fixture(params=[*EMBEDDED, CASSANDRA])
async def facts(request, stack, clock, tmp_path):
    if request.param == "cassandra":
        return cassandra_facts(request.getfixturevalue("cassandra_keyspace"), clock)
    return SqliteFacts(await embedded(request, stack, clock, tmp_path))


@pytest.fixture(params=[*EMBEDDED, CASSANDRA])
async def names(request, stack, clock, tmp_path):
    if request.param == "cassandra":
        return cassandra_names(request.getfixturevalue("cassandra_keyspace"), clock)
    return SqliteNames(await embedded(request, stack, clock, tmp_path), clock)


@pytest.fixture(params=[*EMBEDDED, NATS])
async def jobs(request, stack, clock, tmp_path, tasks):
    if request.param == "nats":
        settings = nats_settings(request.getfixturevalue("engines").nats())
        nats = await stack.enter_async_context(open_test_nats(settings, tasks, clock))
        nats.follower.follow(range(SHARD_COUNT))
        return nats.jobs
    database = await embedded(request, stack, clock, tmp_path)
    return await stack.enter_async_context(open_jobs(database, clock, tasks))


@pytest.fixture(params=["embedded", "embedded-serialising", NATS])
async def bus(request, stack, clock, tasks):
    if request.param == "nats":
        settings = nats_settings(request.getfixturevalue("engines").nats())
        nats = await stack.enter_async_context(open_test_nats(settings, tasks))
        nats.follower.follow(range(SHARD_COUNT))
        yield nats.bus
        return
    serialise = request.param == "embedded-serialising"
    bus = InProcessBus(clock, tasks, BusSettings(serialise=serialise))
    yield bus
    bus.close()


@pytest.fixture(params=["embedded", NATS])
async def holders(request, stack, tasks):
    """Makes ports of two processes that see the same shard table."""
    if request.param == "embedded":
        table = InProcessTable()
        return table, table
    settings = nats_settings(request.getfixturevalue("engines").nats())
    first = await stack.enter_async_context(open_test_nats(settings, tasks))
    second = await stack.enter_async_context(open_test_nats(settings, tasks))
    return first.table, second.table


@pytest.fixture(params=["embedded", NATS])
async def uploads(request, stack, tasks):
    """The feed, and what makes the news of a stored object arrive."""
    if request.param == "embedded":
        feed = InProcessUploads(SystemClock(), tasks)

        async def arrive(video_id, size_bytes):
            feed.stored(StoredUpload(video_id=video_id, size_bytes=size_bytes))

        return feed, arrive
    settings = nats_settings(request.getfixturevalue("engines").nats())
    nats = await stack.enter_async_context(open_test_nats(settings, tasks))
    nats.follower.follow(range(SHARD_COUNT))
    return nats.uploads, partial(tell_of_stored, settings)


@pytest.fixture(
    params=[
        "embedded-inline",
        "embedded-threads",
        pytest.param("minio", marks=pytest.mark.engines),
    ]
)
async def blobs(request, stack, clock, tmp_path):
    if request.param == "minio":
        return await minio_blobs(request.getfixturevalue("engines"), stack)
    inline = request.param == "embedded-inline"
    disk = InlineDisk() if inline else await stack.enter_async_context(open_disk(2))
    return await open_blobs(tmp_path / "blobs", clock, disk)


@pytest.fixture
def store_clock(blobs, clock):
    """What a blob store dates its blobs by: ours where it is in process, its machine's where it is not."""
    return SystemClock() if isinstance(blobs, MinioBlobs) else clock
