"""One process over all its lives: started, asked whether it is ready, started again, ended.

    waiting -> starting -> ready <-> unwell          while it runs
                  |          |
                  +----------+-> backing_off -> starting
                             +-> given_up             its exit code says that it would end the same way
                             +-> held                 somebody wants it down until they ask for a restart
                             +-> done                 a step that ended with 0

`run` is the whole story. Commands from outside only set what it looks at next.
"""

import asyncio
import signal
from collections.abc import Callable

from msgspec import structs

from actors.ports.clock import Clock
from actors.tasks import TaskSet
from ops.supervisor.backoff import Backoff
from ops.supervisor.exit_codes import describe, is_final
from ops.supervisor.identity import is_frozen
from ops.supervisor.log_file import BoundedLog
from ops.supervisor.run_folder import RunFolder
from ops.supervisor.running import Running
from ops.supervisor.spec import ProcessSpec, SupervisorSettings
from ops.supervisor.state import Condition, ProcessState

#: Told after every change of `state`.
Changed = Callable[[], None]

#: What a process that cannot even be started counts as having ended with, as in a shell.
_NOT_STARTED = 126


class Supervised:
    """One process that is kept running."""

    __slots__ = (
        "_address",
        "_asked",
        "_backoff",
        "_changed",
        "_clock",
        "_held",
        "_hurry",
        "_ready_at",
        "_running",
        "_settings",
        "_stopping",
        "_tasks",
        "failed_starts",
        "log",
        "spec",
        "state",
        "was_ready",
    )

    def __init__(
        self,
        spec: ProcessSpec,
        log: BoundedLog,
        settings: SupervisorSettings,
        *,
        clock: Clock,
        tasks: TaskSet,
        changed: Changed,
    ) -> None:
        self.spec = spec
        self.log = log
        #: Set once it was ready, or done.
        self.was_ready = asyncio.Event()
        #: Failures before it was ever ready.
        self.failed_starts = 0
        self._settings = settings
        self._clock = clock
        self._tasks = tasks
        self._changed = changed
        self._backoff = Backoff(settings.backoff)
        self._running: Running | None = None
        self._hurry = asyncio.Event()
        self._stopping = asyncio.Event()
        self._asked = False
        self._held = asyncio.Event()
        self._ready_at: float | None = None
        self._address = spec.address
        self.state = ProcessState(
            name=spec.name, condition="waiting", address=spec.address, once=spec.once
        )

    async def run(self) -> None:
        """Keep it running until it is stopped, given up or done."""
        while not self._stopping.is_set():
            if self._held.is_set():
                await self._stay_down()
                continue
            code = await self._live()
            if self._stopping.is_set():
                break
            if self.spec.once and code == 0:
                self._is("done", last_exit=code)
                self.was_ready.set()
                return
            self.log.note(f"{self.spec.name} ended: {describe(code)}")
            if self._asked:
                self._asked = False
                self._backoff.forget()
            elif self._held.is_set():
                continue
            elif is_final(code):
                self._hurry.clear()
                self._is("given_up", last_exit=code, detail=f"{describe(code)}, see its log")
                await self._hurry.wait()
            elif not await self._wait_after(code):
                break
            self.state = structs.replace(self.state, restarts=self.state.restarts + 1)
        self._is("stopped")

    async def stop(self) -> None:
        """End it, and do not start it again."""
        self._stopping.set()
        self._hurry.set()
        if self._running is not None:
            self._is("stopping")
            await self._running.end(self.spec.stop_signal, self.spec.stop_s)
        elif self.state.condition == "waiting":
            self._is("stopped")

    async def restart(self) -> None:
        """End it in the ordinary way and start it again at once; also one that waits, was given up or is held."""
        self._held.clear()
        if self._running is None:
            self._backoff.forget()
            self._hurry.set()
            return
        self._asked = True
        await self._running.end(self.spec.stop_signal, self.spec.stop_s)

    async def hold(self) -> None:
        """End it in the ordinary way and keep it down until `restart`."""
        self._held.set()
        if self._running is None:
            self._hurry.set()
        else:
            await self._running.end(self.spec.stop_signal, self.spec.stop_s)

    def send(self, number: signal.Signals) -> bool:
        """Signal it; False when it does not run. What comes of it is treated as any failure."""
        if self._running is None:
            return False
        self._running.send(number)
        return True

    def __repr__(self) -> str:
        return f"<Supervised {self.spec.name} {self.state.condition}>"

    async def _live(self) -> int:
        """One life; returns how it ended."""
        self._ready_at = None
        try:
            running = Running(self.spec, self.log)
        except OSError as error:
            self.log.note(f"{self.spec.name} cannot be started: {error}")
            return _NOT_STARTED
        self._running = running
        self._is("starting")
        watching = self._tasks.spawn(self._watch(running), name=f"watch-{self.spec.name}")
        try:
            code = await asyncio.shield(running.exited)
        finally:
            watching.cancel()
        self._running = None
        self._bury()
        self.state = structs.replace(self.state, ref=None, last_exit=code)
        return code

    def _bury(self) -> None:
        if self.spec.run_dir is None:
            return
        try:
            RunFolder(self.spec.run_dir).bury(self.spec.name)
        except OSError as error:
            self.log.note(f"the run folder cannot be written: {error}")

    async def _stay_down(self) -> None:
        self._hurry.clear()
        self._is("held", detail="until it is restarted")
        await self._hurry.wait()
        self._backoff.forget()

    async def _wait_after(self, code: int) -> bool:
        """Wait as the back-off says; False when it was stopped meanwhile."""
        if not self.was_ready.is_set():
            self.failed_starts += 1
        ready_s = 0.0 if self._ready_at is None else self._clock.monotonic() - self._ready_at
        wait_s = self._backoff.failed(ready_s=ready_s)
        self._is("backing_off", detail=f"{describe(code)}, starts again in {wait_s:g} s")
        self._hurry.clear()
        if wait_s:
            hurried = self._tasks.spawn(self._hurry.wait(), name=f"hurry-{self.spec.name}")
            slept = self._tasks.spawn(self._clock.sleep(wait_s), name=f"back-off-{self.spec.name}")
            try:
                await asyncio.wait({hurried, slept}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                hurried.cancel()
                slept.cancel()
        return not self._stopping.is_set()

    async def _watch(self, running: Running) -> None:
        """Ask whether it is ready, for as long as it runs."""
        if self.spec.once:
            await self._clock.sleep(self.spec.ready_s)
            await self._too_late(running)
            return
        deadline = self._clock.monotonic() + self.spec.ready_s
        while not self._stopping.is_set():
            reason = await self._ask(running)
            if not reason:
                if self._ready_at is None:
                    self._ready_at = self._clock.monotonic()
                self._is("ready")
                self.was_ready.set()
            elif self._ready_at is not None:
                self._is("unwell", detail=reason)
            elif self._clock.monotonic() > deadline:
                await self._too_late(running)
                return
            else:
                self._is("starting", detail=reason)
            is_calm = not reason
            await self._clock.sleep(
                self._settings.calm_probe_s if is_calm else self._settings.eager_probe_s
            )

    async def _ask(self, running: Running) -> str:
        """Why it is not ready; empty when it is."""
        if is_frozen(running.pid):
            return "is frozen (SIGSTOP)"
        try:
            async with asyncio.timeout(self._settings.probe_timeout_s):
                if not await self.spec.ready():
                    return "does not answer yet" if self._ready_at is None else "does not answer"
        except TimeoutError:
            return f"does not answer within {self._settings.probe_timeout_s:g} s"
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        if self.spec.run_dir is not None:
            said = RunFolder(self.spec.run_dir).ready(self.spec.name)
            if said is not None and said.address:
                self._address = said.address
        return ""

    async def _too_late(self, running: Running) -> None:
        self.log.note(f"{self.spec.name} is not ready within {self.spec.ready_s:g} s and is ended")
        await running.end(self.spec.stop_signal, self.spec.stop_s)

    def _is(self, condition: Condition, *, detail: str = "", last_exit: int | None = None) -> None:
        if self._stopping.is_set() and condition not in ("stopping", "stopped"):
            return
        running = self._running
        state = structs.replace(
            self.state,
            condition=condition,
            ref=running.ref if running is not None else None,
            address=self._address,
            detail=detail,
            last_exit=self.state.last_exit if last_exit is None else last_exit,
        )
        if state != self.state:
            self.state = state
            self._changed()
