"""Which comments anybody sees, and how many those are.

A comment is visible when its author has not removed it, the video's author has not, and the comment that it
answers (if any) is visible itself. Who removed writes a row of their own, without reading the other's; so whether
a comment stands is known from both. Counting goes from the whole down: the server adds up all, and only
the threads below what was removed are walked.
"""

from collections.abc import Iterable, Sequence

from storage.cassandra.buckets import (
    COMMENT_BUCKETS,
    COMMENT_FAN,
    chunks,
    comment_bucket,
    comment_fan,
)
from storage.cassandra.reading import as_marks
from storage.cassandra.session import Cassandra
from storage.cassandra.statements import Call, Level, Statement
from storage.cassandra.tables import NO_ID

#: Every partition of a video's comments.
EVERYWHERE = f"bucket IN ({as_marks(COMMENT_BUCKETS)}) AND fan IN ({as_marks(range(COMMENT_FAN))})"

_STATES = Statement(
    Level.FRESH,
    "SELECT comment_id, parent_id, removed FROM comments"
    " WHERE video_id = ? AND bucket IN ? AND fan IN ? AND comment_id IN ?",
)
_REMOVED_AMONG = Statement(
    Level.FRESH,
    "SELECT comment_id FROM comment_removals WHERE video_id = ? AND comment_id IN ?",
)
_REMOVALS = Statement(
    Level.FRESH,
    "SELECT comment_id FROM comment_removals WHERE video_id = ? AND comment_id > ? LIMIT ?",
)
_WITHDRAWALS = Statement(
    Level.FRESH,
    "SELECT comment_id FROM comment_withdrawals WHERE video_id = ? AND comment_id > ? LIMIT ?",
)
_CHILDREN = Statement(
    Level.FRESH,
    "SELECT comment_id, removed FROM comment_replies"
    " WHERE video_id = ? AND parent_id = ? AND comment_id < ? LIMIT ?",
)
_TOTAL = Statement(
    Level.COUNT,
    f"SELECT count(*), sum(removed) FROM comments WHERE video_id = ? AND {EVERYWHERE}",
)


async def states(
    cassandra: Cassandra, video_id: int, comment_ids: Sequence[int]
) -> dict[int, tuple[int, bool]]:
    """Parent (`NO_ID` for none) and whether its author removed it, of each comment that there is."""
    found = await cassandra.all(
        Call(
            _STATES,
            (
                video_id,
                sorted({comment_bucket(video_id, each) for each in piece}),
                sorted({comment_fan(each) for each in piece}),
                piece,
            ),
        )
        for piece in chunks(comment_ids, cassandra.settings.ids_per_statement)
    )
    return {
        comment_id: (parent_id, bool(removed))
        for rows in found
        for comment_id, parent_id, removed in rows
    }


async def visible(cassandra: Cassandra, video_id: int, comment_ids: Iterable[int]) -> set[int]:
    """Those of `comment_ids` that anybody may see: a level of answers at a time, upwards."""
    # For each comment that still stands, the next above it; None once there is none.
    above: dict[int, int | None] = {each: each for each in comment_ids}
    seen: set[int] = set()
    while asked := sorted({each for each in above.values() if each is not None}):
        if seen.issuperset(asked):
            # They answer each other in a ring, which nobody can have written; so nobody sees them.
            return {each for each, last in above.items() if last is None}
        seen.update(asked)
        there = await states(cassandra, video_id, asked)
        removed = await cassandra.rows(_REMOVED_AMONG, video_id, asked)
        gone = {each for (each,) in removed}
        standing: dict[int, int | None] = {}
        for comment_id, next_up in above.items():
            if next_up is None:
                standing[comment_id] = None
            elif next_up in there and next_up not in gone and not there[next_up][1]:
                parent_id = there[next_up][0]
                standing[comment_id] = None if parent_id == NO_ID else parent_id
        above = standing
    return set(above)


async def removals(cassandra: Cassandra, video_id: int, after: int) -> set[int]:
    """Comments above an id that the video's author removed."""
    return await _listed(cassandra, _REMOVALS, video_id, after)


async def visible_comments(cassandra: Cassandra, video_id: int) -> int:
    """How many comments of a video are visible."""
    ((written, withdrawn),) = await cassandra.rows(_TOTAL, video_id)
    gone = await removals(cassandra, video_id, -1)
    below = sorted(gone | await _listed(cassandra, _WITHDRAWALS, video_id, -1))
    there = await states(cassandra, video_id, below)
    count = int(written) - int(withdrawn or 0)
    count -= sum(not there[each][1] for each in gone if each in there)
    # Whatever stands below a removed comment is hidden by the nearest one above it, so counted once.
    while below:
        parent_id = below.pop()
        before = (1 << 63) - 1
        while True:
            size = cassandra.settings.page_rows
            rows = await cassandra.rows(_CHILDREN, video_id, parent_id, before, size)
            standing = [each for each, removed in rows if not removed and each not in gone]
            count -= len(standing)
            below += standing
            if len(rows) < size:
                break
            before = rows[-1][0]
    return count


async def _listed(
    cassandra: Cassandra, statement: Statement, video_id: int, after: int
) -> set[int]:
    size = cassandra.settings.page_rows
    found: set[int] = set()
    while True:
        rows = await cassandra.rows(statement, video_id, after, size)
        found.update(each for (each,) in rows)
        if len(rows) < size:
            return found
        after = rows[-1][0]
