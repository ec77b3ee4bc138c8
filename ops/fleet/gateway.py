"""`open_fleet_gateway`: what a gateway of a fleet is made of; the socket it serves on is its caller's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial

from actors.links.opening import connect
from actors.media_links import EdgeLinks
from gateway.deps import GatewayDeps
from gateway.fleet import FleetDeps, open_fleet
from gateway.keys import open_signing_keys
from gateway.sockets import SocketRegistry
from media.avatar import AvatarEncoder
from media.encoder import SubprocessRunner
from ops.fleet.meters import watch_adapter
from ops.fleet.scaffold import Scaffold, tls_of
from ops.fleet.stores import enter_cassandra, enter_minio, enter_nats, enter_redis
from ops.meters import GatewayMeters
from sharding.ids import IdMint
from storage.cassandra.minters import lease_minter
from storage.cassandra.names import CassandraNames


@asynccontextmanager
async def open_fleet_gateway(base: Scaffold) -> AsyncIterator[GatewayDeps]:
    """A gateway's collaborators, opened.

    Raises:
        EngineUnreachable: Cassandra (names, minter numbers) or Redis (shared limits) does not answer. Nodes, NATS
            and the object store are not waited for.
    """
    settings, clock, tasks = base.settings, base.clock, base.tasks
    async with AsyncExitStack() as stack:
        meters = GatewayMeters(base.metrics)
        cassandra = await enter_cassandra(base, stack)
        redis = await enter_redis(base, stack)
        nats = await enter_nats(base, stack)
        minio = await enter_minio(base, stack)
        lease = await base.patiently(
            "Cassandra", lambda: lease_minter(cassandra, tasks, base.dice, base.give_up)
        )
        sockets = SocketRegistry(settings.gateway, clock, base.dice, meters, name=base.incarnation)
        fleet = await stack.enter_async_context(
            open_fleet(
                FleetDeps(
                    name=base.incarnation,
                    nodes=settings.fleet.addresses(),
                    connect=partial(connect, ssl=tls_of(settings.fleet, listening=False)),
                    sockets=sockets,
                    settings=settings.caller,
                    clock=clock,
                    tasks=tasks,
                    random=base.dice,
                )
            )
        )
        nats.table.watch(fleet.see)
        watch_adapter(base.metrics, "fleet", fleet.statistics)

        async def nodes_answer() -> bool:
            # With some of them away their users wait; with all of them away nobody is served here.
            return any(fleet.up(name) for name in settings.fleet.addresses())

        yield GatewayDeps(
            settings=replace(settings.gateway, max_upload_bytes=settings.media.limits.max_bytes),
            node=fleet,
            names=CassandraNames(cassandra),
            ids=IdMint(lease.number, clock),
            keys=await asyncio.to_thread(open_signing_keys, base.data.secrets),
            policies=minio.policies,
            links=EdgeLinks(settings.media_url, base.data.secret("media-links.key")),
            encode_avatar=AvatarEncoder(SubprocessRunner()).encode_avatar,
            sockets=sockets,
            clock=clock,
            tasks=tasks,
            random=base.dice,
            metrics=meters,
            blobs=minio.gate,
            shared_limits=redis.limits,
            checks={"nodes": nodes_answer},
        )
