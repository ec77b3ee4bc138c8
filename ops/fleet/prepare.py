"""What a fleet needs within its engines, made once: tables, streams, buckets. Repeatable, from any machine.

The streams come before the buckets, because the store begins to tell of uploads as soon as it is asked to, and
what it tells must lie somewhere.
"""

import asyncio
import random
from collections.abc import Sequence

from actors.ports.clock import SystemClock
from actors.tasks import TaskSet
from ops.alarm import alarm_of
from ops.data_dir import share_data_dir
from ops.metrics import Metrics
from ops.settings import Settings
from ops.version import version
from sharding.errors import StorageUnavailable
from storage.cassandra.schema import Phase, migrate
from storage.minio.opening import open_minio
from storage.nats.opening import open_nats

#: The secret that the edge shows the object store, in the data folder.
EDGE_KEY = "edge.key"


async def prepare(settings: Settings, phase: Phase) -> Sequence[str]:
    """Bring everything up to date; what was done, a line each.

    Raises:
        StorageUnavailable: an engine does not answer; what was done stays done, and it can be repeated.
        WrongDatabase: the keyspace is not one for this build.
    """
    clock = SystemClock()
    names = await migrate(settings.cassandra, clock, phase=phase)
    done = [f"applied {name}" for name in names]
    if phase != "post":
        await _streams(settings, clock)
        done += [f"the object store has no {each}" for each in await _buckets(settings, clock)]
    return done


async def _streams(settings: Settings, clock: SystemClock) -> None:
    tasks = TaskSet(alarm_of(Metrics(version=version())))
    try:
        async with open_nats(
            settings.nats,
            clock,
            tasks,
            origin=f"migrate-{random.getrandbits(64):x}",
            password=settings.nats_password.reveal() or None,
        ) as nats:
            async with asyncio.timeout(settings.fleet.engine_wait_s):
                await nats.ready()
    except TimeoutError as error:
        raise StorageUnavailable("NATS does not answer.", executed=None) from error
    finally:
        await tasks.close()


async def _buckets(settings: Settings, clock: SystemClock) -> Sequence[str]:
    edge_key = share_data_dir(settings.data_dir).word(EDGE_KEY)
    async with open_minio(
        settings.minio,
        access_key=settings.minio_access_key,
        secret_key=settings.minio_secret_key.reveal(),
        clock=clock,
    ) as minio:
        return await minio.ensure_buckets(edge_key=edge_key)
