"""What reads have in common: lists whose entries must still hold, and lists that skip empty buckets.

A list by time keeps entries of earlier states. So it is read a page at a time, each page is compared with the
base table, and reading goes on until there are enough or the list ends. Every step is one bounded statement.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from actors.rows import CountsRow
from storage.cassandra.buckets import chunks
from storage.cassandra.session import Cassandra, Rows
from storage.cassandra.statements import Call, Level, Statement
from storage.cassandra.tables import COUNTS

#: Above every `(time, id)`: where a list without a cursor starts.
NEWEST = ((1 << 63) - 1, (1 << 63) - 1)
#: Entries that are read at least, since some of them may hold no longer.
SMALLEST_PAGE = 16
#: Buckets of a list that are looked up at a time.
BUCKETS_AHEAD = 32

Key = TypeVar("Key", bound=tuple[Any, ...])

_BUCKETS_UP = Statement(
    Level.NEAR, "SELECT bucket FROM buckets WHERE list = ? AND owner = ? AND bucket >= ? LIMIT ?"
)
_BUCKETS_DOWN = Statement(
    Level.FRESH,
    "SELECT bucket FROM buckets WHERE list = ? AND owner = ? AND bucket <= ?"
    " ORDER BY bucket DESC LIMIT ?",
)
_COUNTS = Statement(Level.FRESH, f"SELECT {COUNTS.select} FROM counts WHERE entity_id IN ?")


def as_marks(values: range | Sequence[int]) -> str:
    """Constants for an IN, where nothing needs to be bound."""
    return ", ".join(map(str, values))


async def pages(
    page: Callable[[Key, int], Awaitable[list[Key]]],
    holding: Callable[[list[Key]], Awaitable[list[Key]]],
    before: Key,
    limit: int,
    page_rows: int,
) -> list[Key]:
    """The first `limit` entries before a key that hold, in the order in which `page` gives them."""
    found: list[Key] = []
    while len(found) < limit:
        size = min(max(limit - len(found), SMALLEST_PAGE), page_rows)
        listed = await page(before, size)
        if listed:
            found += await holding(listed)
            before = listed[-1]
        if len(listed) < size:
            break
    return found[:limit]


async def buckets_down(cassandra: Cassandra, name: str, owner: int, start: int) -> list[int]:
    """Buckets from `start` backwards that hold something; fewer than `BUCKETS_AHEAD` when there are no more."""
    found = await cassandra.rows(_BUCKETS_DOWN, name, owner, start, BUCKETS_AHEAD)
    return [bucket for (bucket,) in found]


async def found_by_day(
    cassandra: Cassandra, name: str, statement: Statement, day: int, after: int, limit: int
) -> Rows:
    """Rows above `after` of a list by days, from `day` onwards, ascending.

    `statement` takes a day, the id above which it reads, and a limit.
    """
    found: Rows = []
    while len(found) < limit:
        days = await cassandra.rows(_BUCKETS_UP, name, 0, day, BUCKETS_AHEAD)
        for (day,) in days:
            found += await cassandra.rows(statement, day, after, limit - len(found))
            if len(found) >= limit:
                break
        if len(days) < BUCKETS_AHEAD:
            break
        day += 1
    return found


async def counts_of(cassandra: Cassandra, entity_ids: Sequence[int]) -> dict[int, CountsRow]:
    """The counts that were written of these entities."""
    pieces = chunks(entity_ids, cassandra.settings.ids_per_statement)
    found = await cassandra.all(Call(_COUNTS, (piece,)) for piece in pieces)
    rows = [COUNTS.row(values) for piece in found for values in piece]
    return {row.entity_id: row for row in rows}
