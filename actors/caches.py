"""Caches of what others own: bounded, read once however many ask, and never older than the last word.

An entry may be called outdated while it is being read: the reader may have seen the old value, so it is
used for those who asked before and not kept. That closes the gap in which a cache learns of a change before
the value that it makes wrong, and keeps the wrong one for ever.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

import msgspec

from actors.tasks import TaskSet
from actors.turn import Turn

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class CacheStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """A cache at one moment."""

    entries: int
    capacity: int
    reads: int
    evicted: int


class ReadCache(Generic[K, V]):
    """Entries by key; None stands for "there is none", which is remembered like any other value."""

    __slots__ = (
        "_capacity",
        "_entries",
        "_evicted",
        "_load",
        "_name",
        "_reading",
        "_reads",
        "_tasks",
        "peek",
    )

    def __init__(
        self,
        name: str,
        capacity: int,
        load: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]],
        tasks: TaskSet,
    ) -> None:
        """`load` reads some keys; those that it leaves out are not there."""
        self._name = name
        self._capacity = capacity
        self._load = load
        self._tasks = tasks
        self._entries: OrderedDict[K, V | None] = OrderedDict()
        #: `get` that does not count as use: for the path on which a hundred nanoseconds count.
        self.peek: Callable[[K], V | None] = self._entries.get
        #: Reads under way, by key; a key that is spoiled meanwhile leaves this table.
        self._reading: dict[K, asyncio.Future[Mapping[K, V]]] = {}
        self._reads = 0
        self._evicted = 0

    def get(self, key: K) -> V | None:
        """The entry, or None when there is none, or none in memory. For paths that never wait."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def knows(self, key: K) -> bool:
        """Whether `get` tells the truth about this key."""
        return key in self._entries

    def entries(self, turn: Turn, keys: Iterable[K]) -> dict[K, V]:
        """The entries of those keys that have one.

        Raises:
            Need: some must be read first.
        """
        found: dict[K, V] = {}
        missing: list[K] = []
        for key in keys:
            if key in self._entries:
                entry = self.get(key)
                if entry is not None:
                    found[key] = entry
            else:
                missing.append(key)
        if missing:
            wanted = tuple(dict.fromkeys(missing))
            found |= turn.fetched((self._name, wanted), lambda: self.read(wanted))
        return found

    async def read(self, keys: Sequence[K]) -> dict[K, V]:
        """Read those keys, together with whoever reads them at this moment."""
        own = [key for key in keys if key not in self._reading]
        if own:
            answer: asyncio.Future[Mapping[K, V]] = asyncio.get_running_loop().create_future()
            for key in own:
                self._reading[key] = answer
            self._tasks.spawn(self._fill(own, answer), name=f"read-{self._name}")
        waits = {id(each): each for key in keys if (each := self._reading.get(key)) is not None}
        found: dict[K, V] = {}
        for wait in waits.values():
            found |= await asyncio.shield(wait)
        return {key: found[key] for key in keys if key in found}

    async def _fill(self, keys: list[K], answer: asyncio.Future[Mapping[K, V]]) -> None:
        self._reads += 1
        try:
            found = await self._load(keys)
        except BaseException as error:
            answer.set_exception(error)
            answer.exception()
            if not isinstance(error, Exception):
                raise
            return
        else:
            for key in keys:
                if self._reading.get(key) is answer:
                    self._keep(key, found.get(key))
            answer.set_result(found)
        finally:
            for key in keys:
                if self._reading.get(key) is answer:
                    del self._reading[key]

    def spoil(self, key: K) -> None:
        """Forget a key; a read that is under way does not count either."""
        self._entries.pop(key, None)
        self._reading.pop(key, None)

    def revise(self, key: K, change: Callable[[V], V]) -> None:
        """Change an entry that is in memory; one that is being read does not count."""
        entry = self._entries.get(key)
        if entry is None:
            self.spoil(key)
        else:
            self._entries[key] = change(entry)
            self._reading.pop(key, None)

    def spoil_where(self, condition: Callable[[V], bool]) -> None:
        """Forget all entries that meet a condition."""
        for key in [k for k, v in self._entries.items() if v is not None and condition(v)]:
            self.spoil(key)
        self._reading.clear()

    def _keep(self, key: K, value: V | None) -> None:
        self._entries[key] = value
        self._entries.move_to_end(key)
        while len(self._entries) > self._capacity:
            self._entries.popitem(last=False)
            self._evicted += 1

    def statistics(self) -> CacheStatistics:
        """The cache at this moment."""
        return CacheStatistics(
            entries=len(self._entries),
            capacity=self._capacity,
            reads=self._reads,
            evicted=self._evicted,
        )

    def __repr__(self) -> str:
        return f"<ReadCache {self._name} {len(self._entries)}/{self._capacity}>"
