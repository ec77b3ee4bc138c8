"""What others may know of a supervisor, in one file that is replaced whole.

After a crash the file stays behind and says what ran; who reads it holds every pid against its start time
(identity.py) before believing it.
"""

import os
from pathlib import Path
from typing import Literal

import msgspec

from ops.supervisor.identity import ProcessRef

#: waiting: for others. starting: runs, not ready yet. ready. unwell: was ready, does not answer now.
#: backing_off: ended, will be started. done: a step that ended with 0. given_up: starting again would end
#: the same way. held: somebody wants it down until they ask for a restart. stopping, stopped: everything is.
Condition = Literal[
    "waiting",
    "starting",
    "ready",
    "unwell",
    "backing_off",
    "done",
    "given_up",
    "held",
    "stopping",
    "stopped",
]

#: starting: not everything was ready yet. running: everything was. failed: the start did not succeed,
#: everything is stopped. stopping, stopped: somebody asked.
Phase = Literal["starting", "running", "failed", "stopping", "stopped"]

#: A file larger than this is not ours, in bytes.
MAX_BYTES = 1024 * 1024


class ProcessState(msgspec.Struct, frozen=True, kw_only=True):
    """One process or step."""

    name: str
    condition: Condition
    #: Which process it is now; None while it has none.
    ref: ProcessRef | None = None
    #: Where it is reached.
    address: str = ""
    #: How often it was started again.
    restarts: int = 0
    #: How it last ended: an exit code, or minus the signal; None: it never did.
    last_exit: int | None = None
    #: Why it is not ready, for people.
    detail: str = ""
    #: A step, not a process.
    once: bool = False

    @property
    def is_well(self) -> bool:
        """Whether there is nothing to wish for."""
        return self.condition in ("ready", "done")


class SupervisorState(msgspec.Struct, frozen=True, kw_only=True):
    """A supervisor and everything that it keeps."""

    #: What it was started for; `down` ends only what has this name.
    id: str
    supervisor: ProcessRef
    phase: Phase
    processes: tuple[ProcessState, ...]
    #: Name of the process that the start failed on.
    failed: str = ""
    #: Why it failed, for people.
    reason: str = ""

    @property
    def is_healthy(self) -> bool:
        """Whether everything runs and is ready."""
        return self.phase == "running" and all(process.is_well for process in self.processes)


def write_state(path: Path, state: SupervisorState) -> None:
    """Replace the file at `path`.

    Raises:
        OSError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=1) + b"\n")
    draft.replace(path)


def read_state(path: Path) -> SupervisorState | None:
    """What the file at `path` says; None when there is none, or none of ours."""
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.read(MAX_BYTES), type=SupervisorState)
    except (OSError, msgspec.DecodeError):
        return None
