"""What one person of a crowd on a fleet did and saw, and how answers and frames are understood.

What comes of a write is one of three: acked, certainly not executed, unknown. The history is that of the
simulation (tests/support/history.py), so the same checker reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from tests.support.history import History
from tests.support.people import Person

Verdict = Literal["acked", "refused", "unknown"]


@dataclass(frozen=True, slots=True)
class Look:
    """Somebody looked whether they like a video."""

    user: int
    video: int
    liked: bool
    sent: float
    done: float


@dataclass(slots=True)
class Log:
    """Everything that the crowd did and saw."""

    history: History
    looks: list[Look] = field(default_factory=list)
    #: From when to when everything that Redis held was taken from it, in seconds.
    wipes: list[tuple[float, float]] = field(default_factory=list)
    #: (second, user) of every ack.
    acks: list[tuple[float, int]] = field(default_factory=list)


@dataclass(slots=True)
class Member:
    """One person of the crowd."""

    person: Person
    user: int
    #: Numbers of events since `start`, in the order in which they came.
    start: int | None = None
    saw: list[int] = field(default_factory=list)
    #: Comments that they were told of, over all connections.
    told_of: set[int] = field(default_factory=set)
    #: Since when they listen, in seconds of the crowd.
    since: float = float("inf")
    #: When they were told to read the screen again, in seconds of the crowd.
    resyncs: list[float] = field(default_factory=list)
    #: (number, the number before it) where numbers did not grow.
    disorder: list[tuple[int, int]] = field(default_factory=list)
    connections: int = 0


def verdict(status: int, body: Any) -> Verdict:
    """What an answer says about a write."""
    if status < 300:
        return "acked"
    told = body if isinstance(body, dict) else {}
    if told.get("executed") is False:
        return "refused"
    # A refusal for what was asked is not executed; one for the state of things may hide an earlier try.
    if status < 500 and told.get("code") not in ("in_progress", None):
        return "refused"
    return "unknown"


def hear(member: Member, frame: dict[str, Any], resume: int | None, now: float) -> None:
    """What one frame means for what a websocket has seen."""
    if frame["op"] == "resync" or (frame["op"] == "welcome" and resume is None):
        member.since = min(member.since, now)
        if frame["op"] == "resync":
            member.resyncs.append(now)
        member.start, member.saw = frame["seq"], []
    elif frame["op"] == "event":
        number = frame.get("seq")
        if number is not None:
            if member.saw and number <= member.saw[-1]:
                member.disorder.append((number, member.saw[-1]))
            member.saw.append(number)
        if frame["type"] == "comment.created":
            member.told_of.add(int(frame["data"]["comment_id"]))
