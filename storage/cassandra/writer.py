"""`CassandraFactWriter`: takes rows down, each to all of its tables.

Rows carry the timestamp of their writer's epoch into every cell, so Cassandra itself keeps the newest, in
whatever order and however often they come. What lies in one partition is sent as one mutation, over tables as
well: of a like, the journal entry and the two tables by user. The journal goes first, with whatever shares its
partition: from it an actor finds out what it had promised.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from actors.rows import JournalRow, StampedRow
from storage.cassandra.session import Cassandra
from storage.cassandra.statements import Call
from storage.cassandra.tables import MARK, TARGETS

#: Statements of one mutation; with the largest rows still far below what a commit log takes.
MAX_TOGETHER = 32

Mark = tuple[str, int, int]
Mutations = dict[tuple[object, ...], list[Call]]


class CassandraFactWriter:
    """Fills `actors.ports.facts.FactWriter`."""

    __slots__ = ("_cassandra", "_known")

    def __init__(self, cassandra: Cassandra) -> None:
        self._cassandra = cassandra
        # Buckets that this process has marked; forgetting one costs a statement, nothing else.
        self._known: OrderedDict[Mark, None] = OrderedDict()

    async def write(self, rows: Sequence[StampedRow]) -> None:
        """Write every row unless one with its key and a higher or equal timestamp is there."""
        mutations: Mutations = {}
        first: set[tuple[object, ...]] = set()
        marks: dict[Mark, int] = {}
        for stamped in rows:
            row = stamped.row
            for table in TARGETS[type(row)]:
                if table.when is not None and not table.when(row):
                    continue
                place = table.place(row)
                mutations.setdefault(place, []).append(Call(table.insert, table.values(stamped)))
                if isinstance(row, JournalRow):
                    first.add(place)
                if table.bucket is not None:
                    name, owner, bucket = table.bucket
                    marks[name, owner(row), bucket(row)] = stamped.timestamp
        marks = {mark: at for mark, at in marks.items() if mark not in self._known}
        await self._cassandra.write(
            _split(calls for place, calls in mutations.items() if place in first)
        )
        await self._cassandra.write(
            [
                *([Call(MARK, (*mark, at))] for mark, at in marks.items()),
                *_split(calls for place, calls in mutations.items() if place not in first),
            ]
        )
        self._remember(marks)

    def _remember(self, marks: dict[Mark, int]) -> None:
        for mark in marks:
            self._known[mark] = None
        while len(self._known) > self._cassandra.settings.known_buckets:
            self._known.popitem(last=False)

    def __repr__(self) -> str:
        return f"<CassandraFactWriter on {self._cassandra!r} known={len(self._known)}>"


def _split(mutations: Iterable[list[Call]]) -> list[list[Call]]:
    return [
        calls[start : start + MAX_TOGETHER]
        for calls in mutations
        for start in range(0, len(calls), MAX_TOGETHER)
    ]
