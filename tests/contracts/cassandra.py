"""How the suites reach Cassandra: one keyspace a run, emptied before each test where the last one wrote."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from actors.ports.clock import SystemClock
from storage.cassandra.driver import Driver
from storage.cassandra.facts import CassandraFacts
from storage.cassandra.names import CassandraNames
from storage.cassandra.opening import open_driver
from storage.cassandra.schema import migrate
from storage.cassandra.session import Cassandra
from storage.cassandra.settings import CassandraSettings

#: The parameter of a fixture that any suite may be given.
CASSANDRA = pytest.param("cassandra", marks=pytest.mark.engines)

#: More than a request takes in production: a suite shares its two cores with Cassandra.
PATIENCE_S = 15.0


def settings_for(contact_points, keyspace, **more):
    return CassandraSettings(
        contact_points=contact_points,
        keyspace=keyspace,
        request_timeout_s=PATIENCE_S,
        connect_timeout_s=PATIENCE_S,
        second_try_s=PATIENCE_S,
        # So small that every list of a suite is read in several pieces.
        page_rows=5,
        ids_per_statement=3,
        **more,
    )


class Keyspace:
    """A migrated keyspace and a driver on it, for tests one after the other."""

    def __init__(self, driver: Driver, settings: CassandraSettings) -> None:
        self.driver = driver
        self.settings = settings

    def emptied(self, clock) -> Cassandra:
        """A connection on the running loop, to tables without a row."""
        session = self.driver.session
        keyspace = self.settings.keyspace
        tables = session.cluster.metadata.keyspaces[keyspace].tables
        names = [f"{keyspace}.{name}" for name in tables if name not in ("migrations", "meta")]
        looked = [session.execute_async(f"SELECT * FROM {name} LIMIT 1") for name in names]
        # Truncating costs some milliseconds a table, so only those that the last test wrote to.
        used = [name for name, each in zip(names, looked, strict=True) if list(each.result())]
        for each in [session.execute_async(f"TRUNCATE {name}") for name in used]:
            each.result()
        return Cassandra(self.driver, clock, self.settings)


@contextmanager
def open_keyspace(contact_points):
    """A keyspace of this run's own, gone afterwards."""
    settings = settings_for(contact_points, f"kinora_test_{os.getpid()}")
    # A fixture may be asked for on a running loop; this needs one of its own.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(migrate(settings, SystemClock()))).result()
    driver = open_driver(settings)
    try:
        yield Keyspace(driver, settings)
        driver.execute(
            f"DROP KEYSPACE IF EXISTS {settings.keyspace}", timeout_s=settings.schema_timeout_s
        )
    finally:
        driver.close()


def cassandra_facts(keyspace: Keyspace, clock) -> CassandraFacts:
    return CassandraFacts(keyspace.emptied(clock))


def cassandra_names(keyspace: Keyspace, clock) -> CassandraNames:
    return CassandraNames(keyspace.emptied(clock))
