"""The supervisor as a process, over stand-ins: what it promises about starting, restarting and ending."""

from __future__ import annotations

import os
import signal
from functools import partial
from itertools import pairwise
from pathlib import Path

from ops.supervisor.control import Question
from ops.supervisor.exit_codes import ExitCode
from ops.supervisor.identity import ProcessRef, is_alive
from tests.support.supervising import StandIn, Supervising, gone, supervising

#: How long the children of a killed supervisor may outlive it, in seconds.
ORPHANED_S = 2.0


def test_what_depends_on_another_starts_after_it_is_ready(tmp_path: Path):
    plan = [
        StandIn(name="node", after=("engine", "migrate")),
        StandIn(name="migrate", options=("--exit", "0"), after=("engine",), once=True),
        StandIn(name="engine"),
    ]
    with supervising(tmp_path, plan) as it:
        it.until_healthy()

        starts = [it.lives(name)[0][1] for name in ("engine", "migrate", "node")]
        assert starts == sorted(starts)
        assert it.process("migrate").condition == "done"
        assert it.process("node").address == "stand-in:node"


def test_a_process_that_ends_is_started_at_once_and_then_ever_later(tmp_path: Path):
    plan = [StandIn(name="node", options=("--exit", "70", "--after-s", "0.1"))]
    with supervising(tmp_path, plan, first_s=0.3) as it:
        it.until(lambda: len(it.lives("node")) >= 5)

        starts = [at for _, at in it.lives("node")[:5]]
        waits = [later - earlier for earlier, later in pairwise(starts)]
        assert waits[0] < waits[1] < waits[2]
        assert waits[1] >= 0.3
        assert waits[2] >= 0.6
        assert it.process("node").last_exit == ExitCode.BUG


def test_a_killed_node_is_replaced_by_one_that_knows_who_is_certainly_dead(tmp_path: Path):
    with supervising(tmp_path, [StandIn(name="node-0"), StandIn(name="node-1")]) as it:
        it.until_healthy()
        first, other = it.ref("node-0"), it.ref("node-1")

        os.kill(first.pid, signal.SIGKILL)
        it.until(lambda: len(it.lives("node-0")) == 2)
        it.until_healthy()

        assert it.process("node-0").restarts == 1
        assert it.process("node-0").last_exit == -signal.SIGKILL
        assert f"dead: ['node-0.{first.pid}']" in it.log("node-0")
        assert it.ref("node-1") == other


def test_one_that_dies_before_it_took_over_hides_nobody_who_died_before(tmp_path: Path):
    plan = [StandIn(name="node-0", options=("--exit", "70", "--after-s", "0.05"))]
    with supervising(tmp_path, plan) as it:
        it.until(lambda: len(it.lives("node-0")) == 3)

        pids = [pid for pid, _ in it.lives("node-0")]
        it.until(lambda: str([f"node-0.{pid}" for pid in pids[:2]]) in it.log("node-0"))


def test_wrong_settings_are_not_started_again_and_fail_the_start(tmp_path: Path):
    plan = [StandIn(name="engine"), StandIn(name="node", options=("--exit", "78"))]
    with supervising(tmp_path, plan) as it:
        assert it.popen.wait(20) == 1

        assert len(it.lives("node")) == 1
        assert (it.state().phase, it.state().failed) == ("failed", "node")
        assert "78 (configuration)" in it.state().reason
        assert not it.refs()


def test_wrong_settings_after_the_start_leave_the_others_alone(tmp_path: Path):
    plan = [
        StandIn(name="engine"),
        StandIn(name="node", options=("--exit", "78", "--after-s", "0.5")),
    ]
    with supervising(tmp_path, plan) as it:
        it.until_healthy()
        it.until(lambda: it.process("node").condition == "given_up")

        assert len(it.lives("node")) == 1
        assert it.process("engine").condition == "ready"
        assert it.ask(Question(command="restart", name="node")).ok
        it.until(lambda: len(it.lives("node")) == 2)


def test_a_process_that_fails_too_often_fails_the_start(tmp_path: Path):
    plan = [StandIn(name="engine"), StandIn(name="node", options=("--exit", "69"))]
    with supervising(tmp_path, plan, start_attempts=3) as it:
        assert it.popen.wait(20) == 1

        assert len(it.lives("node")) == 3
        assert it.state().failed == "node"
        assert "69 (engine unreachable)" in it.state().reason


def test_a_process_that_is_never_ready_is_ended_and_fails_the_start(tmp_path: Path):
    plan = [StandIn(name="node", options=("--unready",), ready_s=0.3)]
    with supervising(tmp_path, plan, start_attempts=2) as it:
        assert it.popen.wait(20) == 1

        assert it.state().failed == "node"
        assert "not ready within 0.3 s" in it.log("node")


def test_the_children_of_a_killed_supervisor_end_with_it(tmp_path: Path):
    plan = [StandIn(name="engine"), StandIn(name="node", options=("--deaf",))]
    with supervising(tmp_path, plan) as it:
        it.until_healthy()
        refs = it.refs()
        assert len(refs) == 2

        it.popen.kill()
        it.popen.wait()

        it.until(lambda: gone(refs), patience_s=ORPHANED_S)


