"""`open_redis`: everything that Kinora keeps in Redis, behind one connection's worth of settings."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from actors.ports.clock import Clock
from actors.tasks import TaskSet
from storage.redis.limits import RedisLimits
from storage.redis.port import RedisPort
from storage.redis.router import Router
from storage.redis.scripts import Scripts, read_scripts
from storage.redis.settings import RedisSettings
from storage.redis.shard_store import RedisShardStore
from storage.redis.statistics import RedisStatistics


class Redis:
    """What Kinora keeps in Redis."""

    __slots__ = ("_router", "limits", "shards")

    def __init__(self, router: Router, settings: RedisSettings, clock: Clock) -> None:
        self._router = router
        #: Fills `actors.ports.shard_store.ShardStore`.
        self.shards = RedisShardStore(router, settings)
        #: Fills the gateway's port for shared limits.
        self.limits = RedisLimits(router, settings, clock)

    async def ping(self) -> None:
        """Every master answers, now.

        Raises:
            StorageUnavailable: one does not.
        """
        await self._router.ping()

    def statistics(self) -> RedisStatistics:
        """Numbers as of now."""
        return self._router.statistics()

    def __repr__(self) -> str:
        return f"<Redis {self._router!r}>"


@asynccontextmanager
async def open_redis(
    settings: RedisSettings,
    clock: Clock,
    tasks: TaskSet,
    *,
    password: str | None = None,
    limits_clock: Clock | None = None,
    scripts: Scripts | None = None,
) -> AsyncIterator[Redis]:
    """Redis, once a node of it has told the shape of the cluster.

    `clock` paces attempts, so it must be one that goes by itself; `limits_clock`, where it differs, tells the
    time to limits. Other `scripts` are for tests that prove that ours matter.

    Raises:
        StorageUnavailable: no start-up node answers, or the cluster is down.
    """
    async with _port(settings, password, tasks) as port:
        router = Router(port, scripts or read_scripts(), settings, clock, tasks)
        try:
            await router.ping()
            yield Redis(router, settings, limits_clock or clock)
        finally:
            router.close()


def _port(
    settings: RedisSettings, password: str | None, tasks: TaskSet
) -> AbstractAsyncContextManager[RedisPort]:
    # Only the one that is asked for is loaded: each takes a process a tenth of a second to start.
    if settings.client == "redis-py":
        from storage.redis.redispy_port import open_redispy

        return open_redispy(settings, password, tasks)
    from storage.redis.aioredis_port import open_aioredis

    return open_aioredis(settings, password)
