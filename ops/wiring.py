"""The composition root: here, and only here, the parts of Kinora are introduced to each other.

Each `open_*` is an async context manager that reads from top to bottom in the order in which things need
each other; leaving it closes them in the reverse order. Nothing below this file opens anything by itself.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from actors.cursors import Cursors
from actors.media_links import MediaLinks
from actors.node import Node, NodePorts, NodeSettings
from actors.ports.clock import Clock, SystemClock
from actors.tasks import Alarm, TaskSet
from gateway.deps import GatewayDeps
from gateway.keys import open_signing_keys
from gateway.sockets import SocketRegistry
from media.avatar import AvatarEncoder
from media.encoder import SubprocessRunner
from media.worker import MediaWorker
from ops.alarm import alarm_of
from ops.data_dir import DataDir
from ops.meters import (
    GatewayMeters,
    watch_bus,
    watch_cache,
    watch_database,
    watch_jobs,
    watch_runtime,
)
from ops.metrics import Metrics
from ops.settings import Settings
from ops.version import version
from sharding.errors import StorageUnavailable
from sharding.ids import IdMint
from storage.embedded.blobs import FolderBlobs, open_blobs
from storage.embedded.bus import InProcessBus
from storage.embedded.database import Database, open_database
from storage.embedded.disk import open_disk
from storage.embedded.facts import SqliteFacts
from storage.embedded.jobs import JobStatistics, SqliteJobs, open_jobs
from storage.embedded.names import SqliteNames
from storage.embedded.schema import lease_minter
from storage.embedded.shard_store import SqliteShardStore
from storage.embedded.thread_runner import ThreadRunner
from storage.embedded.upload_policy import HmacUploadPolicies

#: Seconds between two counts of the jobs for the metrics page.
_JOBS_LOOK_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Everything embedded that outlives a process, opened."""

    database: Database
    facts: SqliteFacts
    shards: SqliteShardStore
    names: SqliteNames
    blobs: FolderBlobs
    jobs: SqliteJobs
    minter: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """The whole product, short of the socket that it is served on."""

    node: Node
    gateway: GatewayDeps
    worker: MediaWorker
    stores: Stores
    tasks: TaskSet


@asynccontextmanager
async def open_stores(
    settings: Settings, data: DataDir, clock: Clock, tasks: TaskSet
) -> AsyncIterator[Stores]:
    """What lies in a data folder that this process holds."""
    async with AsyncExitStack() as stack:
        disk = await stack.enter_async_context(open_disk())
        database = await stack.enter_async_context(
            open_database(data.database, ThreadRunner(clock, settings.database))
        )
        yield Stores(
            database=database,
            facts=SqliteFacts(database),
            shards=SqliteShardStore(database),
            names=SqliteNames(database, clock),
            blobs=await open_blobs(data.blobs, clock, disk),
            jobs=await stack.enter_async_context(open_jobs(database, clock, tasks, settings.jobs)),
            minter=await lease_minter(database),
        )


@asynccontextmanager
async def open_node(
    stores: Stores,
    settings: Settings,
    *,
    url: str,
    data: DataDir,
    bus: InProcessBus,
    sockets: SocketRegistry,
    clock: Clock,
    tasks: TaskSet,
    mint: IdMint,
    alarm: Alarm,
) -> AsyncIterator[Node]:
    """An owner of all shards, started; it gives them up at the end.

    The lock on the data folder proves that whoever owned them before does not run any more.
    """
    fences = await stores.shards.fences()
    node = Node(
        f"embedded-{stores.minter}-{clock.unix_ms()}",
        NodePorts(
            store=stores.shards,
            facts=stores.facts.writer,
            people=stores.facts.people,
            videos=stores.facts.videos,
            deeds=stores.facts.deeds,
            comments=stores.facts.comments,
            bus=bus,
            jobs=stores.jobs,
            blobs=stores.blobs,
            sockets=sockets,
        ),
        NodeSettings(
            runtime=settings.actors,
            feed=settings.feed,
            limits=settings.limits,
            media=settings.media.limits,
            public_url=url,
        ),
        clock=clock,
        tasks=tasks,
        mint=mint,
        links=MediaLinks(f"{url}/media", data.secret("media-links.key")),
        cursors=Cursors(data.secret("cursors.key")),
        alarm=alarm,
    )
    await node.start(proven_dead=(fences[0].owner,))
    try:
        yield node
    finally:
        await node.stop()


