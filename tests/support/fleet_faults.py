"""Everything that is done to a fleet while a crowd is on it, one fault after another, and what it cost.

A fault is a name, what begins it, and what ends it; between two faults everything becomes well again. Whom the
faults of Redis hit is decided when they begin, because masters change.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from tests.support.fleet import Fleet
from tests.support.fleet_crowd import FleetCrowd
from tests.support.fleet_member import Log
from tests.support.toxics import Link

#: How long a process is frozen, in seconds: longer than every silence that somebody tolerates but a lease of
#: ownership, and than a Redis master's absence without a failover.
FROZEN_S = 4.0
#: How long a link is harmed, or something is frozen that nobody waits for, in seconds.
HARMED_S = 2.0
#: What a delayed link takes longer, in milliseconds.
DELAY_MS, JITTER_MS = 150, 100
#: How long after a fault, with everything well, everybody must have something acked again, in seconds: connections
#: that were lost are tried again every few seconds, and who was not answered waits for that.
GO_ON_S = 25.0
#: How long the crowd goes on after a fault before the next, in seconds.
CALM_S = 0.5


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of harm."""

    name: str
    #: Does the harm and says how to end it.
    begin: Callable[[Fleet], Callable[[], None]]
    #: How long it lasts, in seconds.
    lasts_s: float = 0.0
    #: Whether what was answered under a key is forgotten (ops/docs/promises.md): a repeat may be executed again.
    forgets: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """When a fault was, in seconds of the crowd, and what was seen at once."""

    fault: str
    began: float
    ended: float
    mending_s: float
    complaints: int


@dataclass(frozen=True, slots=True)
class Row:
    """What one fault cost; ops count where they were begun."""

    fault: str
    ops: int
    acked: int
    refused: int
    unknown: int
    #: Longest time in which one person who was doing things had nothing acked, in seconds.
    outage_s: float
    #: From its end until everything was well and everybody had something acked, in seconds.
    mending_s: float
    complaints: int


def every_fault(fleet: Fleet) -> list[Fault]:
    """Each fault that this fleet can suffer, once, in an order in which neighbours differ."""
    singles = [name for name in fleet.names() if not name.startswith("redis-")]
    redis = [
        Fault("kill redis master", lambda fleet: _killed(fleet, _one(fleet, "master")), 1.0),
        Fault("kill redis replica", lambda fleet: _killed(fleet, _one(fleet, "slave")), 1.0),
        Fault("pause redis master", lambda fleet: _paused(fleet, _one(fleet, "master")), FROZEN_S),
        Fault("pause redis replica", lambda fleet: _paused(fleet, _one(fleet, "slave")), FROZEN_S),
        Fault("redis master fails over", _failed_over, 5.0),
        Fault("redis is wiped", _wiped, 1.0, forgets=True),
    ]
    return [
        *(_kill(name) for name in singles),
        *redis,
        *_harms(fleet, ("delay", "cut", "reset")),
        *(_pause(name) for name in singles),
    ]


def rarer_faults(fleet: Fleet) -> list[Fault]:
    """What the long form does besides: links without a word, two at once, restarts in the ordinary way."""
    ours = (*fleet.names("node"), *fleet.names("gateway"), *fleet.names("media"))
    return [
        *_harms(fleet, ("silence",)),
        Fault("kill node-0 and redis master", _killed_both, 1.0),
        Fault("kill node-0 and wipe redis", _killed_and_wiped, 1.0, forgets=True),
        *(_restart(name) for name in ours),
    ]


def _harms(fleet: Fleet, ways: Sequence[str]) -> Iterator[Fault]:
    if fleet.links:
        for name in fleet.links:
            if not name.startswith("redis-"):
                yield from (_harm(name, how) for how in ways)
        yield from (_harm_a_master(how) for how in ways)


async def suffer(
    fleet: Fleet,
    crowd: FleetCrowd,
    faults: Sequence[Fault],
    said: Callable[[str], None],
    *,
    upload_every: int,
    until: float = float("inf"),
) -> list[Window]:
    """One fault after another; a window for each, and a first one without.

    Somebody uploads during every `upload_every`th of them. No fault begins after `until`, a moment of the
    monotonic clock.
    """
    windows = []
    await asyncio.sleep(2.0)
    for number, fault in enumerate((None, *faults)):
        if time.monotonic() > until:
            break
        if number % upload_every == 1:
            crowd.have_uploaded(number)
        began, noted = crowd.now, len(crowd.log.history.complaints)
        mending_s = 0.0
        if fault is None:
            await asyncio.sleep(3.0)
        else:
            end = await asyncio.to_thread(fault.begin, fleet)
            if fault.forgets:
                crowd.log.wipes.append((began, crowd.now))
            try:
                await asyncio.sleep(fault.lasts_s)
            finally:
                await asyncio.to_thread(end)
            mending_s = await fleet.healthy()
        mending_s += await crowd.all_go_on(GO_ON_S)
        await asyncio.sleep(CALM_S)
        window = Window(
            fault.name if fault is not None else "(none)",
            began,
            crowd.now,
            mending_s,
            len(crowd.log.history.complaints) - noted,
        )
        said(f"{window.fault}: everybody is served again after {window.mending_s:.1f} s")
        windows.append(window)
    return windows


