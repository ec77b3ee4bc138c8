"""`open_fleet_node`: a node on real engines, and the door through which gateways reach it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import aiohttp
import structlog

from actors.cursors import Cursors
from actors.events import Broadcast, Published
from actors.links.door import NodeDoor
from actors.links.opening import open_door
from actors.links.pushes import RemoteSockets
from actors.links.wire import Hello
from actors.media import media_prefix
from actors.media_links import EdgeLinks
from actors.node import Node, NodePorts, NodeSettings
from actors.ports.facts import VideoFacts
from actors.ports.jobs import StoredBlob
from actors.ports.table import Member, Sighting
from ops.edge.purge import CachePurger
from ops.edge.warm import Warmer
from ops.fleet.meters import watch_adapter
from ops.fleet.scaffold import Scaffold, tls_of
from ops.fleet.settings import BadFleet
from ops.fleet.stores import enter_cassandra, enter_minio, enter_nats, enter_redis
from ops.meters import watch_cache, watch_runtime
from sharding.errors import KinoraError, StorageUnavailable
from sharding.ids import IdMint
from sharding.shards import shard_of
from sharding.table import Home, ShardTable
from storage.cassandra.facts import CassandraFacts
from storage.cassandra.minters import lease_minter
from storage.nats.opening import Nats

#: How often a node looks whether it has all shards that it wants, while it starts, in seconds.
_LOOK_S = 0.05

_LOG = structlog.get_logger("kinora")


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetNode:
    """A node that answers gateways."""

    node: Node
    door: NodeDoor
    address: str


class Table:
    """The shard table as this node knows it: the seed, until a better one is seen."""

    def __init__(self, me: str, seed: ShardTable) -> None:
        self._me = me
        self.current = seed

    def see(self, sighting: Sighting) -> None:
        """Go by what was seen."""
        if sighting.table is not None:
            self.current = sighting.table

    def whereabouts(self, shard: int) -> Home | None:
        """Who should have a shard that is not here; None where it should be here."""
        home = self.current.homes[shard]
        return None if home.node == self._me else home

    def __repr__(self) -> str:
        return f"<Table of {self._me} {self.current!r}>"


@asynccontextmanager
async def open_fleet_node(base: Scaffold) -> AsyncIterator[FleetNode]:
    """A node, serving; it leaves at the end: no more asks, everything written, its shards given up.

    Raises:
        EngineUnreachable: Cassandra or Redis does not answer. NATS and the object store are not waited for.
        BadFleet: this node is not one of the fleet.
    """
    settings, clock, tasks = base.settings, base.clock, base.tasks
    addresses = settings.fleet.addresses()
    if base.name not in addresses:
        raise BadFleet(f"{base.name} is not in KINORA_FLEET_NODES ({', '.join(addresses)}).")
    async with AsyncExitStack() as stack:
        cassandra = await enter_cassandra(base, stack)
        redis = await enter_redis(base, stack)
        nats = await enter_nats(base, stack)
        purger = CachePurger(
            Path(settings.edge.cache_folder), settings.edge, clock=clock, tasks=tasks
        )
        minio = await enter_minio(base, stack, on_discard=partial(_purge, purger, base))
        lease = await base.patiently(
            "Cassandra", lambda: lease_minter(cassandra, tasks, base.dice, base.give_up)
        )
        facts = CassandraFacts(cassandra)
        links = EdgeLinks(settings.media_url, base.data.secret("media-links.key"))
        sockets = RemoteSockets()
        node = Node(
            base.incarnation,
            NodePorts(
                store=redis.shards,
                facts=facts.writer,
                people=facts.people,
                videos=facts.videos,
                deeds=facts.deeds,
                comments=facts.comments,
                bus=nats.bus,
                jobs=nats.jobs,
                blobs=minio.bin,
                sockets=sockets,
                follower=nats.follower,
                uploads=nats.uploads,
            ),
            NodeSettings(
                runtime=settings.actors,
                feed=settings.feed,
                limits=settings.limits,
                media=settings.media.limits,
                public_url=settings.url_at(settings.port),
            ),
            clock=clock,
            tasks=tasks,
            mint=IdMint(lease.number, clock),
            links=links,
            cursors=Cursors(base.data.secret("cursors.key")),
            alarm=base.alarm,
        )
        table = Table(base.name, await _table(base, nats, sorted(addresses)))
        wanted = table.current.shards_of(base.name)
        door = NodeDoor(
            Hello(name=base.name, incarnation=base.incarnation),
            node.runtime,
            sockets,
            table.whereabouts,
            settings.door,
            clock=clock,
            tasks=tasks,
            alarm=base.alarm,
        )
        watch_runtime(base.metrics, node.runtime.statistics)
        watch_cache(base.metrics, "cards", node.library.cards.statistics)
        watch_cache(base.metrics, "profiles", node.library.profiles.statistics)
        watch_adapter(base.metrics, "door", door.statistics)
        await _started(base, node, wanted)
        stack.push_async_callback(node.stop)
        session = await stack.enter_async_context(aiohttp.ClientSession())
        warmer = Warmer(session, settings.edge)
        nats.bus.listen(_Warming(base, node, facts.videos, links, warmer).hear)
        nats.table.watch(table.see)
        tasks.spawn(door.watch(), name="door")
        await stack.enter_async_context(
            open_door(
                settings.fleet.listens(base.name),
                door.enter,
                ssl=tls_of(settings.fleet, listening=True),
            )
        )
        stack.push_async_callback(door.stop)
        member = Member(
            name=base.name,
            incarnation=base.incarnation,
            address=addresses[base.name],
            started_ms=clock.unix_ms(),
        )
        with suppress(StorageUnavailable):
            await nats.table.announce(member)
        stack.push_async_callback(_withdrawn, nats, member)
        yield FleetNode(node=node, door=door, address=addresses[base.name])


async def _started(base: Scaffold, node: Node, wanted: Sequence[int]) -> None:
    """Start, and wait for the shards of a predecessor whose end is not proven: for its leases, at most."""
    await base.patiently("Redis", lambda: node.start(proven_dead=base.dead, shards=wanted))
    end = base.clock.monotonic() + base.settings.actors.lease_ms / 1000 * 2
    while len(node.runtime.owned) < len(wanted) and base.clock.monotonic() < end:
        await base.clock.sleep(_LOOK_S)
    if len(node.runtime.owned) < len(wanted):
        # It serves what it has and goes on asking for the others.
        _LOG.warning("shards missing", owned=len(node.runtime.owned), wanted=len(wanted))


async def _table(base: Scaffold, nats: Nats, names: Sequence[str]) -> ShardTable:
    """The table in force, or the seed while nobody can say: all nodes compute the same one."""
    seed = ShardTable.seeded(names)
    try:
        async with asyncio.timeout(base.settings.fleet.table_wait_s):
            await nats.ready()
            return await nats.table.seed(seed)
    except (KinoraError, TimeoutError):
        return seed


async def _withdrawn(nats: Nats, member: Member) -> None:
    with suppress(StorageUnavailable):
        await nats.table.withdraw(member)


async def _purge(purger: CachePurger, base: Scaffold, objects: Sequence[StoredBlob]) -> None:
    """Take removed objects out of the edge's cache, where that lies on this machine."""
    try:
        await purger.purge(objects)
    except OSError as error:
        # They are gone from the store; the cache forgets them when their addresses expire.
        base.alarm("purge of the edge", error)


class _Warming:
    """Has the edge fetch the start of a video that everybody is about to be told of; its owner does."""

    def __init__(
        self, base: Scaffold, node: Node, videos: VideoFacts, links: EdgeLinks, warmer: Warmer
    ) -> None:
        self._base = base
        self._node = node
        self._videos = videos
        self._links = links
        self._warmer = warmer

    def hear(self, message: Broadcast) -> None:
        """A listener of the bus."""
        if (
            isinstance(message, Published)
            and shard_of(message.video_id) in self._node.runtime.owned
        ):
            video_id = message.video_id
            self._base.tasks.spawn(self._warm(video_id), name=f"warm {video_id}")

    async def _warm(self, video_id: int) -> None:
        expires_ms = self._links.expiry_ms(self._base.clock.unix_ms())
        with suppress(KinoraError):
            for record in await self._videos.videos((video_id,)):
                row = record.media
                if row is not None and row.media is not None:
                    prefix = media_prefix(video_id, row.generation)
                    where = self._links.base(prefix, expires_ms=expires_ms)
                    await self._warmer.warm([f"{where}{row.media.rungs[0].file}"])

    def __repr__(self) -> str:
        return f"<_Warming {self._warmer!r}>"
