"""The mailbox: what waits for one actor, in order and bounded.

Two bounds hold at once: how many messages wait for this actor, and how many (and how many bytes) wait for
all actors of its shard, so that a thousand patient actors cannot do together what one may not do alone.
At a bound `put_nowait` raises `MailboxFull` and the message was certainly not executed; nothing ever waits
for room, because whoever would wait is itself held by something bounded.

A message that finds its actor idle never gets here: it is run on the spot (see `actors/cell.py`).
"""

from collections import deque
from typing import Generic, TypeVar

import msgspec

from sharding.errors import Overloaded

T = TypeVar("T")


class MailboxFull(Overloaded):
    """Too many requests wait for the same user; nothing was done."""


class MailboxStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """A mailbox, or all mailboxes of a shard, at one moment."""

    #: Messages that wait.
    waiting: int
    #: Their bytes, as encoded.
    waiting_bytes: int
    #: Messages that were refused since the start.
    refused: int


class MailboxBudget:
    """The room that all mailboxes of one shard share."""

    __slots__ = ("_bytes", "_max_bytes", "_max_messages", "_messages", "_refused")

    def __init__(self, *, max_messages: int, max_bytes: int) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._messages = 0
        self._bytes = 0
        self._refused = 0

    def take(self, size: int) -> bool:
        """Reserve room for one message of `size` bytes; False when there is none."""
        if self._messages >= self._max_messages or self._bytes + size > self._max_bytes:
            self._refused += 1
            return False
        self._messages += 1
        self._bytes += size
        return True

    def give_back(self, size: int) -> None:
        """Free what `take` reserved."""
        self._messages -= 1
        self._bytes -= size

    def statistics(self) -> MailboxStatistics:
        """What waits in the whole shard."""
        return MailboxStatistics(
            waiting=self._messages, waiting_bytes=self._bytes, refused=self._refused
        )


class Mailbox(Generic[T]):
    """Messages of one actor that wait for their turn, first come first served."""

    __slots__ = ("_budget", "_bytes", "_capacity", "_refused", "_waiting")

    def __init__(self, capacity: int, budget: MailboxBudget) -> None:
        self._capacity = capacity
        self._budget = budget
        self._waiting: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._refused = 0

    def put_nowait(self, message: T, size: int) -> None:
        """Append `message`, which takes `size` bytes.

        Raises:
            MailboxFull: the actor's or the shard's bound is reached; the message is not kept.
        """
        if len(self._waiting) >= self._capacity or not self._budget.take(size):
            self._refused += 1
            raise MailboxFull()
        self._waiting.append((message, size))
        self._bytes += size

    def get_nowait(self) -> T | None:
        """The message that waited longest, or None when none waits."""
        if not self._waiting:
            return None
        message, size = self._waiting.popleft()
        self._bytes -= size
        self._budget.give_back(size)
        return message

    def drop(self, message: T) -> bool:
        """Take out a message whose sender no longer waits; False when it is not here any more."""
        for entry in self._waiting:
            if entry[0] is message:
                self._waiting.remove(entry)
                self._bytes -= entry[1]
                self._budget.give_back(entry[1])
                return True
        return False

    def statistics(self) -> MailboxStatistics:
        """What waits here."""
        return MailboxStatistics(
            waiting=len(self._waiting), waiting_bytes=self._bytes, refused=self._refused
        )

    def __len__(self) -> int:
        return len(self._waiting)

    def __repr__(self) -> str:
        return f"<Mailbox {len(self._waiting)}/{self._capacity} refused={self._refused}>"
