"""The logs of a cluster: the end of each, and what comes after, across the turn to a new file."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

#: Bytes from the end of a log that are looked at.
_TAIL_BYTES = 256 * 1024
#: Bytes that are taken of one log before the next one has its turn.
_TURN_BYTES = 256 * 1024


def last_lines(path: Path, count: int) -> list[str]:
    """The last `count` lines of a log; none where there is no log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _TAIL_BYTES))
            return file.read().decode(errors="replace").splitlines()[-count:]
    except OSError:
        return []


class Follower:
    """What several logs get from now on. The logs need not be there yet."""

    __slots__ = ("_halves", "_logs", "_seen")

    def __init__(self, logs: Mapping[str, Path]) -> None:
        self._logs = logs
        #: By name: which file, and how far it was read.
        self._seen = {name: _end_of(path) for name, path in logs.items()}
        #: By name: the beginning of a line that is not complete yet.
        self._halves = dict.fromkeys(logs, b"")

    def read(self) -> Iterator[tuple[str, str]]:
        """Name and line of what came since the last time; half a line waits for its other half."""
        for name, path in self._logs.items():
            data = self._halves[name] + self._read(name, path)
            end = data.rfind(b"\n") + 1
            if len(data) - end > _TURN_BYTES:
                end = len(data)
            self._halves[name] = data[end:]
            for line in data[:end].decode(errors="replace").splitlines():
                yield name, line

    def _read(self, name: str, path: Path) -> bytes:
        inode, place = self._seen[name]
        data = b""
        if _inode(path) != inode:
            older = path.with_name(f"{path.name}.1")
            if inode is not None and _inode(older) == inode:
                # It was turned meanwhile: first what is left of the one before.
                data = _bytes(older, place)
            inode, place = _inode(path), 0
        more = _bytes(path, place)
        self._seen[name] = (inode, place + len(more))
        return data + more


def _bytes(path: Path, place: int) -> bytes:
    try:
        with path.open("rb") as file:
            file.seek(place)
            return file.read(_TURN_BYTES)
    except OSError:
        return b""


def _end_of(path: Path) -> tuple[int | None, int]:
    try:
        found = path.stat()
    except OSError:
        return None, 0
    return found.st_ino, found.st_size


def _inode(path: Path) -> int | None:
    return _end_of(path)[0]
