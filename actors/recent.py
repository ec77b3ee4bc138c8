"""The last commits of a shard, kept by its owner in case the store comes back without them.

A store that writes behind (Redis, `appendfsync everysec`) may lose its last second when a machine dies with
both copies, or fail over to a copy that is behind. The owner notices, because the sequence beside the data is
lower than its own, and offers what is missing again. Where this does not reach, the shard is given up and read
anew: facts are not in it, so what is lost then is comfort.
"""

from collections import deque

from actors.ports.clock import Clock
from actors.ports.shard_store import Commit

#: What a commit costs beside its values, in bytes: the objects around them.
_OVERHEAD_BYTES = 256


class RecentCommits:
    """Commits without a gap, the newest last; bounded in age and bytes."""

    __slots__ = ("_bytes", "_clock", "_commits", "_max_age_s", "_max_bytes")

    def __init__(self, clock: Clock, *, max_age_s: float, max_bytes: int) -> None:
        self._clock = clock
        self._max_age_s = max_age_s
        self._max_bytes = max_bytes
        self._commits: deque[tuple[float, int, Commit]] = deque()
        self._bytes = 0

    def note(self, commit: Commit) -> None:
        """Keep a commit that was accepted."""
        size = _size(commit)
        self._commits.append((self._clock.monotonic(), size, commit))
        self._bytes += size
        self.trim()

    def trim(self) -> None:
        """Let go what is too old, or too much."""
        oldest = self._clock.monotonic() - self._max_age_s
        while self._commits and (self._commits[0][0] < oldest or self._bytes > self._max_bytes):
            self._bytes -= self._commits.popleft()[1]

    def since(self, sequence: int) -> list[Commit] | None:
        """The commits from `sequence` on; None where they are not all here."""
        missing = [commit for _, _, commit in self._commits if commit.sequence >= sequence]
        return missing if missing and missing[0].sequence == sequence else None

    def __repr__(self) -> str:
        return f"<RecentCommits {len(self._commits)} bytes={self._bytes}>"


def _size(commit: Commit) -> int:
    return (
        _OVERHEAD_BYTES
        + sum(len(write.value or b"") for write in commit.writes)
        + sum(len(kept.answer) for kept in commit.answers)
        + sum(len(intent.rows) for intent in commit.intents)
        + sum(len(entry.payload) for entry in commit.outbox)
    )
