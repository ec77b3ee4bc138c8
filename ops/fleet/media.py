"""`open_fleet_media`: a media worker of a fleet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from media.encoder import SubprocessRunner
from media.worker import MediaWorker
from ops.fleet.meters import watch_adapter
from ops.fleet.scaffold import Scaffold
from storage.minio.opening import open_minio
from storage.nats.opening import open_nats


@asynccontextmanager
async def open_fleet_media(base: Scaffold) -> AsyncIterator[MediaWorker]:
    """A worker that takes jobs; at the end it gives back the one under way. Waits for no engine."""
    settings, clock, tasks = base.settings, base.clock, base.tasks
    async with AsyncExitStack() as stack:
        nats = await stack.enter_async_context(
            open_nats(
                settings.nats,
                clock,
                tasks,
                origin=base.incarnation,
                password=settings.nats_password.reveal() or None,
            )
        )
        minio = await stack.enter_async_context(
            open_minio(
                settings.minio,
                access_key=settings.minio_access_key,
                secret_key=settings.minio_secret_key.reveal(),
                clock=clock,
            )
        )
        scratch = base.data.scratch / base.name
        await asyncio.to_thread(scratch.mkdir, parents=True, exist_ok=True)
        worker = MediaWorker(
            base.name, nats.jobs, minio.store, SubprocessRunner(), clock, scratch, settings.media
        )
        watch_adapter(base.metrics, "nats", nats.statistics)
        watch_adapter(base.metrics, "minio", minio.statistics)
        working = tasks.spawn(worker.run(), name="media worker")
        try:
            yield worker
        finally:
            await worker.stop()
            await asyncio.gather(working, return_exceptions=True)
