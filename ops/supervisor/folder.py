"""What a supervisor keeps in its folder, and the lock that says that it runs.

state.json        what it says of itself and of what it runs (state.py)
control.sock      where it takes commands (control.py)
supervisor.lock   held by the kernel for it (flock), hence never stale
supervisor.log    what it prints itself
logs/             NAME.log and NAME.log.1 of every process
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ops.errors import CannotGoOn
from ops.flock import is_locked
from ops.supervisor.state import SupervisorState, read_state


class AlreadySupervised(CannotGoOn):
    """A supervisor runs on this folder already."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"A supervisor runs on {path} already.")


@dataclass(frozen=True, slots=True)
class SupervisorFolder:
    """Names within the folder of a supervisor. Making one touches nothing."""

    path: Path

    @property
    def state_file(self) -> Path:
        return self.path / "state.json"

    @property
    def control(self) -> Path:
        return self.path / "control.sock"

    @property
    def lock(self) -> Path:
        return self.path / "supervisor.lock"

    @property
    def own_log(self) -> Path:
        return self.path / "supervisor.log"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def log_of(self, name: str) -> Path:
        """Where the output of a process goes."""
        return self.logs / f"{name}.log"

    def state(self) -> SupervisorState | None:
        """What the supervisor says, or said before it ended; None where there was none."""
        return read_state(self.state_file)

    def is_held(self) -> bool:
        """Whether a supervisor runs on it now."""
        return is_locked(self.lock)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the one supervisor of it until the block ends. Children do not inherit the lock.

        Raises:
            AlreadySupervised: another one is.
            OSError: the folder cannot be written.
        """
        self.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadySupervised(self.path) from None
            yield
        finally:
            os.close(lock)

    def __repr__(self) -> str:
        return f"<SupervisorFolder {self.path}>"
