"""Ids: time-ordered 63-bit numbers, minted without asking anyone.

    41 bits  milliseconds since 2024-01-01 UTC   (until the year 2093)
    10 bits  number of the minter, leased at start
    12 bits  counter within the millisecond

After Twitter's Snowflake (2010). An id does not carry its shard, so that the number of shards never
shows outside; it does carry its time, which is what lists, months and buckets are cut by. A minter never
goes back in time: when the clock does, it goes on from the last millisecond it used. Two starts of a
process never share a minter number (the lease rotates), so ids stay unique when the clock of a machine
was set back between them.
"""

from typing import Protocol

#: 2024-01-01T00:00:00Z in Unix milliseconds.
FIRST_MS = 1_704_067_200_000
MINTER_BITS = 10
COUNTER_BITS = 12
#: How many minters there can be at a time.
MINTER_COUNT = 1 << MINTER_BITS
#: Ids are positive and fit a signed 64-bit column.
ID_LIMIT = 1 << 63

_TIME_SHIFT = MINTER_BITS + COUNTER_BITS
_COUNTER_LIMIT = 1 << COUNTER_BITS


class UnixClock(Protocol):
    """What a mint needs to know of time."""

    def unix_ms(self) -> int:
        """Milliseconds since 1970-01-01 UTC."""
        ...


class IdMint:
    """Makes ids, each greater than all that it made before."""

    __slots__ = ("_clock", "_counter", "_minter", "_ms")

    def __init__(self, minter: int, clock: UnixClock) -> None:
        if not 0 <= minter < MINTER_COUNT:
            raise ValueError(f"minter {minter} is not in 0..{MINTER_COUNT - 1}")
        self._minter = minter
        self._clock = clock
        # A clock that was never set must not make ids negative.
        self._ms = FIRST_MS
        self._counter = 0

    def mint(self) -> int:
        """A new id."""
        ms = max(self._clock.unix_ms(), self._ms)
        if ms > self._ms:
            self._ms, self._counter = ms, 0
        else:
            self._counter += 1
            if self._counter == _COUNTER_LIMIT:
                self._ms, self._counter = ms + 1, 0
        return (self._ms - FIRST_MS) << _TIME_SHIFT | self._minter << COUNTER_BITS | self._counter

    def __repr__(self) -> str:
        return f"<IdMint minter={self._minter} ms={self._ms} counter={self._counter}>"


def minted_at_ms(entity_id: int) -> int:
    """The Unix millisecond that an id was minted in."""
    return (entity_id >> _TIME_SHIFT) + FIRST_MS


def parse_id(text: str) -> int | None:
    """The id that `text` writes, or None: ids are written in decimal, without sign or leading zero."""
    if not (0 < len(text) <= 19 and text.isascii() and text.isdigit()) or text[0] == "0":
        return None
    number = int(text)
    return number if number < ID_LIMIT else None
