"""The run folder: what a process and its supervisor tell each other in small files.

    <name>.ready.json     by the process: it serves, and where. Removed at its end, and after its death.
    <name>.incarnation    by the process at its start: the name of this life of it
    <name>.dead           by the supervisor: incarnations of it that have certainly ended, one a line,
                          oldest first, at most `MAX_DEAD`

The promise behind `.dead`: a name stands there only after the kernel said that the process is gone
(waitpid), with its whole process group, and before its successor is started. So the successor may take at
once what its predecessors held, instead of waiting until their leases run out. A list and not one name,
because a successor may itself end before it took anything.

Every file is replaced whole; a reader sees an old one or a new one and never half of one.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

#: Incarnations that are remembered a process; older ones have long lost their leases.
MAX_DEAD = 64
#: A file larger than this is not ours, in bytes.
MAX_BYTES = 64 * 1024
#: Longest name of an incarnation, in characters.
MAX_INCARNATION = 200


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """Where a process serves."""

    pid: int
    #: `unix:/path`, `host:port` or a URL; empty where nobody calls it.
    address: str = ""
    metrics_url: str = ""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Names within a run folder. Making one touches nothing."""

    path: Path

    def begin(self, name: str, incarnation: str) -> tuple[str, ...]:
        """By a process at its start: say which life this is; returns those that have certainly ended.

        Raises:
            OSError: the folder cannot be written.
            ValueError: that is no name of an incarnation.
        """
        if not incarnation or len(incarnation) > MAX_INCARNATION or not incarnation.isprintable():
            raise ValueError(f"not an incarnation: {incarnation[:MAX_INCARNATION]!r}")
        _replace(self._incarnation(name), f"{incarnation}\n".encode())
        return self.dead(name)

    def tell_ready(self, name: str, ready: Ready) -> None:
        """By a process once it serves.

        Raises:
            OSError: the folder cannot be written.
        """
        _replace(self._ready(name), msgspec.json.encode(ready) + b"\n")

    def end(self, name: str) -> None:
        """By a process that stops serving. Repeatable."""
        self._ready(name).unlink(missing_ok=True)

    def ready(self, name: str) -> Ready | None:
        """Where the process serves; None while it does not."""
        try:
            return msgspec.json.decode(_read(self._ready(name)), type=Ready)
        except (OSError, msgspec.DecodeError):
            return None

    def dead(self, name: str) -> tuple[str, ...]:
        """Incarnations that have certainly ended, oldest first."""
        try:
            text = _read(self._dead(name)).decode()
        except (OSError, UnicodeDecodeError):
            return ()
        return tuple(line for line in text.splitlines() if line)

    def bury(self, name: str) -> str | None:
        """By the supervisor, which knows that the process has ended; returns the incarnation it had.

        Raises:
            OSError: the folder cannot be written.
        """
        self.end(name)
        try:
            incarnation = _read(self._incarnation(name)).decode().strip()
        except (OSError, UnicodeDecodeError):
            return None
        if incarnation:
            known = [each for each in self.dead(name) if each != incarnation]
            lines = [*known, incarnation][-MAX_DEAD:]
            _replace(self._dead(name), "".join(f"{line}\n" for line in lines).encode())
        self._incarnation(name).unlink(missing_ok=True)
        return incarnation or None

    def __repr__(self) -> str:
        return f"<RunFolder {self.path}>"

    def _ready(self, name: str) -> Path:
        return self.path / f"{name}.ready.json"

    def _incarnation(self, name: str) -> Path:
        return self.path / f"{name}.incarnation"

    def _dead(self, name: str) -> Path:
        return self.path / f"{name}.dead"


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES)


def _replace(path: Path, data: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(data)
    draft.replace(path)
