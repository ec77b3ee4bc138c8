"""Migrations on a real Cassandra: once, by one at a time, never changed afterwards."""

from __future__ import annotations

import asyncio
import itertools
import os
from dataclasses import replace

import pytest

from actors.ports.clock import SystemClock
from storage.cassandra import schema
from storage.cassandra.driver import connect
from storage.cassandra.schema import Migration, check, migrate
from storage.errors import WrongDatabase
from tests.contracts.cassandra import settings_for

pytestmark = pytest.mark.engines

_NUMBERS = itertools.count()

FIRST = Migration(
    name="0001_a.pre", phase="pre", text="CREATE TABLE IF NOT EXISTS a (b int PRIMARY KEY);"
)
SECOND = Migration(name="0002_c.post", phase="post", text="ALTER TABLE a ADD IF NOT EXISTS c int;")


@pytest.fixture
def settings(engines):
    keyspace = f"kinora_schema_{os.getpid()}_{next(_NUMBERS)}"
    settings = settings_for(engines.cassandra(), keyspace, schema_timeout_s=60.0)
    yield settings
    driver = connect(settings)
    driver.execute(f"DROP KEYSPACE IF EXISTS {keyspace}", timeout_s=60.0)
    driver.close()


async def test_phases_are_applied_apart_and_once(settings):
    clock, known = SystemClock(), [FIRST, SECOND]
    assert await migrate(settings, clock, phase="pre", known=known) == ["0001_a.pre"]
    assert await migrate(settings, clock, phase="pre", known=known) == []
    assert await migrate(settings, clock, phase="post", known=known) == ["0002_c.post"]
    assert await migrate(settings, clock, known=known) == []


async def test_two_at_once_apply_each_migration_once(settings):
    clock = SystemClock()
    # The tables of the lock itself: nothing can guard their making but that it may be repeated.
    await migrate(settings, clock, known=[])
    done = await asyncio.gather(*(migrate(settings, clock, known=[FIRST, SECOND]) for _ in "ab"))
    assert sorted(itertools.chain(*done)) == ["0001_a.pre", "0002_c.post"]


async def test_a_migration_that_changed_after_it_was_applied_is_refused(settings):
    await migrate(settings, SystemClock(), known=[FIRST])
    changed = replace(FIRST, text=FIRST.text.replace("b int", "b bigint"))
    with pytest.raises(WrongDatabase, match=r"0001_a\.pre"):
        await migrate(settings, SystemClock(), known=[changed])


async def test_a_keyspace_of_other_shards_or_without_our_tables_is_not_served_from(
    settings, monkeypatch
):
    await migrate(settings, SystemClock(), known=[FIRST])
    driver = await asyncio.to_thread(connect, settings)
    try:
        with pytest.raises(WrongDatabase, match="kinora migrate"):
            await asyncio.to_thread(check, driver, settings)
        monkeypatch.setattr(schema, "migrations", lambda: [FIRST])
        await asyncio.to_thread(check, driver, settings)
        monkeypatch.setitem(schema._IDENTITY, "shard_count", "4096")
        with pytest.raises(WrongDatabase, match="shard_count"):
            await asyncio.to_thread(check, driver, settings)
    finally:
        await asyncio.to_thread(driver.close)