@asynccontextmanager
async def open_embedded(
    settings: Settings, *, url: str, data: DataDir, clock: Clock, metrics: Metrics, alarm: Alarm
) -> AsyncIterator[Embedded]:
    """The whole product in this process, on SQLite and a folder that this process holds."""
    async with AsyncExitStack() as stack:
        tasks = TaskSet(alarm)
        stack.push_async_callback(tasks.close)
        dice = random.Random()
        meters = GatewayMeters(metrics)
        stores = await stack.enter_async_context(open_stores(settings, data, clock, tasks))
        mint = IdMint(stores.minter, clock)
        sockets = SocketRegistry(settings.gateway, clock, dice, meters)
        bus = InProcessBus(clock, tasks, settings.bus)
        stack.callback(bus.close)
        node = await stack.enter_async_context(
            open_node(
                stores,
                settings,
                url=url,
                data=data,
                bus=bus,
                sockets=sockets,
                clock=clock,
                tasks=tasks,
                mint=mint,
                alarm=alarm,
            )
        )
        runner = SubprocessRunner()
        worker = MediaWorker(
            "embedded", stores.jobs, stores.blobs, runner, clock, data.scratch, settings.media
        )
        working = tasks.spawn(worker.run(), name="media worker")
        stack.push_async_callback(_stopped, worker, working)
        watch_runtime(metrics, node.runtime.statistics)
        watch_cache(metrics, "cards", node.library.cards.statistics)
        watch_cache(metrics, "profiles", node.library.profiles.statistics)
        watch_bus(metrics, bus.statistics)
        watch_database(metrics, stores.database.statistics)
        _watch_jobs(metrics, stores.jobs, clock, tasks)

        async def database_answers() -> bool:
            await stores.database.ping()
            return True

        async def blobs_answer() -> bool:
            await stores.blobs.ping()
            return True

        gateway = GatewayDeps(
            settings=replace(settings.gateway, max_upload_bytes=settings.media.limits.max_bytes),
            node=node.runtime,
            names=stores.names,
            ids=mint,
            keys=await asyncio.to_thread(open_signing_keys, data.secrets),
            policies=HmacUploadPolicies(
                f"{url}/store/upload", data.secret("upload-policy.key"), clock
            ),
            links=MediaLinks(f"{url}/media", data.secret("media-links.key")),
            encode_avatar=AvatarEncoder(runner).encode_avatar,
            sockets=sockets,
            clock=clock,
            tasks=tasks,
            random=dice,
            metrics=meters,
            blobs=stores.blobs,
            serves_store=True,
            checks={"database": database_answers, "blobs": blobs_answer},
        )
        yield Embedded(node=node, gateway=gateway, worker=worker, stores=stores, tasks=tasks)


def _watch_jobs(metrics: Metrics, jobs: SqliteJobs, clock: Clock, tasks: TaskSet) -> None:
    """Count the jobs now and then: a scrape must not wait for the database."""
    latest: list[JobStatistics | None] = [None]

    async def look() -> None:
        while True:
            try:
                latest[0] = await jobs.statistics()
            except StorageUnavailable:
                latest[0] = None
            await clock.sleep(_JOBS_LOOK_S)

    tasks.spawn(look(), name="job statistics")
    watch_jobs(metrics, lambda: latest[0])


async def _stopped(worker: MediaWorker, working: "asyncio.Task[None]") -> None:
    await worker.stop()
    await asyncio.gather(working, return_exceptions=True)


@asynccontextmanager
async def open_for_repair(settings: Settings, data: DataDir) -> AsyncIterator[Node]:
    """The owner of all shards of a data folder that this process holds, without serving anybody."""
    clock = SystemClock()
    alarm = alarm_of(Metrics(version=version()))
    async with AsyncExitStack() as stack:
        tasks = TaskSet(alarm)
        stack.push_async_callback(tasks.close)
        stores = await stack.enter_async_context(open_stores(settings, data, clock, tasks))
        bus = InProcessBus(clock, tasks, settings.bus)
        stack.callback(bus.close)
        node = await stack.enter_async_context(
            open_node(
                stores,
                settings,
                url="http://localhost",
                data=data,
                bus=bus,
                sockets=SocketRegistry(settings.gateway, clock, random.Random()),
                clock=clock,
                tasks=tasks,
                mint=IdMint(stores.minter, clock),
                alarm=alarm,
            )
        )
        yield node
