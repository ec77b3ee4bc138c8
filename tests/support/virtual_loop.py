"""A seeded event loop whose time is virtual: thousands of simulated seconds pass in one.

`time()` stands still while anything is ready to run and jumps to the next timer when nothing is. Callbacks
that are ready run first in, first out, because asyncio promises that and code may rely on it; timers due at
one instant run in a seeded order, because there it promises nothing. All other randomness is in the delays
that a simulator puts between steps, so every interleaving it finds is one that a real loop could produce.

Every callback belongs to a `Life`, the simulated process in whose context it was scheduled. A dead one's
callbacks are dropped, so that not a single line of it runs any more, no `except` and no `finally`; a frozen
one's are kept until it wakes, as SIGSTOP does it.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, ContextVar
from random import Random
from typing import Any, Literal

#: Unix millisecond at which virtual time starts.
START_MS = 1_800_000_000_000


#: Rounds of ready callbacks within one instant after which time is thought to stand still.
_ROUNDS = 100_000


class Deadlock(AssertionError):
    """Nothing is ready and no timer will ever be due."""


class Livelock(AssertionError):
    """Callbacks follow each other and time does not."""


class Life:
    """Whether the callbacks of one simulated process run, wait, or never happen."""

    __slots__ = ("held", "name", "state", "tasks")

    def __init__(self, name: str) -> None:
        self.name = name
        self.state: Literal["running", "frozen", "dead"] = "running"
        self.held: list[asyncio.Handle] = []
        #: Unfinished tasks; those of the dead are held, so that no collector runs their `finally`.
        self.tasks: set[asyncio.Task[Any]] = set()

    def bury(self) -> None:
        """Close what a dead process left; for the end of the world, when nothing listens any more."""
        for task in self.tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            coroutine = task.get_coro()
            with suppress(BaseException):
                getattr(coroutine, "close", lambda: None)()

    def __repr__(self) -> str:
        return f"<Life {self.name} {self.state} tasks={len(self.tasks)}>"


#: The process that the running code belongs to; None is the world outside of all of them.
LIFE: ContextVar[Life | None] = ContextVar("life", default=None)

_Ready = tuple[asyncio.Handle, Life | None]


class VirtualTimeLoop(asyncio.BaseEventLoop):
    """One seed, one history. Knows no files, sockets, threads or subprocesses."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._dice = Random(seed)
        self._now = 0.0
        self._queue: deque[_Ready] = deque()
        self._timers: list[tuple[float, float, int, asyncio.TimerHandle, Life | None]] = []
        self._numbered = 0
        self._rounds = 0
        #: What callbacks raised; a simulation that ends with some has failed.
        self.broken: list[str] = []
        self.set_exception_handler(self._note)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Run `callback` after everything that is ready now."""
        life = LIFE.get() if context is None else context.get(LIFE)
        handle = asyncio.Handle(callback, args, self, context)
        self._queue.append((handle, life))
        return handle

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Run `callback` at virtual second `when`."""
        life = LIFE.get() if context is None else context.get(LIFE)
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._numbered += 1
        heapq.heappush(self._timers, (when, self._dice.random(), self._numbered, handle, life))
        return handle

    def create_task(self, coro: Any, *, name: Any = None, context: Any = None) -> asyncio.Task[Any]:
        """As asyncio does it; the task is noted with the process that it belongs to."""
        task = super().create_task(coro, name=name, context=context)
        life = LIFE.get() if context is None else context.get(LIFE)
        if life is not None:
            life.tasks.add(task)
            task.add_done_callback(life.tasks.discard)
        return task

    def kill(self, life: Life) -> None:
        """Nothing of it happens any more, from this very moment on."""
        life.state = "dead"
        life.held.clear()

    def freeze(self, life: Life) -> None:
        """Nothing of it happens until it is thawed."""
        if life.state == "running":
            life.state = "frozen"

    def thaw(self, life: Life) -> None:
        """Let happen what should have happened meanwhile, in that order."""
        if life.state == "frozen":
            life.state = "running"
            self._queue.extend((handle, life) for handle in life.held)
            life.held.clear()

    def _run_once(self) -> None:
        queue, timers = self._queue, self._timers
        if not queue:
            while timers and timers[0][3].cancelled():
                heapq.heappop(timers)
            if not timers:
                raise Deadlock(self._waiting())
            self._now = max(self._now, timers[0][0])
            self._rounds = 0
        self._rounds += 1
        if self._rounds > _ROUNDS:
            raise Livelock(self._waiting())
        while timers and timers[0][0] <= self._now:
            *_, handle, life = heapq.heappop(timers)
            queue.append((handle, life))
        for _ in range(len(queue)):
            ready, life = queue.popleft()
            if ready.cancelled():
                continue
            if life is None or life.state == "running":
                ready._run()
            elif life.state == "frozen":
                life.held.append(ready)

    def _waiting(self) -> str:
        waiting = [repr(task) for task in asyncio.all_tasks(self) if not task.done()]
        return "\n  ".join(
            [f"stuck at {self._now:.3f} s with {len(self._timers)} timers", *sorted(waiting)]
        )

    def _note(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # What is said of futures that nobody asked depends on when the collector comes by.
        if "handle" in context:
            self.broken.append(f"{context['message']}: {context.get('exception')!r}")

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are skipped when their time comes."""

    def __repr__(self) -> str:
        return f"<VirtualTimeLoop t={self._now:.3f} ready={len(self._queue)}>"


class VirtualClock:
    """Fills `actors.ports.clock.Clock` from the loop; `skew_ms` is how far this wall clock is off."""

    __slots__ = ("_loop", "_skew_ms")

    def __init__(self, loop: asyncio.AbstractEventLoop, skew_ms: int = 0) -> None:
        self._loop = loop
        self._skew_ms = skew_ms

    def unix_ms(self) -> int:
        """Virtual milliseconds since 1970."""
        return START_MS + self._skew_ms + round(self._loop.time() * 1000)

    def monotonic(self) -> float:
        """Virtual seconds."""
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        """Return `seconds` of virtual time later."""
        await asyncio.sleep(seconds)
