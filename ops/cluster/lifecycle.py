"""`up` and `down`: from any shell, at any time, by the folder alone.

Two promises. `up` returns with everything healthy, or with everything stopped and the reason. `down` ends
what `up` started and nothing else: each process is held against its start time before it is signalled, so
a pid that went to somebody else is left alone, and so is one that a damaged state file names.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import ops
from ops.cluster.record import Cluster, ClusterFolder
from ops.cluster.tail import last_lines
from ops.errors import CannotGoOn
from ops.supervisor import detach
from ops.supervisor.control import Question, ask
from ops.supervisor.identity import ProcessRef, is_alive, ref_of, send
from ops.supervisor.state import SupervisorState

#: The supervisor's program.
PROGRAM = "ops.cluster.program"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How long what may take."""

    #: Everything to be healthy, beyond what the supervisor itself allows, in seconds.
    up_s: float = 400.0
    #: Everything to end in its own way, in seconds.
    down_s: float = 150.0
    #: What was killed to be gone, in seconds.
    kill_s: float = 30.0
    #: One answer of the supervisor, in seconds.
    ask_s: float = 5.0
    #: Between two looks, in seconds.
    look_s: float = 0.05
    #: Lines of a log that are shown when a start failed.
    tail_lines: int = 30


class StartFailed(CannotGoOn):
    """The cluster did not become healthy; everything is stopped."""

    def __init__(self, name: str, reason: str, log: Path, lines: list[str]) -> None:
        #: Process that it failed on.
        self.name = name
        told = "".join(f"\n  | {line}" for line in lines)
        super().__init__(
            f"{name} did not start: {reason}\nEverything is stopped. The end of {log}:{told}"
        )


class Stopped(CannotGoOn):
    """Somebody stopped the cluster while it was waited for."""

    def __init__(self) -> None:
        super().__init__("The cluster was stopped while it started.")


def start(
    folder: ClusterFolder,
    cluster: Cluster,
    environ: Mapping[str, str],
    *,
    say: Say,
    program: str = PROGRAM,
    bounds: Bounds = Bounds(),
) -> SupervisorState:
    """Start what `cluster` describes in its folder, which nothing runs in, and wait until it is healthy.

    Raises:
        StartFailed: it did not become healthy, and everything is stopped.
        Stopped: somebody stopped it meanwhile.
        OSError: the folder cannot be written.
    """
    end_leftovers(folder, bounds)
    folder.keep(cluster)
    folder.supervisor.state_file.unlink(missing_ok=True)
    supervisor = _detached(folder, program, environ)
    try:
        return wait_until_healthy(folder, supervisor, say, bounds)
    except KeyboardInterrupt:
        say("stopping")
        stop(folder, bounds=bounds)
        raise


def stop(folder: ClusterFolder, *, bounds: Bounds = Bounds()) -> bool:
    """End everything that runs in the folder; False when nothing did. Data stay.

    Raises:
        CannotGoOn: something does not end even when it is killed.
    """
    state = folder.supervisor.state()
    ran = folder.supervisor.is_held()
    if ran:
        _ask_to_stop(folder, state, bounds)
        _until(lambda: not folder.supervisor.is_held(), bounds.down_s, bounds)
        if folder.supervisor.is_held() and state is not None:
            # Its children end with it.
            send(state.supervisor, signal.SIGKILL)
            _until(lambda: not folder.supervisor.is_held(), bounds.kill_s, bounds)
        if folder.supervisor.is_held():
            raise CannotGoOn(f"The supervisor of {folder.path} does not end.")
    return end_leftovers(folder, bounds) or ran


def end_leftovers(folder: ClusterFolder, bounds: Bounds) -> bool:
    """Kill what a supervisor that is gone left running, if anything; True when there was something.

    Raises:
        CannotGoOn: something does not end.
    """
    state = folder.supervisor.state()
    left = [ref for ref in _refs(state) if is_alive(ref)]
    for ref in left:
        send(ref, signal.SIGKILL)
    _until(lambda: not any(is_alive(ref) for ref in left), bounds.kill_s, bounds)
    if stuck := [ref.pid for ref in left if is_alive(ref)]:
        raise CannotGoOn(f"These processes do not end: {', '.join(map(str, stuck))}.")
    cluster = folder.cluster()
    if cluster is not None and cluster.shape.engines == "docker":
        from ops.cluster.images import remove_containers

        return remove_containers(cluster.id, patience_s=bounds.kill_s) > 0 or bool(left)
    return bool(left)


