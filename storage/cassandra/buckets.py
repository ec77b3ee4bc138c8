"""How rows are spread over partitions: by the time in an id, and by fans.

A partition should stay under some ten megabytes, and a list should touch few of them. So the bucket is as long
as the heaviest writer allows: a year of one user's deeds, a day of everybody's videos. Comments of a video come
mostly in its first days; their buckets begin with its birth, and each is eight times as long as the one before,
so that five of them last for as long as ids do. Frozen: rows lie where these functions said when they were written.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from sharding.ids import FIRST_MS, minted_at_ms

T = TypeVar("T")

DAY_MS = 86_400_000
YEAR_MS = 365 * DAY_MS
#: Partitions that one day of everybody, or one video's likes, or one user's followers are spread over.
FAN = 8
#: The same for one bucket of a video's comments.
COMMENT_FAN = 4
#: The same for the groups of one user's notifications.
SLICES = 16
#: Numbers of a user's notifications in one block.
BLOCK = 1_024
#: A comment in its video's first day and a half is in bucket 0; a power of two, in bits of milliseconds.
_FIRST_BUCKET_BITS = 27
#: Every bucket that a comment can be in: ids last for 41 bits of milliseconds.
COMMENT_BUCKETS = (0, 1, 2, 3, 4, 5)
#: An id or a time may be ahead of this machine's clock by so much.
SKEW_MS = DAY_MS


def year_of_ms(ms: int) -> int:
    """The year of a moment, counted from the first id; moments before it are in year 0."""
    return max(0, ms - FIRST_MS) // YEAR_MS


def year_of(entity_id: int) -> int:
    """The year that an id was minted in."""
    return year_of_ms(minted_at_ms(entity_id))


def day_of_ms(ms: int) -> int:
    """The day of a moment, as `year_of_ms`."""
    return max(0, ms - FIRST_MS) // DAY_MS


def day_of(entity_id: int) -> int:
    """The day that an id was minted in."""
    return day_of_ms(minted_at_ms(entity_id))


def years_until(now_ms: int) -> list[int]:
    """All years in which an id may have been minted by now."""
    return list(range(year_of_ms(now_ms + SKEW_MS) + 1))


def fan_of(entity_id: int, fan: int = FAN) -> int:
    """Which partition of a fan an id belongs to."""
    # The low bits of ids are a counter that is mostly 0: multiplied, every bit has its say.
    return (entity_id * 0x9E3779B97F4A7C15 & 0xFFFF_FFFF_FFFF_FFFF) >> 32 & (fan - 1)


def comment_bucket(video_id: int, comment_id: int) -> int:
    """Which bucket of its video a comment is in, by the video's age when it was written."""
    age_ms = max(0, minted_at_ms(comment_id) - minted_at_ms(video_id))
    return max(0, (age_ms.bit_length() - _FIRST_BUCKET_BITS + 2) // 3)


def comment_fan(comment_id: int) -> int:
    """Which partition of its bucket a comment is in."""
    return fan_of(comment_id, COMMENT_FAN)


def slice_of(group: str) -> int:
    """Which partition a group of notifications is in."""
    # FNV-1a: Python's own hash of text differs from process to process.
    value = 0x811C9DC5
    for byte in group.encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFF_FFFF
    return fan_of(value, SLICES)


def chunks(values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """`values` in pieces of at most `size`."""
    for start in range(0, len(values), size):
        yield values[start : start + size]


def distinct(values: Iterable[T], limit: int) -> list[T]:
    """The first `limit` values, each once."""
    return list(islice(dict.fromkeys(values), limit))
