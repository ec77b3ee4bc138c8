"""A supervisor as a process of its own, over stand-ins: what the fleet has, without the fleet.

`Supervising` is the test's end of it; run as a program it is the supervisor, from a plan in its folder.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from ops.supervisor.backoff import BackoffSettings
from ops.supervisor.control import Answer, Question, ask
from ops.supervisor.folder import SupervisorFolder
from ops.supervisor.identity import ProcessRef, is_alive
from ops.supervisor.run_folder import RunFolder
from ops.supervisor.spec import Probe, ProcessSpec, SupervisorSettings, runs
from ops.supervisor.state import ProcessState, SupervisorState
from ops.supervisor.supervisor import run_supervisor

STAND_IN = Path(__file__).with_name("stand_in.py")
ROOT = Path(__file__).resolve().parents[2]

#: How long anything here may take, in seconds.
PATIENCE_S = 20.0


class StandIn(msgspec.Struct, kw_only=True):
    """One process of a plan."""

    name: str
    options: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    once: bool = False
    stop_s: float = 5.0
    ready_s: float = 20.0


class Plan(msgspec.Struct, kw_only=True):
    """Everything that a supervisor is started with."""

    stand_ins: list[StandIn]
    max_log_bytes: int = 64 * 1024
    start_attempts: int = 4
    first_s: float = 0.1


def specs_of(plan: Plan, run: Path) -> list[ProcessSpec]:
    return [
        ProcessSpec(
            name=one.name,
            argv=(sys.executable, "-S", str(STAND_IN), one.name, str(run), *one.options),
            env={"PATH": os.defpath},
            ready=runs if one.once else _ready(run, one.name),
            after=one.after,
            once=one.once,
            stop_s=one.stop_s,
            ready_s=one.ready_s,
            run_dir=run,
        )
        for one in plan.stand_ins
    ]


def _ready(run: Path, name: str) -> Probe:
    async def told() -> bool:
        return RunFolder(run).ready(name) is not None

    return told


class Supervising:
    """A supervisor that was started."""

    def __init__(self, folder: SupervisorFolder, popen: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.popen = popen
        self.run = folder.path / "run"

    def state(self) -> SupervisorState:
        state = self.folder.state()
        assert state is not None
        return state

    def process(self, name: str) -> ProcessState:
        return next(each for each in self.state().processes if each.name == name)

    def ref(self, name: str) -> ProcessRef:
        ref = self.process(name).ref
        assert ref is not None
        return ref

    def lives(self, name: str) -> list[tuple[int, float]]:
        """Pid and start (in seconds) of every life so far."""
        path = self.run / f"{name}.lives"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(int(pid), float(at)) for pid, at in map(str.split, lines)]

    def log(self, name: str) -> str:
        return self.folder.log_of(name).read_text()

    def ask(self, question: Question) -> Answer:
        return ask(self.folder.control, question, timeout_s=PATIENCE_S)

    def until(self, claim: Callable[[], bool], patience_s: float = PATIENCE_S) -> None:
        until(claim, patience_s=patience_s, told=lambda: self.folder.state())

    def until_healthy(self) -> None:
        self.until(lambda: (state := self.folder.state()) is not None and state.is_healthy)

    def refs(self) -> list[ProcessRef]:
        return [process.ref for process in self.state().processes if process.ref is not None]


@contextmanager
def supervising(path: Path, stand_ins: Sequence[StandIn], **bounds: float) -> Iterator[Supervising]:
    folder = SupervisorFolder(path)
    path.mkdir(parents=True, exist_ok=True)
    plan = Plan(stand_ins=list(stand_ins), **bounds)  # type: ignore[arg-type]
    (path / "plan.json").write_bytes(msgspec.json.encode(plan))
    with (path / "out").open("ab") as out:
        popen = subprocess.Popen(
            (sys.executable, "-m", "tests.support.supervising", str(path)),
            cwd=ROOT,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        yield Supervising(folder, popen)
    finally:
        popen.send_signal(signal.SIGTERM)
        try:
            popen.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait()


def until(
    claim: Callable[[], bool],
    *,
    patience_s: float = PATIENCE_S,
    told: Callable[[], object] = lambda: "",
) -> None:
    deadline = time.monotonic() + patience_s
    while not claim():
        assert time.monotonic() < deadline, f"not within {patience_s:g} s: {told()}"
        time.sleep(0.02)


def gone(refs: Sequence[ProcessRef]) -> bool:
    return not any(is_alive(ref) for ref in refs)


def main(path: Path) -> int:
    plan = msgspec.json.decode((path / "plan.json").read_bytes(), type=Plan)
    settings = SupervisorSettings(
        backoff=BackoffSettings(first_s=plan.first_s, max_s=1.0, healthy_s=60.0),
        eager_probe_s=0.02,
        calm_probe_s=0.1,
        start_attempts=plan.start_attempts,
        max_log_bytes=plan.max_log_bytes,
    )
    return run_supervisor(
        "stand-ins", specs_of(plan, path / "run"), SupervisorFolder(path), settings
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
