"""A Cassandra of the test's own, which may be killed and paused, with a product's keyspace in it."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from actors.ports.clock import SystemClock
from storage.cassandra.opening import open_cassandra
from storage.cassandra.schema import migrate
from storage.cassandra.settings import CassandraSettings

KEYSPACE = "kinora_faults"


def fault_settings(addresses, **more):
    given = {"request_timeout_s": 2.0, "schema_timeout_s": 60.0, **more}
    return CassandraSettings(contact_points=addresses, keyspace=KEYSPACE, **given)


@pytest.fixture(scope="module")
def own_cassandra(engines):
    # One node has no second copy of what it acked: its log is written before it answers.
    with engines.own_cassandra() as running:
        yield running


@pytest.fixture
async def connect_facts():
    """Migrates and connects; closed at the end of the test."""
    async with AsyncExitStack() as stack:

        async def connect(settings):
            await migrate(settings, SystemClock())
            return await stack.enter_async_context(open_cassandra(settings, SystemClock()))

        yield connect
