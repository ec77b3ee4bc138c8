"""How the suites open an object store: our adapter on a real server, in buckets of this test's own."""

from __future__ import annotations

import asyncio
import itertools
import os
from contextlib import AsyncExitStack, asynccontextmanager

from minio import Minio

from actors.ports.clock import SystemClock
from storage.minio.opening import open_minio
from storage.minio.settings import MinioSettings

EDGE_KEY = "e" * 32

_NUMBERS = itertools.count()


def minio_settings(address, **more):
    """Settings for a server, with buckets that no other test has."""
    prefix = f"test-{os.getpid()}-{next(_NUMBERS)}-"
    return MinioSettings(
        **{"endpoint": address.endpoint, "bucket_prefix": prefix, "threads": 2, **more}
    )


@asynccontextmanager
async def opened(address, settings=None, clock=None, **more):
    """A store whose buckets are there, and are gone afterwards."""
    settings = settings or minio_settings(address)
    async with open_minio(
        settings,
        access_key=address.access_key,
        secret_key=address.secret_key,
        clock=clock or SystemClock(),
        **more,
    ) as store:
        await store.ensure_buckets(edge_key=EDGE_KEY)
        try:
            yield store
        finally:
            await asyncio.to_thread(remove_buckets, address, settings)


def remove_buckets(address, settings):
    """Leave nothing on a server that others use too."""
    client = driver(address)
    for kind in ("quarantine", "sources", "media"):
        bucket = settings.bucket_prefix + kind
        # MinIO shows what lies below a name only once that name is gone.
        while names := [each.object_name for each in client.list_objects(bucket, recursive=True)]:
            for name in names:
                client.remove_object(bucket, name)
        client.remove_bucket(bucket)


def driver(address):
    """Full power over the server, past our adapter."""
    return Minio(address.endpoint, address.access_key, address.secret_key, secure=False)


async def minio_blobs(engines, stack: AsyncExitStack):
    """What the suite of blob stores runs over."""
    return (await stack.enter_async_context(opened(engines.minio()))).bin
