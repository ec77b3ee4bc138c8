"""A step within the supervisor itself: tried until it succeeds, then done.

It has the shape of `Supervised`, so that whoever starts and stops everything need not tell them apart.
"""

import asyncio
import signal

from msgspec import structs

from actors.ports.clock import Clock
from actors.tasks import TaskSet
from ops.errors import CannotGoOn
from ops.supervisor.backoff import Backoff
from ops.supervisor.log_file import BoundedLog
from ops.supervisor.spec import StepSpec, SupervisorSettings
from ops.supervisor.state import Condition, ProcessState
from ops.supervisor.supervised import Changed


class Step:
    """One `StepSpec` on its way to done."""

    __slots__ = (
        "_again",
        "_backoff",
        "_changed",
        "_clock",
        "_tasks",
        "_work",
        "failed_starts",
        "log",
        "spec",
        "state",
        "was_ready",
    )

    def __init__(
        self,
        spec: StepSpec,
        log: BoundedLog,
        settings: SupervisorSettings,
        *,
        clock: Clock,
        tasks: TaskSet,
        changed: Changed,
    ) -> None:
        self.spec = spec
        self.log = log
        #: Set once it is done.
        self.was_ready = asyncio.Event()
        #: Attempts that failed.
        self.failed_starts = 0
        self._clock = clock
        self._tasks = tasks
        self._changed = changed
        self._backoff = Backoff(settings.backoff)
        self._work: asyncio.Task[None] | None = None
        self._again = asyncio.Event()
        self.state = ProcessState(name=spec.name, condition="waiting", once=True)

    async def run(self) -> None:
        """Do it; and once more whenever somebody asks by `restart`."""
        while True:
            self._work = self._tasks.spawn(self._attempts(), name=f"step-{self.spec.name}")
            await asyncio.wait({self._work})
            if self._work.cancelled():
                return
            await self._again.wait()
            self._again.clear()

    async def stop(self) -> None:
        """Give up what is under way."""
        if self._work is not None and not self._work.done():
            self._work.cancel()
            await asyncio.wait({self._work})
            self._is("stopped")

    async def restart(self) -> None:
        """Do it once more, unless it is under way."""
        self._again.set()

    def send(self, number: signal.Signals) -> bool:
        """It is no process of its own: always False."""
        return False

    def __repr__(self) -> str:
        return f"<Step {self.spec.name} {self.state.condition}>"

    async def _attempts(self) -> None:
        while True:
            self._is("starting")
            try:
                async with asyncio.timeout(self.spec.ready_s):
                    await self.spec.work()
                self._is("done")
                self.was_ready.set()
                return
            except CannotGoOn as error:
                self.log.note(f"{self.spec.name} cannot be done: {error}")
                self._is("given_up", detail=str(error))
                return
            except TimeoutError:
                reason = f"not done within {self.spec.ready_s:g} s"
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"
            self.log.note(f"{self.spec.name} failed: {reason}")
            self.failed_starts += 1
            wait_s = self._backoff.failed(ready_s=0.0)
            self._is("backing_off", detail=f"{reason}; again in {wait_s:g} s")
            await self._clock.sleep(wait_s)

    def _is(self, condition: Condition, *, detail: str = "") -> None:
        self.state = structs.replace(self.state, condition=condition, detail=detail)
        self._changed()
