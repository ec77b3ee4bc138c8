"""A cluster that tests may hurt, mended after each of them."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from redis import Connection

from ops.engines.redis import RedisShape
from storage.redis.opening import Redis
from storage.redis.tags import slot_of
from tests.contracts.redis import REDIS, open_test_redis
from tests.support.starter import RunningEngine

#: Failovers of the test's own cluster: a node that is silent for so long has failed.
NODE_TIMEOUT_MS = 1_000


@dataclass(frozen=True)
class Hurt:
    """Six nodes and a Redis over them."""

    running: RunningEngine
    redis: Redis

    @property
    def shards(self):
        return self.redis.shards

    def nodes(self, shard):
        """The processes that hold a shard: its master, and the master's replica."""
        alive = next(process for process in self.running.processes if process.alive)
        (row,) = [row for row in slots(alive.address) if row[0] <= slot_of(shard) <= row[1]]
        return [self.running.at(f"{host.decode()}:{port}") for host, port, *_ in row[2:]]


def slots(address):
    """The reply of CLUSTER SLOTS as Redis wrote it: first, last, then master and replicas."""
    host, _, port = address.rpartition(":")
    connection = Connection(host=host, port=int(port), socket_timeout=5)
    try:
        connection.send_command("CLUSTER", "SLOTS")
        return connection.read_response()
    finally:
        connection.disconnect()


@pytest.fixture(scope="session")
def own_cluster(engines):
    with engines.own_redis_cluster(RedisShape(node_timeout_ms=NODE_TIMEOUT_MS)) as running:
        mend(running)
        yield running


@pytest.fixture(params=REDIS)
async def hurt(request, own_cluster):
    async with open_test_redis(request.param, own_cluster.addresses) as redis:
        yield Hurt(own_cluster, redis)
        mend(own_cluster)


def mend(running):
    """All six alive and one again."""
    for process in running.processes:
        process.resume()
        if not process.alive:
            process.restart(wait=False)
    running.wait_ready()
    until = time.monotonic() + 30
    # A replica that was away is not listed until its peers have made up their minds.
    while any(len(row) < 4 for address in running.addresses for row in slots(address)):
        assert time.monotonic() < until, "a master has no replica"
        time.sleep(0.05)
