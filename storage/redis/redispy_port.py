"""`RedisPyPort`: the cluster through redis-py, ready for the day on which aioredis-cluster no longer serves.

Its cluster object keeps the table of slots; its connections know how to log in, pack commands and parse
answers, but ask and wait by turns. `_Link` pipelines over one of them: whatever is sent in one turn of the
loop leaves as one write, and a reader hands answers to whoever waits, in order.

Where aioredis-cluster holds hiredis below 3, this library uses its own parser, in Python; see the record.
"""

import asyncio
import math
from asyncio import Future
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import Connection, SSLConnection
from redis.exceptions import RedisClusterException, RedisError, ResponseError

from actors.tasks import TaskSet
from sharding.shards import SHARD_COUNT
from storage.redis.faults import ErrorReply, Fault, LinkLost
from storage.redis.port import Address, Command
from storage.redis.settings import RedisSettings
from storage.redis.tags import slot_of

#: Whatever the library raises; what it says of clusters stands outside of its own tree.
_DRIVERS_OWN = (RedisError, RedisClusterException, OSError, TimeoutError)


class _Link:
    """Fills `storage.redis.port.NodeLink`."""

    def __init__(self, connection: Connection, tasks: TaskSet) -> None:
        self._connection = connection
        self._owed: deque[Future[Any]] = deque()
        self._unsent: list[bytes] = []
        self._something_unsent = asyncio.Event()
        self._closed = False
        self._loop = asyncio.get_running_loop()
        name = f"redis link {connection.host}:{connection.port}"
        self._tasks = (
            tasks.spawn(self._write(), name=f"{name} out"),
            tasks.spawn(self._read(), name=f"{name} in"),
        )

    @property
    def closed(self) -> bool:
        return self._closed

    def send(self, command: Command) -> "Future[Any]":
        if self._closed:
            raise LinkLost("the link was closed", sent=False)
        answer: Future[Any] = self._loop.create_future()
        self._owed.append(answer)
        self._unsent += self._connection.pack_command(*command)
        self._something_unsent.set()
        return answer

    def close(self) -> None:
        self._end(LinkLost("the link was closed", sent=True))

    async def _write(self) -> None:
        try:
            while True:
                await self._something_unsent.wait()
                self._something_unsent.clear()
                unsent, self._unsent = self._unsent, []
                await self._connection.send_packed_command(unsent, check_health=False)
        except (RedisError, OSError) as error:
            self._end(LinkLost(error, sent=True))

    async def _read(self) -> None:
        connection, owed = self._connection, self._owed
        try:
            while True:
                answer: Any = None
                error: Exception | None = None
                try:
                    answer = await connection.read_response(
                        disable_decoding=True, timeout=math.inf, disconnect_on_error=False
                    )
                except ResponseError as reply:
                    error = reply
                future = owed.popleft()
                if future.done():
                    continue
                if error is None:
                    future.set_result(answer)
                else:
                    future.set_exception(error)
        except (RedisError, OSError, IndexError) as error:
            self._end(LinkLost(error, sent=True))
        finally:
            self._end(LinkLost("the link was closed", sent=True))
            await connection.disconnect(nowait=True)

    def _end(self, why: LinkLost) -> None:
        if self._closed:
            return
        self._closed = True
        for future in self._owed:
            if not future.done():
                future.set_exception(why)
        self._owed.clear()
        for task in self._tasks:
            task.cancel()

    def __repr__(self) -> str:
        return f"<redis-py link {self._connection!r} owed={len(self._owed)}>"


class RedisPyPort:
    """Fills `storage.redis.port.RedisPort`."""

    def __init__(
        self, cluster: RedisCluster, settings: RedisSettings, password: str | None, tasks: TaskSet
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._password = password
        self._tasks = tasks

    async def masters(self) -> Mapping[int, Address]:
        """The table as the first node tells it that answers."""
        nodes = self._cluster.nodes_manager
        await nodes.initialize()
        found = {slot: nodes.slots_cache.get(slot) for slot in map(slot_of, range(SHARD_COUNT))}
        return {slot: (each[0].host, int(each[0].port)) for slot, each in found.items() if each}

    async def connect(self, address: Address) -> _Link:
        """A connection of its own, outside of the library's pools."""
        make = SSLConnection if self._settings.tls else Connection
        connection = make(
            host=address[0],
            port=address[1],
            protocol=2,
            username=self._settings.username or None,
            password=self._password,
            socket_timeout=None,
            socket_connect_timeout=self._settings.connect_timeout_s,
        )
        await connection.connect()  # type: ignore[no-untyped-call]
        return _Link(connection, self._tasks)

    def fault(self, error: Exception, *, sent: bool) -> Fault | None:
        """Replies keep their code, which the library strips from some; all else is a lost link."""
        if isinstance(error, Fault):
            return error
        if isinstance(error, ResponseError):
            text = str(error)
            code = getattr(error, "status_code", None)
            if code is None:
                code, _, text = text.partition(" ")
            return ErrorReply(code, text)
        if isinstance(error, _DRIVERS_OWN):
            return LinkLost(error, sent=sent)
        return None

    async def close(self) -> None:
        """Close the library's own connections."""
        await self._cluster.aclose()

    def __repr__(self) -> str:
        return f"<RedisPyPort {self._cluster!r}>"


@asynccontextmanager
async def open_redispy(
    settings: RedisSettings, password: str | None, tasks: TaskSet
) -> AsyncIterator[RedisPyPort]:
    """A port over a cluster that answered.

    Raises:
        StorageUnavailable: no start-up node answers.
    """
    parted = [node.rpartition(":") for node in settings.nodes]
    cluster = RedisCluster(
        startup_nodes=[ClusterNode(host, int(port)) for host, _, port in parted],
        # A slot without a master hurts its shards, not those of the other slots.
        require_full_coverage=False,
        protocol=2,
        username=settings.username or None,
        password=password,
        ssl=settings.tls,
        socket_timeout=settings.attempt_timeout_s,
        socket_connect_timeout=settings.connect_timeout_s,
    )
    port = RedisPyPort(cluster, settings, password, tasks)
    try:
        try:
            await cluster.initialize()
        except _DRIVERS_OWN as error:
            raise LinkLost(error, sent=False).error(unknown=False) from error
        yield port
    finally:
        await port.close()
