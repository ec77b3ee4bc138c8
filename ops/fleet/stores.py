"""The engines of a fleet as its processes open them: one way each, with its numbers on the metrics page.

Cassandra and Redis are waited for, since nothing can be decided without them; NATS and the object store are
not, so that a process starts and serves while they are away.
"""

from contextlib import AsyncExitStack

from ops.fleet.meters import watch_adapter
from ops.fleet.scaffold import Scaffold
from storage.cassandra.opening import open_cassandra
from storage.cassandra.session import Cassandra
from storage.minio.blobs import OnDiscard
from storage.minio.opening import MinioStore, open_minio
from storage.nats.opening import Nats, open_nats
from storage.redis.opening import Redis, open_redis


async def enter_cassandra(base: Scaffold, stack: AsyncExitStack) -> Cassandra:
    """The facts.

    Raises:
        EngineUnreachable: Cassandra does not answer.
    """
    cassandra = await base.entered(
        stack, "Cassandra", lambda: open_cassandra(base.settings.cassandra, base.clock)
    )
    watch_adapter(base.metrics, "cassandra", cassandra.statistics)
    return cassandra


async def enter_redis(base: Scaffold, stack: AsyncExitStack) -> Redis:
    """Shard state, and the limits that gateways share.

    Raises:
        EngineUnreachable: Redis does not answer.
    """
    settings = base.settings
    password = settings.redis_password.reveal() or None
    redis = await base.entered(
        stack,
        "Redis",
        lambda: open_redis(settings.redis, base.clock, base.tasks, password=password),
    )
    watch_adapter(base.metrics, "redis", redis.statistics)
    return redis


async def enter_nats(base: Scaffold, stack: AsyncExitStack) -> Nats:
    """Events, jobs and the shard table; it may come later."""
    opened = open_nats(
        base.settings.nats,
        base.clock,
        base.tasks,
        origin=base.incarnation,
        password=base.settings.nats_password.reveal() or None,
    )
    nats = await stack.enter_async_context(opened)
    watch_adapter(base.metrics, "nats", nats.statistics)
    return nats


async def enter_minio(
    base: Scaffold, stack: AsyncExitStack, *, on_discard: OnDiscard | None = None
) -> MinioStore:
    """The blobs; nothing is asked of their store yet."""
    opened = open_minio(
        base.settings.minio,
        access_key=base.settings.minio_access_key,
        secret_key=base.settings.minio_secret_key.reveal(),
        clock=base.clock,
        on_discard=on_discard,
    )
    minio = await stack.enter_async_context(opened)
    watch_adapter(base.metrics, "minio", minio.statistics)
    return minio
