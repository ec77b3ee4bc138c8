"""A data folder, opened for reading alone: nothing is migrated, swept or locked, so the product may run on it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from actors.ports.facts import PeopleFacts, VideoFacts
from actors.ports.jobs import StoredBlob
from ops.check.faults import BlobShelf
from ops.data_dir import DataDir
from ops.errors import CannotGoOn
from storage.embedded import blob_folder
from storage.embedded.database import Database, SqliteSource
from storage.embedded.facts_people import SqlitePeopleFacts
from storage.embedded.facts_videos import SqliteVideoFacts
from storage.embedded.runners import DatabaseStatistics, Effect, Source, T, closed, run_alone
from storage.embedded.schema import migrations


class NothingToCheck(CannotGoOn):
    """The data folder holds no database that this build can read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What a check looks at."""

    people: PeopleFacts
    videos: VideoFacts
    blobs: BlobShelf


class FolderShelf:
    """The blobs of a data folder; opening it sweeps nothing."""

    __slots__ = ("_root",)

    def __init__(self, root: Path) -> None:
        self._root = root

    async def stat(self, name: str) -> StoredBlob | None:
        """What is stored under `name`."""
        return await asyncio.to_thread(blob_folder.stat_blob, self._root, name)

    async def list(self, prefix: str, *, older_than_ms: int, limit: int) -> Sequence[StoredBlob]:
        """At most `limit` blobs under `prefix` that were stored before that moment."""

        def call() -> Sequence[StoredBlob]:
            names = (name for name, _ in blob_folder.found(self._root, prefix))
            stats = (blob_folder.stat_blob(self._root, name) for name in names)
            old = (blob for blob in stats if blob is not None and blob.stored_ms < older_than_ms)
            return tuple(islice(old, limit))

        return await asyncio.to_thread(call)

    async def discard(self, prefix: str) -> int:
        """Remove every blob whose name starts with `prefix`; returns how many."""
        return await asyncio.to_thread(blob_folder.discard, self._root, prefix)

    def __repr__(self) -> str:
        return f"<FolderShelf {self._root}>"


class ReadingRunner:
    """Runs reading effects in place, on one connection that cannot write."""

    def __init__(self) -> None:
        self._connection: Any = None
        self._reads = 0

    async def start(self, source: Source) -> None:
        """Connect."""
        self._connection = source.connect(reader=True)

    async def read(self, effect: Effect[T]) -> T:
        """`Runner.read`."""
        if self._connection is None:
            raise closed()
        self._reads += 1
        value: T = run_alone(self._connection, effect).unwrap()
        return value

    async def write(self, effect: Effect[T]) -> T:
        """Refuse: a check changes nothing."""
        raise closed()

    async def close(self) -> None:
        """Disconnect."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def statistics(self) -> DatabaseStatistics:
        """`Runner.statistics`."""
        return DatabaseStatistics(waiting=0, batches=0, writes=0, reads=self._reads, write_s=0.0)


@asynccontextmanager
async def open_for_reading(folder: DataDir) -> AsyncIterator[Stored]:
    """What a data folder holds, until the block ends.

    Raises:
        NothingToCheck: there is no database, or one of another schema.
        StorageUnavailable: it cannot be read.
    """
    if not folder.database.exists():
        raise NothingToCheck(
            f"There is no database in {folder.path}.\n"
            "Name the data folder: KINORA_DATA_DIR=... or --data-dir."
        )
    runner = ReadingRunner()
    await runner.start(SqliteSource(str(folder.database)))
    try:
        database = Database(str(folder.database), runner)
        version = await database.read(
            lambda connection: connection.execute("PRAGMA user_version").fetchone()[0]
        )
        if version != len(migrations()):
            raise NothingToCheck(
                f"The database in {folder.path} has schema {version}, this build reads"
                f" {len(migrations())}.\nStart this build's `kinora run` on it once, then check."
            )
        yield Stored(
            people=SqlitePeopleFacts(database),
            videos=SqliteVideoFacts(database),
            blobs=FolderShelf(folder.blobs),
        )
    finally:
        await runner.close()
