"""Starts what a `Launch` says, for tests: synchronous, and nothing outlives the test run.

Each process has a group of its own and gets its signal when this process dies, `kill -9` included. Call it
from the main thread: Linux counts the death of the thread that started a child as the parent's.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from ops.engines.launch import Engine, Launch
from ops.engines.tie import tied_to_parent

T = TypeVar("T")

#: How often a starting process is asked whether it is ready, in seconds.
_ASK_EVERY_S = 0.05


class DidNotStart(AssertionError):
    """A process ended or stayed silent; the message ends with what it logged."""


class Running:
    """One process of an engine: what a test of faults needs."""

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self.process = _spawn(launch)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def address(self) -> str:
        """host:port."""
        return self.launch.address

    def kill(self) -> None:
        """`kill -9`, and wait until it is gone."""
        self._signal_group(signal.SIGKILL)
        self.process.wait()

    def pause(self) -> None:
        """SIGSTOP: it is there, keeps its connections and says nothing."""
        self._signal_group(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._signal_group(signal.SIGCONT)

    def stop(self) -> int:
        """End it as a supervisor would; returns its exit code."""
        if self.alive:
            self.process.send_signal(self.launch.stop_signal)
            try:
                self.process.wait(self.launch.stop_s)
            except subprocess.TimeoutExpired:
                self.kill()
        self._signal_group(signal.SIGKILL)
        return self.process.wait()

    def restart(self, *, wait: bool = True) -> None:
        """Kill it if it lives, and start it in the same folder, until it is ready."""
        self.kill()
        self.process = _spawn(self.launch)
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        """Until it answers.

        Raises:
            DidNotStart: it ended, or took too long.
        """
        until = time.monotonic() + self.launch.start_s
        while not awaited(self.launch.ready()):
            code = self.process.poll()
            if code is not None or time.monotonic() > until:
                how = "is not ready" if code is None else f"ended with {code}"
                raise DidNotStart(f"{self.launch.name} {how}:\n{self.log_tail()}")
            time.sleep(_ASK_EVERY_S)

    def log_tail(self, lines: int = 20) -> str:
        """The end of what it logged."""
        text = self.launch.log.read_text(errors="replace") if self.launch.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _signal_group(self, number: int) -> None:
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def __repr__(self) -> str:
        return f"<Running {self.launch.name} {self.pid} {self.address}>"


class RunningEngine:
    """All processes of one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.processes: list[Running] = []

    def start(self) -> None:
        """Start all, wait until all are ready, and settle.

        Raises:
            DidNotStart: one of them did not.
        """
        for launch in self.engine.launches:
            running = Running(launch)
            self.processes.append(running)
            if self.engine.one_by_one:
                running.wait_ready()
        self.wait_ready()

    def wait_ready(self) -> None:
        """Until each answers and all are one; again after a fault."""
        for running in self.processes:
            running.wait_ready()
        awaited(self.engine.settle())

    @property
    def addresses(self) -> tuple[str, ...]:
        """host:port of each."""
        return tuple(running.address for running in self.processes)

    def at(self, address: str) -> Running:
        """The process that listens there."""
        return next(running for running in self.processes if running.address == address)

    def kill(self) -> None:
        """All at once, as when the machine loses power; what they wrote stays."""
        for running in self.processes:
            running.kill()

    def restart(self) -> None:
        """All, in the same folders."""
        self.kill()
        for running in self.processes:
            running.restart(wait=self.engine.one_by_one)
        self.wait_ready()

    def __repr__(self) -> str:
        return f"<RunningEngine {self.engine.name} {self.processes}>"


@contextmanager
def running_engine(engine: Engine) -> Iterator[RunningEngine]:
    """`engine`, started and ready; killed at the end, which is quick and loses only temporary things."""
    running = RunningEngine(engine)
    try:
        running.start()
        yield running
    finally:
        running.kill()


def awaited(work: Awaitable[T]) -> T:
    """The outcome of `work`, also where a loop runs in this thread already."""

    async def main() -> T:
        return await work

    with ThreadPoolExecutor(1) as aside:
        return aside.submit(asyncio.run, main()).result()


def _spawn(launch: Launch) -> subprocess.Popen[bytes]:
    launch.log.parent.mkdir(parents=True, exist_ok=True)
    with launch.log.open("ab") as log:
        return subprocess.Popen(
            launch.argv,
            env=dict(launch.env),
            cwd=launch.cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=tied_to_parent(launch.death_signal),
        )
