"""The schema: numbered files in `migrations/`, applied in order, once, in one transaction.

`PRAGMA user_version` counts the applied ones. It is part of the transaction, so a kill in the midst of a
migration leaves the old schema whole. At the first start the number of shards and the version of their hash
are written down; a build that disagrees would look for every entity in the wrong place, and is refused.
"""

import sqlite3
from importlib.resources import files
from typing import Protocol

from sharding.ids import MINTER_COUNT
from sharding.shards import SHARD_COUNT
from storage.embedded.runners import Effect, T
from storage.errors import WrongDatabase

#: Names the function in `sharding.shards`; a change of it needs another name.
SHARD_HASH = "blake2b-8/top10"


class Writes(Protocol):
    """The half of a `Database` that is needed here; the whole one imports this module."""

    async def write(self, effect: Effect[T]) -> T:
        """Run `effect` in a transaction."""
        ...


def migrations() -> list[str]:
    """The SQL of every migration, first to last."""
    folder = files("storage.embedded").joinpath("migrations")
    scripts = sorted((each for each in folder.iterdir() if each.name.endswith(".sql")), key=str)
    return [each.read_text(encoding="utf-8") for each in scripts]


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the schema up to date; repeatable, and an effect for `Database.write`.

    Raises:
        WrongDatabase: the file was made by a newer build, by another program, or for other shards.
    """
    scripts = migrations()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(scripts):
        raise WrongDatabase(
            f"The database has schema {version}, this build knows up to {len(scripts)}:"
            " run the newer build, or restore a backup."
        )
    if version == 0 and connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise WrongDatabase("The file holds tables of another program: choose another data folder.")
    for script in scripts[version:]:
        for statement in _statements(script):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version={len(scripts)}")
    _check_identity(connection)


def _statements(script: str) -> list[str]:
    statements, pending = [], ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    return statements


def _check_identity(connection: sqlite3.Connection) -> None:
    expected = {"shard_count": str(SHARD_COUNT), "shard_hash": SHARD_HASH}
    recorded = dict(connection.execute("SELECT key, value FROM meta"))
    if "shard_count" not in recorded:
        connection.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", expected.items())
        connection.executemany(
            "INSERT INTO fences (shard) VALUES (?)", [(shard,) for shard in range(SHARD_COUNT)]
        )
        return
    for key, value in expected.items():
        if recorded.get(key) != value:
            raise WrongDatabase(
                f"The database was made with {key} {recorded.get(key)}, this build has {value}:"
                " entities would be looked for in the wrong shards."
            )


async def lease_minter(database: Writes) -> int:
    """The next minter number, 0..1023, in rotation: no two starts in a row share one. Durable."""

    def effect(connection: sqlite3.Connection) -> int:
        row = connection.execute("SELECT value FROM meta WHERE key = 'minter'").fetchone()
        minter = (int(row[0]) + 1) % MINTER_COUNT if row else 0
        connection.execute(
            "INSERT OR REPLACE INTO meta (key, value) VALUES ('minter', ?)", (str(minter),)
        )
        return minter

    return await database.write(effect)
