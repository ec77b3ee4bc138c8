"""The object store, opened: a driver with bounds, and the ports that it fills.

The driver waits five minutes and tries five times unless it is told otherwise; here each call has its own
timeouts, few tries, and a thread that is its own only so long.
"""

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import urllib3
from minio import Minio

from actors.ports.clock import Clock
from storage.minio.blobs import MinioBlobs, OnDiscard
from storage.minio.buckets import Optional, ensure_buckets
from storage.minio.calls import Calls
from storage.minio.objects import Objects
from storage.minio.settings import MinioSettings
from storage.minio.signing import Signer
from storage.minio.upload_policy import MinioUploadPolicies

#: Answers after which the same request is worth another try.
_TRY_AGAIN = (500, 502, 503, 504)


@dataclass(frozen=True, slots=True, kw_only=True)
class MinioStatistics:
    """What was asked of the store."""

    #: Calls that wait or run.
    waiting: int
    #: Calls that returned.
    done: int
    #: Calls that raised, refusals of ours included.
    failed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MinioStore:
    """One S3 server, by the port that asks it."""

    #: Fills `BlobBin`, `BlobStore` and `BlobGate`, under the name of each.
    bin: MinioBlobs
    store: MinioBlobs
    gate: MinioBlobs
    policies: MinioUploadPolicies
    _client: Minio
    _stranger: Minio
    _calls: Calls
    _settings: MinioSettings

    async def ensure_buckets(self, *, edge_key: str) -> tuple[Optional, ...]:
        """`storage.minio.buckets.ensure_buckets` of this store."""
        return await ensure_buckets(
            self._client, self._stranger, self._calls, self._settings, edge_key=edge_key
        )

    async def ping(self) -> None:
        """`MinioBlobs.ping`."""
        await self.bin.ping()

    def statistics(self) -> MinioStatistics:
        """What was asked of the store since it was opened."""
        calls = self._calls
        return MinioStatistics(waiting=calls.waiting, done=calls.done, failed=calls.failed)

    def __repr__(self) -> str:
        return f"<MinioStore {self._settings.endpoint} {self._calls!r}>"


@asynccontextmanager
async def open_minio(
    settings: MinioSettings,
    *,
    access_key: str,
    secret_key: str,
    clock: Clock,
    on_discard: OnDiscard | None = None,
) -> AsyncIterator[MinioStore]:
    """The store at `settings.endpoint`; its calls end, their work done or timed out, with the block.

    Nothing is asked of it here: a process starts while its store is away.
    """
    timeout = urllib3.Timeout(connect=settings.connect_timeout_s, read=settings.read_timeout_s)
    retries = urllib3.Retry(
        settings.retries,
        backoff_factor=settings.retry_first_s,
        status_forcelist=_TRY_AGAIN,
        # What the store says after the last try is read, not replaced by "too many tries".
        raise_on_status=False,
        redirect=0,
        # It may name any time, and a thread would sleep through it.
        respect_retry_after_header=False,
    )
    connections = urllib3.PoolManager(maxsize=settings.threads, timeout=timeout, retries=retries)
    driver = partial(
        Minio,
        settings.endpoint,
        secure=settings.secure,
        region=settings.region,
        http_client=connections,
    )
    client = driver(access_key, secret_key)
    threads = ThreadPoolExecutor(settings.threads, thread_name_prefix="minio")
    calls = Calls(threads, settings.max_waiting)
    objects = Objects(
        client,
        clock,
        part_bytes=settings.part_bytes,
        transfer_timeout_s=settings.transfer_timeout_s,
    )
    blobs = MinioBlobs(objects, calls, settings, on_discard)
    signer = Signer(access_key=access_key, secret_key=secret_key, region=settings.region)
    try:
        yield MinioStore(
            bin=blobs,
            store=blobs,
            gate=blobs,
            policies=MinioUploadPolicies(settings, signer, clock),
            _client=client,
            _stranger=driver(),
            _calls=calls,
            _settings=settings,
        )
    finally:
        await calls.close()
        connections.clear()
