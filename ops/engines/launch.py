"""How a process is started, as a value: whoever supervises needs to know nothing about engines.

A supervisor keeps these promises for every `Launch`: the process gets a group of its own; when its
leader has ended, for whatever reason, the rest of the group is ended too (nginx's workers outlive a killed
master otherwise); and when the supervisor itself dies, the leader gets `death_signal` (see `tie.py`).
"""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One process: everything that somebody has to know to start, watch and stop it."""

    #: Unique among all that one supervisor runs, as in `redis-1`.
    name: str
    argv: tuple[str, ...]
    #: The whole environment; nothing is inherited, so that no secret and no odd locale leaks in.
    env: Mapping[str, str]
    cwd: Path
    #: Where its standard output and error go, both, appended.
    log: Path
    #: Whether it answers now. Bounded in time, never raises for an engine that does not answer.
    ready: Callable[[], Awaitable[bool]]
    #: Where it listens, for people: "127.0.0.1:7000".
    address: str = ""
    stop_signal: int = signal.SIGTERM
    #: How long it may take to stop before it is killed, in seconds.
    stop_s: float = 10.0
    #: How long it may take to become ready, in seconds.
    start_s: float = 60.0
    #: What it gets when whoever started it dies.
    death_signal: int = signal.SIGKILL
    #: Whether it is started again when it ends by itself.
    restart: bool = True

    def __repr__(self) -> str:
        # Environments carry secrets.
        return f"<Launch {self.name} {self.address} {self.argv[0]}>"


async def nothing_to_settle() -> None:
    """For an engine that is whole as soon as its processes are ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """One engine: its processes, and the one step that makes them one."""

    name: str
    #: In the order in which they are started.
    launches: tuple[Launch, ...]
    #: Awaited once after all are ready, at every start; does nothing where it was done before.
    #: Raises `CannotGoOn` where it cannot be done.
    settle: Callable[[], Awaitable[None]] = nothing_to_settle
    #: Whether each must be ready before the next is started.
    one_by_one: bool = False

    def __repr__(self) -> str:
        return f"<Engine {self.name} of {len(self.launches)}>"
