"""The parts of the supervisor that need no process: bounds, files, order, identity."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from msgspec import structs

from ops.supervisor.backoff import Backoff, BackoffSettings
from ops.supervisor.exit_codes import ExitCode, describe, is_final
from ops.supervisor.identity import is_alive, ref_of, resident_bytes, send
from ops.supervisor.log_file import BoundedLog
from ops.supervisor.run_folder import MAX_DEAD, Ready, RunFolder
from ops.supervisor.spec import ProcessSpec, Spec, StepSpec, check_specs
from ops.supervisor.state import ProcessState, SupervisorState, read_state, write_state


def test_the_first_failure_is_forgiven_the_others_wait_ever_longer_up_to_a_bound():
    backoff = Backoff(BackoffSettings(first_s=0.5, max_s=3.0, healthy_s=10.0))

    assert [backoff.failed(ready_s=1.0) for _ in range(6)] == [0.0, 0.5, 1.0, 2.0, 3.0, 3.0]


def test_failures_are_forgotten_after_it_was_healthy_for_long_enough():
    backoff = Backoff(BackoffSettings(first_s=0.5, max_s=3.0, healthy_s=10.0))
    for _ in range(5):
        backoff.failed(ready_s=9.9)

    assert backoff.failed(ready_s=10.0) == 0.0
    assert backoff.failed(ready_s=0.0) == 0.5


def test_a_process_may_fail_for_ever():
    backoff = Backoff(BackoffSettings(max_s=15.0))

    assert {backoff.failed(ready_s=0.0) for _ in range(5_000)} >= {0.0, 15.0}


def test_only_what_would_end_the_same_way_is_left_alone():
    assert {code for code in ExitCode if is_final(code)} == {
        ExitCode.USAGE,
        ExitCode.CONFIGURATION,
    }
    assert not is_final(-signal.SIGKILL)
    assert describe(-9) == "signal 9 (SIGKILL)"
    assert describe(69) == "exit code 69 (engine unreachable)"
    assert describe(3) == "exit code 3"


def test_a_log_never_grows_beyond_its_two_files(tmp_path: Path):
    log = BoundedLog(tmp_path / "node.log", 100)

    for size in (1, 99, 100, 101, 250, 7):
        log.write(b"x" * size)
        assert log.path.stat().st_size <= 100
        assert not log.older.exists() or log.older.stat().st_size <= 100
    log.close()

    assert sorted(path.name for path in tmp_path.iterdir()) == ["node.log", "node.log.1"]


def test_a_log_goes_on_where_it_ended(tmp_path: Path):
    log = BoundedLog(tmp_path / "node.log", 100)
    for _ in range(3):
        log.write(b"y" * 60)
        log.close()

    assert log.path.stat().st_size == 80
    assert log.older.stat().st_size == 100


def test_the_dead_are_told_until_nobody_can_remember_them(tmp_path: Path):
    run = RunFolder(tmp_path)
    assert run.begin("node-0", "first") == ()
    assert run.bury("node-0") == "first"
    assert run.begin("node-0", "second") == ("first",)
    assert run.bury("node-0") == "second"
    assert run.bury("node-0") is None
    assert run.dead("node-0") == ("first", "second")
    assert run.dead("node-1") == ()

    for life in range(MAX_DEAD):
        run.begin("node-0", f"life-{life}")
        run.bury("node-0")

    assert len(run.dead("node-0")) == MAX_DEAD
    assert "first" not in run.dead("node-0")


def test_who_is_dead_is_not_ready(tmp_path: Path):
    run = RunFolder(tmp_path)
    run.begin("node-0", "first")
    run.tell_ready("node-0", Ready(pid=1, address="unix:/x"))
    assert run.ready("node-0") == Ready(pid=1, address="unix:/x")

    run.bury("node-0")

    assert run.ready("node-0") is None


@pytest.mark.parametrize("name", ["", "two\nlines", "x" * 1_000])
def test_a_name_that_would_spoil_the_list_is_refused(tmp_path: Path, name: str):
    with pytest.raises(ValueError, match="not an incarnation"):
        RunFolder(tmp_path).begin("node-0", name)


def spec(name: str, *after: str) -> Spec:
    return ProcessSpec(name=name, argv=("x",), env={}, after=after)


def test_an_order_that_fits_is_taken():
    check_specs([spec("node", "settle"), StepSpec(name="settle", work=nothing, after=("redis",)),
                 spec("redis")])  # fmt: skip


@pytest.mark.parametrize(
    ("specs", "word"),
    [
        ([spec("a"), spec("a")], "twice"),
        ([spec("a", "b")], "not described"),
        ([spec("a", "b"), spec("b", "a"), spec("c")], "wait for each other"),
    ],
)
def test_an_order_that_does_not_fit_is_refused(specs: list[Spec], word: str):
    with pytest.raises(ValueError, match=word):
        check_specs(specs)


async def nothing() -> None: ...


def test_a_pid_with_another_start_is_somebody_else():
    own = ref_of(os.getpid())
    assert own is not None
    assert is_alive(own)
    assert resident_bytes(own) > 1_000_000

    for other in (
        structs.replace(own, start_ticks=own.start_ticks + 1),
        structs.replace(own, boot_id="another boot"),
    ):
        assert not is_alive(other)
        assert not send(other, signal.SIGKILL)
        assert resident_bytes(other) == 0


def test_a_state_is_read_as_written_and_a_foreign_file_is_none(tmp_path: Path):
    own = ref_of(os.getpid())
    assert own is not None
    process = ProcessState(name="node-0", condition="ready", ref=own)
    state = SupervisorState(id="x", supervisor=own, phase="running", processes=(process,))
    path = tmp_path / "state.json"

    write_state(path, state)
    assert read_state(path) == state
    assert state.is_healthy

    path.write_text("{}")
    assert read_state(path) is None
    assert read_state(tmp_path / "nobody.json") is None
