"""What a process prints, in a file that cannot fill the disk: `name.log`, and `name.log.1` before it.

Each of the two is at most `max_bytes`. The supervisor writes it, so that the bound holds whatever a
process prints and however fast.
"""

import os
from pathlib import Path


class BoundedLog:
    """Two files, the older of which is forgotten when the newer is full. Opened by the first write."""

    __slots__ = ("_file", "_max_bytes", "_size", "path")

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._file = -1
        self._size = 0

    @property
    def older(self) -> Path:
        """Where the previous file lies, once there was one."""
        return self.path.with_name(f"{self.path.name}.1")

    def write(self, data: bytes) -> None:
        """Append, turning to a new file where this one would grow beyond the bound.

        Raises:
            OSError: the disk is full or the folder is gone.
        """
        while data:
            if self._file < 0:
                self._open()
            if self._size >= self._max_bytes:
                self._turn()
            written = os.write(self._file, data[: self._max_bytes - self._size])
            self._size += written
            data = data[written:]

    def note(self, sentence: str) -> None:
        """Append a line of the supervisor's own."""
        self.write(f"[supervisor] {sentence}\n".encode())

    def close(self) -> None:
        """Let go of the file. Repeatable; the next write opens it again."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __repr__(self) -> str:
        return f"<BoundedLog {self.path} {self._size}/{self._max_bytes} bytes>"

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(self.path, flags, 0o600)
        self._size = os.fstat(self._file).st_size

    def _turn(self) -> None:
        self.close()
        self.path.replace(self.older)
        self._open()
