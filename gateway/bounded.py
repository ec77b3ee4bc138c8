"""A dict that never outgrows its bound: the one that was put in longest ago makes room.

Order is that of insertion, not of use: a lookup stays one dict access, which is what the tables on the hot path
need, and an entry that is still wanted is simply put in again.
"""

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedTable(Generic[K, V]):
    """At most `capacity` entries."""

    __slots__ = ("_capacity", "_entries", "get", "pop")

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a table for {capacity} entries holds nothing")
        self._capacity = capacity
        self._entries: dict[K, V] = {}
        #: The dict's own methods: no frame of ours between a request and its entry.
        self.get = self._entries.get
        self.pop = self._entries.pop

    def put(self, key: K, value: V) -> None:
        """Set an entry and make it the youngest."""
        entries = self._entries
        entries.pop(key, None)
        if len(entries) >= self._capacity:
            del entries[next(iter(entries))]
        entries[key] = value

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __repr__(self) -> str:
        return f"<BoundedTable {len(self._entries)}/{self._capacity}>"
