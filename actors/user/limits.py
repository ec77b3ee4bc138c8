"""Limits of one person, kept by their actor: exact, without I/O, and for everybody the same.

GCRA (ITU-T I.371): one number a kind, the theoretical arrival time of the next request. A burst of a
quarter of a minute's allowance passes at once; beyond it requests pass at the rate.
"""

from actors.turn import Turn
from actors.user.state import User
from sharding.errors import RateLimited

_MINUTE_MS = 60_000


def spend(user: User, turn: Turn, kind: str, per_minute: int) -> None:
    """Count one request of `kind`.

    Raises:
        RateLimited: there were too many; this one does not count.
    """
    interval = _MINUTE_MS / per_minute
    tolerance = _MINUTE_MS / 4
    buckets = user.buckets if user.buckets is not None else {}
    arrival = max(buckets.get(kind, 0.0), float(turn.now_ms))
    early = arrival - tolerance - turn.now_ms
    if early > 0:
        raise RateLimited(retry_after_s=early / 1000)
    buckets[kind] = arrival + interval
    user.buckets = buckets
