"""The one SQLite file: WAL, synchronous=FULL, one writer.

In WAL mode readers never wait for the writer; with synchronous=FULL a commit has reached the disk when it
returns, so an answer that left survives a power cut, not only a kill. Everything else in this folder is an
effect handed to a `Database`, which neither knows nor cares what it does.
"""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from storage.embedded.runners import DatabaseStatistics, Effect, Runner, T
from storage.embedded.schema import migrate

#: A database that lives and dies with its connection.
MEMORY = ":memory:"
#: How long a connection waits for another process (a backup, a shell) to let go, in milliseconds.
BUSY_TIMEOUT_MS = 5_000
#: The write-ahead log is cut back to this many bytes after a checkpoint.
WAL_LIMIT_BYTES = 64 * 1024 * 1024
#: Page cache of each connection, in KiB.
CACHE_KIB = 16 * 1024
#: Prepared statements that each connection keeps.
CACHED_STATEMENTS = 256


@dataclass(frozen=True, slots=True)
class SqliteSource:
    """Opens connections to one file, or the one connection to memory."""

    path: str

    @property
    def shared(self) -> bool:
        """Whether all use one connection, since another would see another memory."""
        return self.path == MEMORY

    def connect(self, *, reader: bool) -> sqlite3.Connection:
        """A connection in autocommit mode; one for reading cannot write."""
        connection = sqlite3.connect(
            self.path,
            isolation_level=None,
            check_same_thread=False,
            timeout=BUSY_TIMEOUT_MS / 1000,
            cached_statements=CACHED_STATEMENTS,
        )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA journal_size_limit={WAL_LIMIT_BYTES}")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        connection.execute(f"PRAGMA query_only={'ON' if reader else 'OFF'}")
        return connection


class Database:
    """Runs effects on the file; see `Runner` for what is promised."""

    __slots__ = ("_runner", "path")

    def __init__(self, path: str, runner: Runner) -> None:
        self.path = path
        self._runner = runner

    async def write(self, effect: Effect[T]) -> T:
        """Run `effect` in a transaction; its result, once that is durable."""
        return await self._runner.write(effect)

    async def read(self, effect: Effect[T]) -> T:
        """Run `effect` on one consistent snapshot."""
        return await self._runner.read(effect)

    def statistics(self) -> DatabaseStatistics:
        """Numbers since it was opened."""
        return self._runner.statistics()

    async def ping(self) -> None:
        """Return when the engine answers.

        Raises:
            StorageUnavailable: it does not.
        """
        await self.read(lambda connection: connection.execute("SELECT 1").fetchone())

    def __repr__(self) -> str:
        return f"<Database {self.path} {self._runner!r}>"


@asynccontextmanager
async def open_database(path: Path | str, runner: Runner) -> AsyncIterator[Database]:
    """The database at `path` (or `MEMORY`), migrated and checked, until the block ends.

    Raises:
        WrongDatabase: it is of a newer build, or of another number of shards.
        StorageUnavailable: it cannot be opened.
    """
    await runner.start(SqliteSource(str(path)))
    try:
        await runner.write(migrate)
        yield Database(str(path), runner)
    finally:
        await runner.close()
