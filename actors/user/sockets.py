"""Websockets of one user: numbered events, kept so that a client can resume.

Every event gets the next number of the user's numbering and is stored in the same commit as what caused it;
it is pushed only after that commit. The last ones are kept, bounded in count and bytes. A client that
reconnects names the last number that it saw and gets what it missed, or is told to read again.
"""

import msgspec

from actors import answers
from actors.messages import (
    AttachSocket,
    DetachSocket,
)
from actors.replies import Attached
from actors.turn import Turn
from actors.user.state import EVENT_PART, User, dump, encode_event
from sharding.errors import RateLimited, Unauthenticated

#: Events that are kept, and their bytes.
KEPT = 256
KEPT_BYTES = 64 * 1024


def next_seq(user: User, turn: Turn) -> int:
    """The next number. A new owner numbers from its epoch on, which is above the time at which it took over,
    and so above all old numbers, also those that were given out and lost.
    """
    marks = user.marks
    if marks.seq == 0:
        marks.floor = turn.epoch
    marks.seq = max(marks.seq, turn.epoch) + 1
    return marks.seq


def last_seq(user: User, turn: Turn) -> int:
    """Where the numbering stands; at the epoch for somebody of whom no event is known."""
    return user.marks.seq or turn.epoch


def announce(user: User, turn: Turn, kind: str, data: object) -> int:
    """Number an event, keep it, and push it after the commit; returns its number."""
    seq = next_seq(user, turn)
    frame = answers.to_json(
        answers.SocketEvent(
            seq=seq,
            type=kind,
            at=answers.at(turn.now_ms),
            data=msgspec.Raw(answers.to_json(data)),
        )
    )
    user.ring.append((seq, frame))
    user.ring_bytes += len(frame)
    while len(user.ring) > KEPT or user.ring_bytes > KEPT_BYTES:
        old, gone = user.ring.popleft()
        user.ring_bytes -= len(gone)
        user.marks.floor = old
        turn.put(f"{EVENT_PART}{old}", None)
    turn.put(f"{EVENT_PART}{seq}", encode_event(seq, frame))
    turn.put("marks", dump(user, "marks"))
    push(user, turn, seq, frame)
    return seq


def push(user: User, turn: Turn, seq: int, frame: bytes) -> None:
    """Send a frame to every open websocket after the commit; `seq` is 0 for one without a number."""
    turn.frames.extend((connection, seq, frame) for connection in user.sockets)


def attach(user: User, message: AttachSocket, turn: Turn) -> Attached:
    """Take a connection in, and tell what it missed."""
    if message.connection not in user.sockets and len(user.sockets) >= user.world.limits.sockets:
        raise RateLimited("Too many connections of one user.")
    user.sockets[message.connection] = turn.session
    seq, resume = last_seq(user, turn), message.resume
    floor = user.marks.floor if user.marks.seq else seq
    if resume is None:
        return Attached(seq=seq, resumed=False, missed=(), resync=False)
    if not floor <= resume <= seq:
        return Attached(seq=seq, resumed=False, missed=(), resync=True)
    missed = tuple(frame for number, frame in user.ring if number > resume)
    return Attached(seq=seq, resumed=True, missed=missed, resync=False)


def detach(user: User, message: DetachSocket, turn: Turn) -> bytes:
    """Forget a connection."""
    user.sockets.pop(message.connection, None)
    return b"{}"


def require_session(user: User, session: int) -> None:
    """Refuse who has no live session.

    Raises:
        Unauthenticated: the account is closed or the session has ended.
    """
    if user.account is None or user.account.deleted or session not in user.sessions:
        raise Unauthenticated()
