"""The data folder: everything that one embedded product keeps, and nothing beside it.

    kinora.lock   held by the process that serves; says its process id
    kinora.db     facts and shard state (with -wal and -shm beside it)
    blobs/        uploads and media
    secrets/      keys, one file each, mode 0600, made on first use
    scratch/      work of the encoder; emptied at start
    ports.json    where the product serves while it runs

The promise: at most one process has it open. The lock is the kernel's (`flock`), so it ends with the
process however that ends, and no stale file keeps anybody out. The folder is 0700.
"""

import fcntl
import os
import secrets as dice
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.errors import CannotGoOn
from ops.flock import is_locked
from ops.ports_file import Ports, read_ports, write_ports

#: Bytes of a secret that are read at most.
MAX_SECRET_BYTES = 64 * 1024


class DataDirTaken(CannotGoOn):
    """Another process has the data folder open."""

    def __init__(self, path: Path, holder: int | None) -> None:
        self.path = path
        #: Process id of the holder, None where it could not be read.
        self.holder = holder
        whose = f"process {holder}" if holder else "another process"
        super().__init__(
            f"The data folder {path} is in use by {whose}.\n"
            "Stop that one first, or give this one a folder of its own: KINORA_DATA_DIR=..."
        )


class DataDirUnusable(CannotGoOn):
    """The data folder cannot be made, read or written."""

    def __init__(self, path: Path, error: OSError) -> None:
        self.path = path
        super().__init__(
            f"The data folder {path} cannot be used: {error.strerror or error}.\n"
            "Give it to this user (chown, chmod 700), or name another: KINORA_DATA_DIR=..."
        )


@dataclass(frozen=True, slots=True)
class DataDir:
    """Names within a data folder. Making one touches nothing."""

    path: Path

    @property
    def lock(self) -> Path:
        return self.path / "kinora.lock"

    @property
    def database(self) -> Path:
        return self.path / "kinora.db"

    @property
    def blobs(self) -> Path:
        return self.path / "blobs"

    @property
    def secrets(self) -> Path:
        return self.path / "secrets"

    @property
    def scratch(self) -> Path:
        return self.path / "scratch"

    @property
    def ports_file(self) -> Path:
        return self.path / "ports.json"

    def ports(self) -> Ports | None:
        """Where the product that uses this folder serves, or served before it crashed."""
        return read_ports(self.ports_file)

    def is_held(self) -> bool:
        """Whether a process has the folder open now; touches nothing."""
        return is_locked(self.lock)

    def secret(self, name: str, size: int = 32) -> bytes:
        """The secret called `name`: what its file holds, or `size` fresh random bytes put there first.

        Two processes that ask at once get the same one.

        Raises:
            DataDirUnusable: it cannot be read or written, or is empty.
        """
        return self._secret(name, lambda: dice.token_bytes(size))

    def word(self, name: str, size: int = 20) -> str:
        """As `secret`, for what has to be typed or sent as text: made of hexadecimal digits.

        Raises:
            DataDirUnusable: it cannot be read or written, is empty, or is no text.
        """
        value = self._secret(name, lambda: dice.token_hex(size).encode())
        try:
            return value.decode().strip()
        except UnicodeDecodeError:
            raise DataDirUnusable(self.secrets / name, OSError(0, "it is no text")) from None

    def _secret(self, name: str, make: Callable[[], bytes]) -> bytes:
        file = self.secrets / name
        try:
            if not file.exists():
                _make_secret(file, make())
            file.chmod(0o600)
            with file.open("rb") as opened:
                value = opened.read(MAX_SECRET_BYTES)
        except OSError as error:
            raise DataDirUnusable(file, error) from error
        if not value:
            raise DataDirUnusable(file, OSError(0, "the secret is empty; remove the file"))
        return value

    def __repr__(self) -> str:
        return f"<DataDir {self.path}>"


class OpenDataDir:
    """A data folder that this process holds until `close`."""

    __slots__ = ("_lock", "dir")

    def __init__(self, folder: DataDir, lock: int) -> None:
        self.dir = folder
        self._lock = lock

    def publish(self, ports: Ports) -> None:
        """Say where this process serves.

        Raises:
            DataDirUnusable: the file cannot be written.
        """
        try:
            write_ports(self.dir.ports_file, ports)
        except OSError as error:
            raise DataDirUnusable(self.dir.ports_file, error) from error

    def close(self) -> None:
        """Take back what was published and let others in. Repeatable."""
        if self._lock >= 0:
            self.dir.ports_file.unlink(missing_ok=True)
            os.ftruncate(self._lock, 0)
            os.close(self._lock)
            self._lock = -1

    def __repr__(self) -> str:
        return f"<OpenDataDir {self.dir.path} held={self._lock >= 0}>"


@contextmanager
def open_data_dir(path: Path) -> Iterator[OpenDataDir]:
    """Make the folder where it is missing, and hold it.

    Raises:
        DataDirTaken: another process holds it; nothing was changed.
        DataDirUnusable: it cannot be made, read or written.
    """
    folder = DataDir(path.expanduser().absolute())
    try:
        folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = _take_lock(folder)
    except OSError as error:
        raise DataDirUnusable(folder.path, error) from error
    opened = OpenDataDir(folder, lock)
    try:
        try:
            folder.ports_file.unlink(missing_ok=True)
            for each in (folder.blobs, folder.secrets, folder.scratch):
                each.mkdir(mode=0o700, exist_ok=True)
            _empty(folder.scratch)
        except OSError as error:
            raise DataDirUnusable(folder.path, error) from error
        yield opened
    finally:
        opened.close()


def share_data_dir(path: Path) -> DataDir:
    """The folder that the processes of a fleet on one machine share: secrets and scratch; nobody holds it.

    Raises:
        DataDirUnusable: it cannot be made.
    """
    folder = DataDir(path.expanduser().absolute())
    try:
        for each in (folder.path, folder.secrets, folder.scratch):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DataDirUnusable(folder.path, error) from error
    return folder


def _take_lock(folder: DataDir) -> int:
    # Opened without truncation: until the lock is ours, the holder's number stands there. Children that
    # run another program do not inherit it, so an encoder that outlives us does not keep us out.
    lock = os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        holder = os.pread(lock, 32, 0).strip()
        os.close(lock)
        raise DataDirTaken(folder.path, int(holder) if holder.isdigit() else None) from None
    except BaseException:
        os.close(lock)
        raise
    return lock


def _make_secret(file: Path, value: bytes) -> None:
    # Written aside and linked: a crash leaves no half secret, and of two makers the first one wins.
    file.parent.mkdir(mode=0o700, exist_ok=True)
    draft = file.with_name(f".{file.name}.{dice.token_hex(4)}")
    opened = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(opened, "wb") as writer:
            writer.write(value)
            writer.flush()
            os.fsync(writer.fileno())
        try:
            os.link(draft, file)
        except FileExistsError:
            pass
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(file.parent)


def _sync_folder(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)
