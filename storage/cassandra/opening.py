"""How a process comes to its Cassandra: connect, check the schema, prepare every statement, all on a thread.

Everything is prepared at the start: a statement that does not fit the tables is found then, and none has to
be prepared while nodes are down.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from types import ModuleType

from actors.ports.clock import Clock
from storage.cassandra import (
    comment_trees,
    facts_comments,
    facts_deeds,
    facts_people,
    facts_videos,
    minters,
    names,
    reading,
    session,
    tables,
)
from storage.cassandra.driver import Driver, connect
from storage.cassandra.schema import check
from storage.cassandra.session import Cassandra
from storage.cassandra.settings import CassandraSettings
from storage.cassandra.statements import Statement

_MODULES: tuple[ModuleType, ...] = (
    comment_trees,
    facts_comments,
    facts_deeds,
    facts_people,
    facts_videos,
    minters,
    names,
    reading,
    session,
    tables,
)


@asynccontextmanager
async def open_cassandra(settings: CassandraSettings, clock: Clock) -> AsyncIterator[Cassandra]:
    """A connection until the block ends; to a keyspace that `kinora migrate` has made.

    Raises:
        StorageUnavailable: no node answers; worth trying again.
        WrongDatabase: migrations are missing, or the keyspace was made for other shards.
    """
    driver = await asyncio.to_thread(open_driver, settings)
    try:
        cassandra = Cassandra(driver, clock, settings)
        try:
            yield cassandra
        finally:
            cassandra.close()
    finally:
        await asyncio.to_thread(driver.close)


def open_driver(settings: CassandraSettings) -> Driver:
    """A connected driver with every statement prepared. Blocks.

    Raises:
        StorageUnavailable, WrongDatabase: as `open_cassandra`.
    """
    driver = connect(settings)
    try:
        check(driver, settings)
        driver.prepare(every_statement())
    except BaseException:
        driver.close()
        raise
    return driver


def every_statement() -> Iterator[Statement]:
    """Each statement that is declared in this folder, and the writes of every table."""
    for module in _MODULES:
        for declared in vars(module).values():
            if isinstance(declared, Statement):
                yield declared
            elif isinstance(declared, dict) and declared:
                yield from (each for each in declared.values() if isinstance(each, Statement))
    for homes in tables.TARGETS.values():
        yield from (home.insert for home in homes)
