"""All processes together: started side by side where they may be, watched, ended in the reverse order.

The start succeeds when everything was ready once; from then on a process that ends is started again, and
nothing ends because something else did. Before that a failure that will not pass ends the whole start:
a process that gave up, failed too often or took too long. Either way the end leaves nothing behind, and a
supervisor that is killed has its processes killed by the kernel (child.py).
"""

import asyncio
import os
import signal
from collections.abc import Sequence
from typing import assert_never

from actors.ports.clock import Clock, SystemClock
from actors.tasks import TaskSet
from ops.supervisor.control import Answer, Question, open_control
from ops.supervisor.folder import SupervisorFolder
from ops.supervisor.identity import is_alive, ref_of
from ops.supervisor.log_file import BoundedLog
from ops.supervisor.run_folder import RunFolder
from ops.supervisor.spec import ProcessSpec, Spec, StepSpec, SupervisorSettings, check_specs
from ops.supervisor.state import Phase, SupervisorState, write_state
from ops.supervisor.step import Step
from ops.supervisor.supervised import Supervised


class Supervisor:
    """Keeps everything that `specs` describe. Making one starts nothing."""

    def __init__(
        self,
        id: str,
        specs: Sequence[Spec],
        folder: SupervisorFolder,
        settings: SupervisorSettings,
        *,
        clock: Clock,
        tasks: TaskSet,
    ) -> None:
        """Raises ValueError where the specs do not fit together."""
        check_specs(specs)
        self._id = id
        self._folder = folder
        self._settings = settings
        self._clock = clock
        self._tasks = tasks
        self._phase: Phase = "starting"
        self._failed = ("", "")
        self._stop = asyncio.Event()
        self._is_dirty = False
        self._all = {spec.name: self._make(spec) for spec in specs}
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._ended = {name: asyncio.Event() for name in self._all}
        own = ref_of(os.getpid())
        assert own is not None
        self._own = own

    @property
    def state(self) -> SupervisorState:
        """What can be said now."""
        name, reason = self._failed
        return SupervisorState(
            id=self._id,
            supervisor=self._own,
            phase=self._phase,
            processes=tuple(one.state for one in self._all.values()),
            failed=name,
            reason=reason,
        )

    def stop(self) -> None:
        """Have everything ended. Repeatable."""
        self._stop.set()

    async def run(self) -> bool:
        """Start everything, keep it until `stop`, end it; False when the start failed.

        Raises:
            OSError: the folder cannot be used.
        """
        self._bury_the_past()
        self._write()
        async with open_control(self._folder.control, self._handle, self._settings):
            for name, one in self._all.items():
                self._keepers[name] = self._tasks.spawn(self._keep(one), name=f"keep-{name}")
            if await self._is_up():
                self._go("running")
                await self._stop.wait()
            self._go("stopping")
            await asyncio.gather(*(self._end(name) for name in self._all))
            self._go("failed" if self._failed[0] else "stopped")
        return not self._failed[0]

    def __repr__(self) -> str:
        return f"<Supervisor {self._id} {self._phase} of {len(self._all)}>"

    def _make(self, spec: Spec) -> Supervised | Step:
        log = BoundedLog(self._folder.log_of(spec.name), self._settings.max_log_bytes)
        clock, tasks, changed = self._clock, self._tasks, self._changed
        if isinstance(spec, StepSpec):
            return Step(spec, log, self._settings, clock=clock, tasks=tasks, changed=changed)
        return Supervised(spec, log, self._settings, clock=clock, tasks=tasks, changed=changed)

    async def _keep(self, one: Supervised | Step) -> None:
        for name in one.spec.after:
            await self._all[name].was_ready.wait()
        if not self._stop.is_set():
            await one.run()

    async def _is_up(self) -> bool:
        """Wait until everything was ready; False when it was stopped, or will not be."""
        readies = [
            self._tasks.spawn(one.was_ready.wait(), name=f"ready-{name}")
            for name, one in self._all.items()
        ]
        up = asyncio.gather(*readies)
        stopped = self._tasks.spawn(self._stop.wait(), name="stop")
        try:
            await asyncio.wait(
                {up, stopped},
                timeout=self._settings.start_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not up.done() and not self._stop.is_set():
                late = next(name for name, one in self._all.items() if not one.was_ready.is_set())
                self._fail(late, f"not ready within {self._settings.start_s:g} s")
            return not self._stop.is_set()
        finally:
            up.cancel()
            stopped.cancel()

    async def _end(self, name: str) -> None:
        """End one after everything that was started after it."""
        for other, one in self._all.items():
            if name in one.spec.after:
                await self._ended[other].wait()
        one = self._all[name]
        await one.stop()
        if isinstance(one, Step) or one.state.condition in ("waiting", "stopped"):
            self._keepers[name].cancel()
        await asyncio.wait({self._keepers[name]})
        one.log.close()
        self._ended[name].set()

    async def _handle(self, question: Question) -> Answer:
        match question.command:
            case "status":
                return Answer(ok=True, state=self.state)
            case "stop":
                self.stop()
                return Answer(ok=True)
            case "restart" | "hold" | "kill":
                return self._handle_one(question)
        assert_never(question.command)

    def _handle_one(self, question: Question) -> Answer:
        one = self._all.get(question.name)
        if one is None:
            return Answer(ok=False, message=f"there is no {question.name!r} here")
        if self._stop.is_set():
            return Answer(ok=False, message="everything is being stopped")
        if question.command == "restart":
            self._tasks.spawn(one.restart(), name=f"restart-{question.name}")
            return Answer(ok=True)
        if question.command == "hold":
            if isinstance(one, Step):
                return Answer(ok=False, message=f"{question.name} is no process")
            self._tasks.spawn(one.hold(), name=f"hold-{question.name}")
            return Answer(ok=True)
        try:
            number = signal.Signals(question.signal)
        except ValueError:
            return Answer(ok=False, message=f"there is no signal {question.signal}")
        if one.send(number):
            return Answer(ok=True)
        return Answer(ok=False, message=f"{question.name} does not run")

    def _changed(self) -> None:
        if self._phase == "starting" and not self._failed[0]:
            for name, one in self._all.items():
                if one.state.condition == "given_up":
                    self._fail(name, one.state.detail)
                elif one.failed_starts >= self._settings.start_attempts:
                    self._fail(name, f"failed {one.failed_starts} times; {one.state.detail}")
        # One write for all that changes in one turn of the loop.
        if not self._is_dirty:
            self._is_dirty = True
            asyncio.get_running_loop().call_soon(self._write)

    def _fail(self, name: str, reason: str) -> None:
        if not self._failed[0]:
            self._failed = (name, reason)
            self._stop.set()

    def _go(self, phase: Phase) -> None:
        self._phase = phase
        self._write()

    def _write(self) -> None:
        self._is_dirty = False
        write_state(self._folder.state_file, self.state)

    def _bury_the_past(self) -> None:
        """Say of incarnations of an earlier supervisor that they have ended, where that is certain."""
        before = self._folder.state()
        ended = {
            process.name
            for process in (before.processes if before is not None else ())
            if process.ref is None or not is_alive(process.ref)
        }
        for name, one in self._all.items():
            spec = one.spec
            if not isinstance(spec, ProcessSpec) or spec.run_dir is None:
                continue
            spec.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            if name in ended:
                RunFolder(spec.run_dir).bury(name)
            else:
                RunFolder(spec.run_dir).end(name)


def run_supervisor(
    id: str,
    specs: Sequence[Spec],
    folder: SupervisorFolder,
    settings: SupervisorSettings,
) -> int:
    """Be a supervisor until SIGTERM, SIGINT or `stop`; returns 0 after that, 1 when the start failed.

    Raises:
        AlreadySupervised: another one runs on the folder.
        ValueError: the specs do not fit together.
        OSError: the folder cannot be used.
    """
    with folder.held():
        return asyncio.run(_run(id, specs, folder, settings))


async def _run(
    id: str, specs: Sequence[Spec], folder: SupervisorFolder, settings: SupervisorSettings
) -> int:
    tasks = TaskSet(lambda name, error: print(f"{name} failed: {error!r}", flush=True))
    supervisor = Supervisor(id, specs, folder, settings, clock=SystemClock(), tasks=tasks)
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, supervisor.stop)
    # The terminal that it was started from may be closed.
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    try:
        return 0 if await supervisor.run() else 1
    finally:
        await tasks.close()
