"""`SqliteFactWriter`: takes rows down, each unless a newer one is there."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from actors.rows import StampedRow
from storage.embedded.database import Database
from storage.embedded.fact_tables import TABLES, Table


class SqliteFactWriter:
    """Fills `actors.ports.facts.FactWriter`; one call is one transaction, though callers may not rely on it."""

    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def write(self, rows: Sequence[StampedRow]) -> None:
        """Write every row unless one with its key and a higher or equal timestamp is there."""
        if not rows:
            return
        by_table: dict[Table[Any], list[tuple[object, ...]]] = {}
        for stamped in rows:
            table = TABLES[type(stamped.row)]
            by_table.setdefault(table, []).append(table.values(stamped))

        def effect(connection: sqlite3.Connection) -> None:
            for table, values in by_table.items():
                connection.executemany(table.upsert, values)

        await self._database.write(effect)

    def __repr__(self) -> str:
        return f"<SqliteFactWriter on {self._database!r}>"
