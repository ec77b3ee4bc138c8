"""What is to run, as frozen values; and every bound that the supervisor goes by."""

import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from ops.supervisor.backoff import BackoffSettings

#: Tells whether a process can be used now. Asked again and again for as long as it runs; what it raises
#: is a no with a reason.
Probe = Callable[[], Awaitable[bool]]


async def runs() -> bool:
    """The probe of what is ready as soon as it runs."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSpec:
    """One process that is kept running, or one step that is done once."""

    name: str
    #: Program and arguments. Looked for on the PATH of `env`.
    argv: tuple[str, ...]
    #: The whole environment; nothing is added.
    env: Mapping[str, str]
    #: Where it runs; None: where the supervisor runs.
    cwd: Path | None = None
    ready: Probe = runs
    #: Names of what must be ready (or done, for a step) first.
    after: tuple[str, ...] = ()
    #: A step that is a program: done when it ended with 0, and not started again.
    once: bool = False
    #: What asks it to end.
    stop_signal: signal.Signals = signal.SIGTERM
    #: How long it may take to end before it is killed, in seconds.
    stop_s: float = 10.0
    #: How long a start may take until it is ready, in seconds; then it is ended and counts as failed.
    ready_s: float = 60.0
    #: What the kernel sends it when the supervisor is gone.
    death_signal: signal.Signals = signal.SIGKILL
    #: Where it is reached, for people; a ready file (run_folder.py) may say better.
    address: str = ""
    #: Folder that it tells its incarnation and its readiness in, and is told of proven deaths; or None.
    run_dir: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSpec:
    """One step that is done once, within the supervisor itself; after every start of it, again."""

    name: str
    #: What is done. Repeatable: it finds out by itself what was done before.
    work: Callable[[], Awaitable[None]]
    after: tuple[str, ...] = ()
    #: How long one attempt may take, in seconds.
    ready_s: float = 60.0


Spec: TypeAlias = ProcessSpec | StepSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class SupervisorSettings:
    """The bounds of a supervisor."""

    backoff: BackoffSettings = field(default_factory=BackoffSettings)
    #: How often a process that is not ready is asked, in seconds.
    eager_probe_s: float = 0.1
    #: How often a process that is ready is asked, in seconds.
    calm_probe_s: float = 2.0
    #: How long one answer may take, in seconds.
    probe_timeout_s: float = 2.0
    #: How often a process may fail before it was ever ready, until the whole start has failed.
    start_attempts: int = 6
    #: How long the whole start may take, in seconds.
    start_s: float = 300.0
    #: Size of each of the two log files of a process, in bytes.
    max_log_bytes: int = 8 * 1024 * 1024
    #: Controlling connections that are served at once; more are refused.
    max_controls: int = 16
    #: How long a controlling connection may take to say what it wants, in seconds.
    control_s: float = 5.0


def check_specs(specs: Sequence[Spec]) -> None:
    """Refuse names that are not unique, not known or wait for each other.

    Raises:
        ValueError: with the first thing that is wrong.
    """
    names = [spec.name for spec in specs]
    if len(set(names)) < len(names):
        raise ValueError(f"a name is given twice: {sorted(names)}")
    left = {spec.name: set(spec.after) for spec in specs}
    for name, after in left.items():
        if unknown := after - left.keys():
            raise ValueError(f"{name} waits for {sorted(unknown)}, which is not described")
    while free := {name for name, after in left.items() if not after}:
        left = {name: after - free for name, after in left.items() if name not in free}
    if left:
        raise ValueError(f"these wait for each other: {sorted(left)}")