def row_of(window: Window, log: Log) -> Row:
    """What `log` says of the time of a fault; complete when nothing is under way any more."""
    began, ended = window.began, window.ended
    ops = [op for op in log.history.ops if began <= op.sent < ended and op.kind != "complete"]
    return Row(
        window.fault,
        len(ops),
        sum(op.outcome == "ok" for op in ops),
        sum(op.outcome == "refused" for op in ops),
        sum(op.outcome == "unknown" for op in ops),
        longest_outage_s(log, (began, ended)),
        window.mending_s,
        window.complaints,
    )


def longest_outage_s(log: Log, window: tuple[float, float]) -> float:
    """Longest time within `window` in which one person had nothing acked, in seconds."""
    began, ended = window
    longest = 0.0
    for user in {user for _, user in log.acks}:
        times = [at for at, who in log.acks if who == user and began <= at <= ended]
        for earlier, later in zip([began, *times], [*times, ended], strict=True):
            longest = max(longest, later - earlier)
    return longest


def table(rows: Sequence[Row]) -> str:
    """The rows, as text."""
    head = (
        f"{'fault':34} {'ops':>5} {'acked':>6} {'refused':>8} {'unknown':>8} {'outage s':>9}"
        f" {'mending s':>10} {'complaints':>11}"
    )
    return "\n".join([head, *(line(row) for row in rows)])


def line(row: Row) -> str:
    """One row, as text."""
    return (
        f"{row.fault:34} {row.ops:5} {row.acked:6} {row.refused:8} {row.unknown:8}"
        f" {row.outage_s:9.1f} {row.mending_s:10.1f} {row.complaints:11}"
    )


def _kill(name: str) -> Fault:
    return Fault(f"kill {name}", lambda fleet: _killed(fleet, name), 1.0)


def _pause(name: str) -> Fault:
    kind = name.rpartition("-")[0]
    lasts_s = FROZEN_S if kind in ("node", "gateway", "cassandra") else HARMED_S
    return Fault(f"pause {name}", lambda fleet: _paused(fleet, name), lasts_s)


def _harm(name: str, how: str) -> Fault:
    return Fault(f"{how} link to {name}", lambda fleet: _harmed(fleet, name, how), HARMED_S)


def _harm_a_master(how: str) -> Fault:
    return Fault(
        f"{how} link to redis master",
        lambda fleet: _harmed(fleet, _one(fleet, "master"), how),
        HARMED_S,
    )


def _killed(fleet: Fleet, name: str) -> Callable[[], None]:
    fleet.kill(name)
    return _nothing


def _paused(fleet: Fleet, name: str) -> Callable[[], None]:
    fleet.pause(name)
    return lambda: fleet.resume(name)


def _failed_over(fleet: Fleet) -> Callable[[], None]:
    name = _one(fleet, "master")
    fleet.hold_killed(name)
    return lambda: fleet.start(name)


def _wiped(fleet: Fleet) -> Callable[[], None]:
    fleet.wipe_redis()
    return _nothing


def _harmed(fleet: Fleet, name: str, how: str) -> Callable[[], None]:
    link: Link = fleet.links[name]
    if how == "delay":
        link.delay(DELAY_MS, JITTER_MS)
    elif how == "cut":
        link.cut()
    elif how == "reset":
        link.reset()
    else:
        link.silence()
    return link.heal


def _one(fleet: Fleet, role: str) -> str:
    return Random(fleet.state().supervisor.pid).choice(fleet.redis_names(role))


def _killed_both(fleet: Fleet) -> Callable[[], None]:
    fleet.kill(_one(fleet, "master"))
    return _killed(fleet, "node-0")


def _killed_and_wiped(fleet: Fleet) -> Callable[[], None]:
    fleet.kill("node-0")
    return _wiped(fleet)


def _restart(name: str) -> Fault:
    def begin(fleet: Fleet) -> Callable[[], None]:
        before = fleet.pid(name)
        fleet.restart(name)
        return lambda: fleet.until_replaced(name, before)

    return Fault(f"restart {name}", begin)


def _nothing() -> None:
    """The supervisor starts again what was killed."""
