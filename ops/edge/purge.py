"""`CachePurger`: takes removed objects out of the edge's cache, on the machine where it lies.

nginx names a cached slice by the MD5 of its key, and the key is the object's name and the slice's range: names
and sizes are all that is needed to find every file, without a look at the others. A slice whose file is gone is
one that nginx does not have: it asks the store, which answers that there is no such object.

An answer of the store that was on its way during a purge is written after it. So each purge is repeated once
such an answer must have arrived or been given up.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from hashlib import md5
from pathlib import Path

from actors.ports.clock import Clock
from actors.ports.jobs import StoredBlob
from actors.tasks import TaskSet
from ops.edge.settings import EdgeSettings


class CachePurger:
    """Removes what nginx has cached of objects."""

    __slots__ = ("_again", "_clock", "_folder", "_repeating", "_settings", "_tasks", "purged")

    def __init__(
        self, folder: Path, settings: EdgeSettings, *, clock: Clock, tasks: TaskSet
    ) -> None:
        """`folder` is that of the cache, where this process may remove files."""
        self._folder = folder
        self._settings = settings
        self._clock = clock
        self._tasks = tasks
        #: Objects to purge once more, with the moment for it.
        self._again: deque[tuple[float, StoredBlob]] = deque(maxlen=settings.max_purge_again)
        self._repeating = False
        #: Files that were removed.
        self.purged = 0

    async def purge(self, objects: Sequence[StoredBlob]) -> int:
        """Take `objects` out of the cache; how many slices of them were there. Repeatable.

        Raises:
            OSError: the cache cannot be written; some of it may be purged.
        """
        due = self._clock.monotonic() + self._settings.purge_again_after_s
        self._again.extend((due, each) for each in objects)
        if self._again and not self._repeating:
            self._repeating = True
            self._tasks.spawn(self._repeat(), name="edge.purge")
        return await self._remove(objects)

    async def _repeat(self) -> None:
        try:
            while self._again:
                await self._clock.sleep(max(0.0, self._again[0][0] - self._clock.monotonic()))
                now = self._clock.monotonic()
                due: list[StoredBlob] = []
                while self._again and self._again[0][0] <= now:
                    due.append(self._again.popleft()[1])
                await self._remove(due)
        finally:
            self._repeating = False

    async def _remove(self, objects: Sequence[StoredBlob]) -> int:
        removed = await asyncio.to_thread(self._unlink, objects)
        self.purged += removed
        return removed

    def _unlink(self, objects: Sequence[StoredBlob]) -> int:
        count = 0
        for each in objects:
            for key in cache_keys(each.name, each.size_bytes, self._settings.slice_bytes):
                try:
                    cache_path(self._folder, key).unlink()
                except FileNotFoundError:
                    continue
                count += 1
        return count

    def __repr__(self) -> str:
        return f"<CachePurger {self._folder} purged={self.purged} again={len(self._again)}>"


def cache_keys(name: str, size_bytes: int, slice_bytes: int) -> Iterator[str]:
    """The keys under which nginx keeps the slices of an object; of an empty one, its first."""
    for first in range(0, max(size_bytes, 1), slice_bytes):
        yield f"{name}bytes={first}-{first + slice_bytes - 1}"


def cache_path(folder: Path, key: str) -> Path:
    """The file that nginx keeps for a key, with `ops.edge.nginx.LEVELS`."""
    digest = md5(key.encode()).hexdigest()
    return folder / digest[-1] / digest[-3:-1] / digest