def test_the_next_supervisor_knows_whom_the_killed_one_took_along(tmp_path: Path):
    with supervising(tmp_path, [StandIn(name="node-0")]) as it:
        it.until_healthy()
        first = it.ref("node-0")
        it.popen.kill()
        it.popen.wait()
        it.until(lambda: gone([first]))
    with supervising(tmp_path, [StandIn(name="node-0")]) as it:
        it.until(lambda: len(it.lives("node-0")) == 2)
        it.until_healthy()

        assert f"dead: ['node-0.{first.pid}']" in it.log("node-0")


def test_the_end_comes_in_the_reverse_order_and_kills_what_does_not_hear(tmp_path: Path):
    plan = [
        StandIn(name="engine"),
        StandIn(name="node", options=("--deaf",), after=("engine",), stop_s=0.5),
    ]
    with supervising(tmp_path, plan) as it:
        it.until_healthy()
        engine, node = it.ref("engine"), it.ref("node")

        assert it.ask(Question(command="stop")).ok
        it.until(lambda: not is_alive(node))
        assert it.popen.wait(20) == 0

        assert not is_alive(engine)
        assert it.process("node").last_exit == -signal.SIGKILL
        assert it.process("engine").last_exit == -signal.SIGTERM
        assert it.state().phase == "stopped"
        assert not it.folder.control.exists()


def test_a_frozen_process_is_seen_and_a_thawed_one_too(tmp_path: Path):
    with supervising(tmp_path, [StandIn(name="node")]) as it:
        it.until_healthy()

        assert it.ask(Question(command="kill", name="node", signal=signal.SIGSTOP)).ok
        it.until(lambda: it.process("node").condition == "unwell")
        assert not it.state().is_healthy

        assert it.ask(Question(command="kill", name="node", signal=signal.SIGCONT)).ok
        it.until_healthy()


def test_a_restart_that_was_asked_for_is_no_failure(tmp_path: Path):
    with supervising(tmp_path, [StandIn(name="node")]) as it:
        it.until_healthy()
        for _ in range(4):
            before = it.ref("node")
            assert it.ask(Question(command="restart", name="node")).ok
            it.until(partial(_has_changed, it, before))
            it.until_healthy()

        assert it.process("node").restarts == 4
        assert it.process("node").last_exit == -signal.SIGTERM


def test_a_process_that_is_held_stays_down_until_it_is_restarted(tmp_path: Path):
    with supervising(tmp_path, [StandIn(name="node-0"), StandIn(name="node-1")]) as it:
        it.until_healthy()
        other = it.ref("node-1")

        assert it.ask(Question(command="hold", name="node-0")).ok
        it.until(lambda: it.process("node-0").condition == "held")
        assert it.process("node-0").ref is None
        assert not it.state().is_healthy
        # Killing what does not run starts nothing.
        assert not it.ask(Question(command="kill", name="node-0")).ok
        assert len(it.lives("node-0")) == 1

        assert it.ask(Question(command="restart", name="node-0")).ok
        it.until_healthy()
        assert len(it.lives("node-0")) == 2
        assert it.ref("node-1") == other


def test_a_process_that_is_held_does_not_keep_the_others_from_ending(tmp_path: Path):
    plan = [StandIn(name="engine"), StandIn(name="node", after=("engine",))]
    with supervising(tmp_path, plan) as it:
        it.until_healthy()
        it.ask(Question(command="hold", name="engine"))
        it.until(lambda: it.process("engine").condition == "held")
        it.ask(Question(command="stop"))
        assert it.popen.wait(20) == 0


def test_what_a_process_prints_is_bounded(tmp_path: Path):
    bound = 16 * 1024
    plan = [StandIn(name="node", options=("--print", str(10 * bound)))]
    with supervising(tmp_path, plan, max_log_bytes=bound) as it:
        it.until_healthy()

        log = it.folder.log_of("node")
        it.until(lambda: log.with_name("node.log.1").exists())
        assert log.stat().st_size <= bound
        assert log.with_name("node.log.1").stat().st_size <= bound
        assert len(list(it.folder.logs.iterdir())) == 2


def test_a_question_that_nobody_understands_is_refused(tmp_path: Path):
    with supervising(tmp_path, [StandIn(name="node")]) as it:
        it.until_healthy()

        assert not it.ask(Question(command="restart", name="nobody")).ok
        assert not it.ask(Question(command="kill", name="node", signal=999)).ok
        answer = it.ask(Question(command="status"))
        assert answer.state is not None
        assert answer.state.is_healthy


def test_a_folder_has_one_supervisor(tmp_path: Path):
    with supervising(tmp_path, [StandIn(name="node")]) as it:
        it.until_healthy()
        with supervising(tmp_path, [StandIn(name="node")]) as second:
            assert second.popen.wait(20) not in (0, None)
        assert it.state().is_healthy
        assert _is_up(it)


def _has_changed(it: Supervising, before: ProcessRef) -> bool:
    return it.process("node").ref not in (None, before)


def _is_up(it: Supervising) -> bool:
    return it.popen.poll() is None and is_alive(it.ref("node"))
