"""Redis Cluster under the suites: every store under a prefix of its own, which is removed afterwards."""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis as Node

from actors.ports.clock import SystemClock
from actors.tasks import TaskSet
from storage.redis.opening import open_redis
from storage.redis.settings import RedisSettings

#: Id of a parameter and the client library behind it.
CLIENTS = {"redis-aioredis": "aioredis-cluster", "redis-redispy": "redis-py"}

REDIS = tuple(pytest.param(name, marks=pytest.mark.engines) for name in CLIENTS)


@asynccontextmanager
async def open_test_redis(client, nodes, *, limits_clock=None, scripts=None, **more):
    """A Redis of one's own in the cluster that `nodes` belong to."""

    def alarm(name, error):
        raise AssertionError(f"task {name!r} failed") from error

    settings = RedisSettings(
        nodes=nodes,
        client=CLIENTS.get(client, client),
        prefix=f"kinora-test-{secrets.token_hex(6)}:",
        **more,
    )
    tasks = TaskSet(alarm)
    try:
        async with open_redis(
            settings, SystemClock(), tasks, limits_clock=limits_clock, scripts=scripts
        ) as redis:
            yield redis
    finally:
        await tasks.close()
        await wipe(nodes, settings.prefix)


async def wipe(nodes, prefix):
    """Remove every key under a prefix, where its masters still answer."""
    for host, port in await masters(nodes):
        async with Node(host=host, port=port, socket_timeout=5) as node:
            found = [key async for key in node.scan_iter(match=f"{prefix}*", count=10_000)]
            # One by one: keys of several slots cannot go in one command.
            async with node.pipeline(transaction=False) as pipeline:
                for key in found:
                    pipeline.unlink(key)
                await pipeline.execute()


async def masters(nodes):
    """Addresses of the masters, as the first node tells them."""
    host, _, port = nodes[0].rpartition(":")
    async with Node(host=host, port=int(port), socket_timeout=5) as node:
        slots = await node.execute_command("CLUSTER SLOTS")
        return sorted({(each[2][0].decode(), each[2][1]) for each in raw(slots)})


def raw(slots):
    """The reply of CLUSTER SLOTS as rows, however the library dresses it."""
    if isinstance(slots, dict):
        return [
            (first, last, (primary[0].encode(), primary[1]))
            for (first, last), entry in slots.items()
            for primary in [entry["primary"]]
        ]
    return slots