def wipe(folder: ClusterFolder) -> None:
    """Remove the folder of a cluster that does not run.

    Raises:
        CannotGoOn: it runs, or is no cluster's.
        OSError: it cannot be removed.
    """
    if folder.cluster() is None:
        raise CannotGoOn(f"There is no cluster in {folder.path}; nothing was removed.")
    if folder.supervisor.is_held():
        raise CannotGoOn(f"The cluster in {folder.path} runs; nothing was removed.")
    shutil.rmtree(folder.path)


@contextmanager
def alone(folder: ClusterFolder) -> Iterator[None]:
    """Let no second `up` in; the lock ends with this process. `down` does not take it.

    Raises:
        OSError: the folder cannot be written.
    """
    lock = os.open(folder.path / "up.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _detached(folder: ClusterFolder, program: str, environ: Mapping[str, str]) -> ProcessRef | None:
    log = folder.supervisor.own_log
    log.unlink(missing_ok=True)
    said = subprocess.run(
        (
            *(sys.executable, "-I", "-S", str(Path(detach.__file__)), str(log)),
            *(sys.executable, "-m", program, str(folder.path)),
        ),
        cwd=Path(ops.__file__).resolve().parent.parent,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
    )
    return ref_of(int(said.stdout))


def wait_until_healthy(
    folder: ClusterFolder, supervisor: ProcessRef | None, say: Say, bounds: Bounds
) -> SupervisorState:
    """Wait for a start that `supervisor` is about, whoever began it.

    Raises:
        StartFailed: it did not succeed, and everything is stopped.
        Stopped: somebody stopped it meanwhile.
    """
    until = time.monotonic() + bounds.up_s
    while True:
        alive = supervisor is not None and is_alive(supervisor)
        # Read after that: what it wrote last counts, though it is gone by now.
        state = folder.supervisor.state()
        if state is not None and state.is_healthy:
            return state
        if not alive:
            break
        if state is not None:
            say(_waiting_for(state))
        if time.monotonic() > until:
            stop(folder, bounds=bounds)
            break
        time.sleep(bounds.look_s)
    if state is not None and state.phase == "stopped":
        raise Stopped
    name = state.failed if state is not None else ""
    log = folder.supervisor.log_of(name) if name else folder.supervisor.own_log
    reason = state.reason if state is not None and state.reason else "it ended"
    lines = last_lines(log, bounds.tail_lines)
    end_leftovers(folder, bounds)
    raise StartFailed(name or "The supervisor", reason, log, lines)


def _waiting_for(state: SupervisorState) -> str:
    if state.phase == "stopping":
        return f"{state.failed or 'something'} did not start; stopping everything"
    late = [process.name for process in state.processes if not process.is_well]
    begun = [
        process.name
        for process in state.processes
        if process.name in late and process.condition != "waiting"
    ]
    return f"{len(state.processes) - len(late)} of {len(state.processes)}: {', '.join(begun)}"


def _ask_to_stop(folder: ClusterFolder, state: SupervisorState | None, bounds: Bounds) -> None:
    try:
        ask(folder.supervisor.control, Question(command="stop"), timeout_s=bounds.ask_s)
    except OSError:
        # It does not listen yet, or no longer.
        if state is not None:
            send(state.supervisor, signal.SIGTERM)


def _refs(state: SupervisorState | None) -> list[ProcessRef]:
    if state is None:
        return []
    return [process.ref for process in state.processes if process.ref is not None]


def _until(claim: Callable[[], bool], seconds: float, bounds: Bounds) -> None:
    until = time.monotonic() + seconds
    while not claim() and time.monotonic() < until:
        time.sleep(bounds.look_s)
