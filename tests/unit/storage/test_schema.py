"""The schema is migrated once, checked ever after, and agrees with the row classes."""

from __future__ import annotations

import sqlite3

import pytest

from sharding.errors import StorageUnavailable
from sharding.ids import MINTER_COUNT
from storage.embedded.database import MEMORY, SqliteSource, open_database
from storage.embedded.fact_tables import TABLES
from storage.embedded.runners import InlineRunner
from storage.embedded.schema import lease_minter, migrate, migrations
from storage.errors import WrongDatabase


async def execute(path, statement):
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


async def start(path):
    async with open_database(path, InlineRunner()) as database:
        return await lease_minter(database)


async def test_every_start_gets_the_next_minter_number(tmp_path):
    file = tmp_path / "k.db"
    assert [await start(file) for _ in range(3)] == [0, 1, 2]
    await execute(file, f"UPDATE meta SET value = '{MINTER_COUNT - 1}' WHERE key = 'minter'")
    assert await start(file) == 0


async def test_migrating_again_changes_nothing():
    async with open_database(MEMORY, InlineRunner()) as database:
        dump = "SELECT * FROM sqlite_master, meta ORDER BY 1, 2, 3, 6"
        before = await database.read(lambda connection: connection.execute(dump).fetchall())
        await database.write(migrate)
        assert await database.read(lambda c: c.execute(dump).fetchall()) == before


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (f"PRAGMA user_version = {len(migrations()) + 1}", "newer"),
        ("UPDATE meta SET value = '512' WHERE key = 'shard_count'", "512"),
        ("UPDATE meta SET value = 'md5' WHERE key = 'shard_hash'", "md5"),
    ],
)
async def test_a_file_that_this_build_would_misread_is_refused(tmp_path, change, word):
    file = tmp_path / "k.db"
    await start(file)
    await execute(file, change)
    with pytest.raises(WrongDatabase, match=word):
        await start(file)


async def test_a_file_of_another_program_is_refused_and_left_alone(tmp_path):
    file = tmp_path / "k.db"
    await execute(file, "CREATE TABLE theirs (x)")
    with pytest.raises(WrongDatabase, match="another program"):
        await start(file)
    connection = sqlite3.connect(file)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]
    connection.close()


async def test_a_migration_that_fails_leaves_nothing(tmp_path, monkeypatch):
    file = tmp_path / "k.db"
    broken = [*migrations(), "CREATE TABLE more (x);\nCREATE TABLE meta (x);\n"]
    monkeypatch.setattr("storage.embedded.schema.migrations", lambda: broken)
    with pytest.raises(StorageUnavailable):
        await start(file)
    connection = sqlite3.connect(file)
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []
    assert connection.execute("PRAGMA user_version").fetchone() == (0,)
    connection.close()


@pytest.mark.parametrize("table", TABLES.values(), ids=str)
async def test_a_table_has_exactly_the_columns_of_its_row(table):
    async with open_database(MEMORY, InlineRunner()) as database:
        columns = await database.read(
            lambda connection: connection.execute(f"PRAGMA table_info({table.name})").fetchall()
        )
    assert {column[1] for column in columns} == {*table.columns, "timestamp"}
    key = sorted((column for column in columns if column[5]), key=lambda column: column[5])
    assert tuple(column[1] for column in key) == table.row_class.KEY


async def test_a_file_is_opened_durably(tmp_path):
    connection = SqliteSource(str(tmp_path / "k.db")).connect(reader=False)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    connection.close()
