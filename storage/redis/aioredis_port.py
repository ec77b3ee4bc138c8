"""`AioredisClusterPort`: the cluster through aioredis-cluster.

Its cluster object keeps the table of slots, its connections carry our commands. What bites in that library
is kept out by how little of it is used: commands never go through the cluster object, which would try a write
again on a replica and gives EVAL_RO, FCALL and others to a random node; a connection serves exactly one line,
so nobody else's reply stalls it; and its unbounded queues stay short because the line bounds what is sent.
"""

import ssl
from asyncio import Future
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aioredis_cluster import create_redis_cluster
from aioredis_cluster.aioredis import RedisError, ReplyError, create_connection
from aioredis_cluster.errors import UncoveredSlotError

from sharding.shards import SHARD_COUNT
from storage.redis.faults import ErrorReply, Fault, LinkLost
from storage.redis.port import Address, Command
from storage.redis.settings import RedisSettings
from storage.redis.tags import slot_of


class _Link:
    """Fills `storage.redis.port.NodeLink`."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @property
    def closed(self) -> bool:
        return bool(self._connection.closed)

    def send(self, command: Command) -> "Future[Any]":
        if self._connection.closed:
            raise LinkLost("the link was closed", sent=False)
        try:
            answer: Future[Any] = self._connection.execute(*command)
        except (RedisError, OSError, RuntimeError) as error:
            # uvloop's word for a transport that was reset, before the library's reader has heard of it.
            self._connection.close()
            raise LinkLost(error, sent=False) from error
        return answer

    def close(self) -> None:
        self._connection.close()

    def __repr__(self) -> str:
        return f"<aioredis link {self._connection!r}>"


class AioredisClusterPort:
    """Fills `storage.redis.port.RedisPort`."""

    def __init__(self, cluster: Any, settings: RedisSettings, password: str | None) -> None:
        self._cluster = cluster
        self._settings = settings
        self._password = password

    async def masters(self) -> Mapping[int, Address]:
        """The table as the start-up nodes see it that say `cluster_state:ok`."""
        # The library looks anew by itself only after an error of its own, which it never has here.
        state = await self._cluster.connection._manager.reload_state()
        masters: dict[int, Address] = {}
        for slot in map(slot_of, range(SHARD_COUNT)):
            try:
                address = state.slot_master(slot).addr
            except UncoveredSlotError:
                continue
            masters[slot] = (address.host, address.port)
        return masters

    async def connect(self, address: Address) -> _Link:
        """A connection of its own, outside of the library's pools."""
        return _Link(
            await create_connection(
                address,
                ssl=_tls(self._settings),
                **_login(self._settings, self._password),
            )
        )

    def fault(self, error: Exception, *, sent: bool) -> Fault | None:
        """Replies keep their code; all else of the library is a lost link."""
        if isinstance(error, Fault):
            return error
        if isinstance(error, ReplyError):
            code, _, text = str(error).partition(" ")
            return ErrorReply(code, text)
        if isinstance(error, RedisError | OSError | TimeoutError):
            return LinkLost(error, sent=sent)
        return None

    async def close(self) -> None:
        """Close the library's own connections."""
        self._cluster.close()
        await self._cluster.wait_closed()

    def __repr__(self) -> str:
        return f"<AioredisClusterPort {self._cluster!r}>"


@asynccontextmanager
async def open_aioredis(
    settings: RedisSettings, password: str | None
) -> AsyncIterator[AioredisClusterPort]:
    """A port over a cluster that answered.

    Raises:
        StorageUnavailable: no start-up node answers, or none says that the cluster is well.
    """
    try:
        cluster = await create_redis_cluster(
            _addresses(settings),
            attempt_timeout=settings.attempt_timeout_s,
            connect_timeout=settings.connect_timeout_s,
            # One connection for a reload and one to spare; commands have their own.
            pool_minsize=1,
            pool_maxsize=2,
            ssl=_tls(settings),
            **_login(settings, password),
        )
    except (RedisError, OSError, TimeoutError) as error:
        raise LinkLost(error, sent=False).error(unknown=False) from error
    port = AioredisClusterPort(cluster, settings, password)
    try:
        yield port
    finally:
        await port.close()


def _addresses(settings: RedisSettings) -> list[Address]:
    parted = [node.rpartition(":") for node in settings.nodes]
    return [(host, int(port)) for host, _, port in parted]


def _tls(settings: RedisSettings) -> ssl.SSLContext | None:
    return ssl.create_default_context() if settings.tls else None


def _login(settings: RedisSettings, password: str | None) -> dict[str, Any]:
    return {"username": settings.username or None, "password": password}
