"""Migrations can be repeated, come in order, and keep the tables' promises: no counters, no secondary indexes."""

from __future__ import annotations

import re

import pytest

from storage.cassandra.schema import Migration, migrations
from storage.cassandra.tables import TARGETS

TABLES = {
    match[1]: statement
    for migration in migrations()
    for statement in migration.statements
    if (match := re.match(r"CREATE TABLE IF NOT EXISTS (\w+)", statement))
}


def test_migrations_are_numbered_without_a_gap():
    numbers = [int(each.name[:4]) for each in migrations()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert {each.phase for each in migrations()} <= {"pre", "post"}


def test_every_statement_may_be_run_again():
    for migration in migrations():
        for statement in migration.statements:
            assert re.search(r"IF (NOT )?EXISTS", statement), statement


def test_there_are_no_counters_and_no_indexes():
    for statement in TABLES.values():
        assert "counter" not in statement
        assert "INDEX" not in statement
        assert "default_time_to_live" not in statement


def test_every_column_that_is_written_is_there():
    for homes in TARGETS.values():
        for table in homes:
            for column in re.findall(r'"(\w+)"', table.insert.cql):
                assert re.search(rf'\b"?{column}"? (bigint|int|text|blob)\b', TABLES[table.name])


def test_a_comment_does_not_make_it_another_migration():
    def migration(text):
        return Migration(name="0001_a.pre", phase="pre", text=text)

    plain = migration("CREATE TABLE a (b int);")
    assert migration("-- why\nCREATE TABLE a (b int); -- b\n").checksum == plain.checksum
    assert migration("CREATE TABLE a (b text);").checksum != plain.checksum
    assert plain.statements == ["CREATE TABLE a (b int)"]


@pytest.mark.parametrize("row_class", list(TARGETS))
def test_a_row_has_one_home_that_keeps_all_of_it(row_class):
    fields = set(row_class.__struct_fields__)
    derived = {"share_id"}
    assert any(set(table.columns) >= fields - derived for table in TARGETS[row_class])
