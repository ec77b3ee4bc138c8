"""`kinora cluster` over stand-ins: what `up` and `down` promise, whatever runs beneath."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from msgspec import structs

from ops.cli import kinora
from ops.cluster.lifecycle import Bounds, StartFailed, stop
from ops.cluster.plan import ENGINES
from ops.cluster.record import ClusterFolder
from ops.cluster.start import OtherShape, restart, show, up
from ops.engines.found import EngineMissing
from ops.engines.native import find_all
from ops.errors import CannotGoOn
from ops.supervisor.identity import ProcessRef, is_alive, ref_of, send
from ops.supervisor.state import ProcessState, SupervisorState, write_state
from tests.support.stand_in_cluster import ENGINES_PROGRAM, PROGRAM
from tests.support.supervising import ROOT, gone, until

#: How long the children of a killed supervisor may outlive it, in seconds.
ORPHANED_S = 2.0

BOUNDS = Bounds(up_s=30.0, down_s=30.0)
ENVIRON = {
    "PATH": os.defpath,
    "HOME": os.environ.get("HOME", "/"),
    "KINORA_PORT": "0",
    "PYTHONPATH": str(ROOT),
}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[ClusterFolder]:
    made = ClusterFolder(tmp_path / "cluster")
    yield made
    stop(made)


def bring_up(folder: ClusterFolder, **wish: object) -> bool:
    return up(folder, wish, {}, ENVIRON, program=PROGRAM, bounds=BOUNDS)


def test_up_returns_when_everything_is_ready_and_shows_it(
    folder: ClusterFolder, capsys: pytest.CaptureFixture[str]
):
    assert bring_up(folder, gateways=2, nodes=3)

    shown = capsys.readouterr().out
    names = {process.name for process in state_of(folder).processes}
    assert names == {"migrate", "media-0", *(f"gateway-{n}" for n in range(2)), *NODES}
    assert all(name in shown for name in names)
    assert "Kinora serves at http://127.0.0.1:" in shown
    assert show(folder)


NODES = ("node-0", "node-1", "node-2")


def test_up_twice_starts_nothing_twice(folder: ClusterFolder):
    assert bring_up(folder)
    before = state_of(folder)

    assert bring_up(folder)

    assert state_of(folder) == before


def test_up_waits_for_a_start_that_somebody_else_began(folder: ClusterFolder):
    folder.make()
    (folder.run / "node.options").write_text("--unready")
    beginner = subprocess.Popen(
        (sys.executable, "-c", BEGIN, str(folder.path)), cwd=ROOT, env=ENVIRON
    )
    until(lambda: (state := folder.supervisor.state()) is not None and bool(state.processes))
    beginner.kill()
    beginner.wait()
    (folder.run / "node.options").unlink()
    until(lambda: any(process.name == "node-0" and process.ref for process in states_of(folder)))
    for process in states_of(folder):
        if process.name.startswith("node") and process.ref is not None:
            send(process.ref, signal.SIGKILL)

    assert bring_up(folder)


#: What another shell does.
BEGIN = """
import os, sys
from pathlib import Path
from ops.cluster.record import ClusterFolder
from ops.cluster.start import up
from tests.support.stand_in_cluster import ENGINES_PROGRAM, PROGRAM
up(ClusterFolder(Path(sys.argv[1])), {}, {}, os.environ, program=PROGRAM)
"""


def test_another_shape_is_refused_and_leaves_the_running_one_alone(folder: ClusterFolder):
    assert bring_up(folder)
    before = state_of(folder)

    with pytest.raises(OtherShape, match="cluster down"):
        bring_up(folder, nodes=3)

    assert state_of(folder) == before


def test_what_was_not_said_stays_as_it_was(folder: ClusterFolder):
    assert bring_up(folder, nodes=1)
    stop(folder)

    assert bring_up(folder, gateways=2)

    cluster = folder.cluster()
    assert cluster is not None
    assert (cluster.shape.nodes, cluster.shape.gateways) == (1, 2)


def test_stored_data_are_not_handed_to_other_engines(folder: ClusterFolder):
    assert bring_up(folder)
    stop(folder)

    with pytest.raises(OtherShape, match="--wipe"):
        bring_up(folder, cassandra=3)


def test_down_from_another_process_leaves_nothing_running(folder: ClusterFolder):
    assert bring_up(folder)
    refs = refs_of(folder)

    done = command("down", "--dir", str(folder.path))

    assert done.returncode == 0, done.stderr
    assert "is stopped" in done.stdout
    assert gone(refs)
    assert not list(folder.run.glob("*.ready.json"))
    assert command("status", "--dir", str(folder.path)).returncode == 1
    assert "No cluster runs" in command("down", "--dir", str(folder.path)).stdout


def test_down_keeps_what_was_stored_unless_told_to_remove_it(folder: ClusterFolder):
    assert bring_up(folder)
    kept = folder.data / "kept"
    kept.write_text("x")

    assert command("down", "--dir", str(folder.path)).returncode == 0
    assert kept.exists()
    assert command("down", "--wipe", "--dir", str(folder.path)).returncode == 0

    assert not folder.path.exists()


def test_a_folder_of_somebody_else_is_neither_used_nor_removed(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("x")

    with pytest.raises(CannotGoOn, match="no cluster"):
        bring_up(ClusterFolder(tmp_path))
    done = command("down", "--wipe", "--dir", str(tmp_path))

    assert done.returncode == 3
    assert (tmp_path / "thesis.txt").exists()


def test_a_killed_supervisor_takes_everything_along_and_up_begins_anew(folder: ClusterFolder):
    assert bring_up(folder)
    refs = refs_of(folder)
    supervisor = state_of(folder).supervisor

    os.kill(supervisor.pid, signal.SIGKILL)

    until(lambda: gone(refs), patience_s=ORPHANED_S)
    assert command("status", "--dir", str(folder.path)).returncode == 1
    assert bring_up(folder)
    assert not set(refs) & set(refs_of(folder))


def test_down_leaves_alone_who_got_the_pid_of_a_process_that_is_gone(folder: ClusterFolder):
    assert bring_up(folder)
    stop(folder)
    with stranger() as popen:
        now = ref_of(popen.pid)
        assert now is not None
        forge(folder, structs.replace(now, start_ticks=now.start_ticks - 1))
        stop(folder)
        assert is_alive(now)

        forge(folder, structs.replace(now, boot_id="another boot"))
        stop(folder)
        assert is_alive(now)

        # The very process that the state names is ended: so the claim above says something.
        forge(folder, now)
        stop(folder)
        assert not is_alive(now)


def test_down_ends_a_supervisor_that_does_not_answer(folder: ClusterFolder):
    assert bring_up(folder)
    refs = [*refs_of(folder), state_of(folder).supervisor]
    os.kill(refs[-1].pid, signal.SIGSTOP)

    stop(folder, bounds=Bounds(ask_s=0.2, down_s=0.5))

    until(lambda: gone(refs), patience_s=ORPHANED_S)


def test_a_failed_start_names_the_process_shows_its_log_and_stops_everything(
    folder: ClusterFolder,
):
    folder.make()
    (folder.run / "gateway.options").write_text("--exit 78")

    with pytest.raises(StartFailed) as caught:
        bring_up(folder)

    assert caught.value.name == "gateway-0"
    assert "78 (configuration)" in str(caught.value)
    assert "| dead: []" in str(caught.value)
    assert gone(refs_of(folder))
    assert not folder.supervisor.is_held()
    assert [path.name for path in folder.run.glob("*.ready.json")] == []


def test_a_start_that_takes_too_long_is_given_up(folder: ClusterFolder):
    folder.make()
    (folder.run / "node.options").write_text("--unready")

    with pytest.raises(CannotGoOn):
        up(folder, {}, {}, ENVIRON, program=PROGRAM, bounds=Bounds(up_s=1.0))

    assert not folder.supervisor.is_held()


def test_a_restart_rolls_through_the_processes(folder: ClusterFolder):
    assert bring_up(folder)
    before = {process.name: process.ref for process in state_of(folder).processes}
    said: list[str] = []

    restart(folder, (), said.append)

    after = {process.name: process.ref for process in state_of(folder).processes}
    assert [line.split()[0] for line in said] == ["node-0", "node-1", "media-0", "gateway-0"]
    assert all(after[name] != before[name] for name in before if name != "migrate")
    with pytest.raises(CannotGoOn, match="There are: migrate"):
        restart(folder, ("nobody",), said.append)


def test_status_says_when_something_is_not_well(folder: ClusterFolder):
    assert bring_up(folder)
    assert command("status", "--dir", str(folder.path)).returncode == 0
    node = next(process for process in state_of(folder).processes if process.name == "node-0")
    assert node.ref is not None

    os.kill(node.ref.pid, signal.SIGSTOP)
    until(lambda: not state_of(folder).is_healthy)

    told = command("status", "--dir", str(folder.path))
    assert told.returncode == 1
    assert "SIGSTOP" in told.stdout


def test_logs_show_the_end_of_each_and_of_one(folder: ClusterFolder):
    assert bring_up(folder)

    everything = CliRunner().invoke(kinora, ["cluster", "logs", "--dir", str(folder.path)])
    one = CliRunner().invoke(kinora, ["cluster", "logs", "node-1", "--dir", str(folder.path)])

    assert "node-0 | dead: []" in everything.output
    assert one.output.splitlines()[0] == "dead: []"
    nobody = CliRunner().invoke(kinora, ["cluster", "logs", "nobody", "--dir", str(folder.path)])
    assert nobody.exit_code != 0


def test_a_missing_engine_is_told_and_nothing_is_installed(tmp_path: Path):
    empty = {**ENVIRON, "XDG_CACHE_HOME": str(tmp_path / "cache"), "PATH": str(tmp_path)}
    folder = ClusterFolder(tmp_path / "cluster")

    with pytest.raises(CannotGoOn, match="make engines"):
        up(folder, {}, {}, empty)

    assert not (tmp_path / "cache").exists()
    assert not folder.record.exists()


@pytest.mark.engines
@pytest.mark.timeout(300)
def test_real_engines_come_and_go_with_the_cluster(folder: ClusterFolder):
    try:
        find_all(ENGINES, os.environ)
    except EngineMissing as error:
        if os.environ.get("CI") in ("true", "1"):
            raise
        pytest.skip(str(error))
    environ = {**os.environ, **ENVIRON, "PATH": os.environ["PATH"]}

    assert up(folder, {}, {}, environ, program=ENGINES_PROGRAM)
    refs = refs_of(folder)
    assert len(refs) == 14

    os.kill(state_of(folder).supervisor.pid, signal.SIGKILL)
    until(lambda: gone(refs), patience_s=ORPHANED_S)

    assert up(folder, {}, {}, environ, program=ENGINES_PROGRAM)
    refs = refs_of(folder)
    stop(folder)
    assert gone(refs)


def test_a_path_that_is_too_long_for_sockets_is_refused_at_once(tmp_path: Path):
    with pytest.raises(CannotGoOn, match="bytes too long"):
        bring_up(ClusterFolder(tmp_path / ("x" * 100)))


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "ops.cli", "cluster", *arguments),
        cwd=ROOT,
        env={**ENVIRON, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def state_of(folder: ClusterFolder) -> SupervisorState:
    state = folder.supervisor.state()
    assert state is not None
    return state


def states_of(folder: ClusterFolder) -> tuple[ProcessState, ...]:
    return state_of(folder).processes


def refs_of(folder: ClusterFolder) -> list[ProcessRef]:
    return [process.ref for process in state_of(folder).processes if process.ref is not None]


def forge(folder: ClusterFolder, ref: ProcessRef) -> None:
    state = state_of(folder)
    process = ProcessState(name="node-0", condition="ready", ref=ref)
    forged = structs.replace(state, processes=(process,), supervisor=ref)
    write_state(folder.supervisor.state_file, forged)


class stranger:
    """Somebody else's process."""

    def __enter__(self) -> subprocess.Popen[bytes]:
        self._popen = subprocess.Popen(("sleep", "60"))
        return self._popen

    def __exit__(self, *_: object) -> None:
        self._popen.kill()
        self._popen.wait()
