"""`open_fleet_media`: a media worker of a fleet."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from media.encoder import SubprocessRunner
from media.worker import MediaWorker
from ops.fleet.scaffold import Scaffold
from ops.fleet.stores import enter_minio, enter_nats


@asynccontextmanager
async def open_fleet_media(base: Scaffold) -> AsyncIterator[MediaWorker]:
    """A worker that takes jobs; at the end it gives back the one under way. Waits for no engine."""
    settings, clock, tasks = base.settings, base.clock, base.tasks
    async with AsyncExitStack() as stack:
        nats = await enter_nats(base, stack)
        minio = await enter_minio(base, stack)
        scratch = base.data.scratch / base.name
        await asyncio.to_thread(scratch.mkdir, parents=True, exist_ok=True)
        worker = MediaWorker(
            base.name, nats.jobs, minio.store, SubprocessRunner(), clock, scratch, settings.media
        )
        working = tasks.spawn(worker.run(), name="media worker")
        try:
            yield worker
        finally:
            await worker.stop()
            await asyncio.gather(working, return_exceptions=True)
