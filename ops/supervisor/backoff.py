"""How long to wait before a process is started again.

    0, first_s, 2 x first_s, 4 x first_s ... at most max_s

The first time at once, because most failures are single; then twice as long each time, because the others
are not. A process that was ready for `healthy_s` begins anew.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BackoffSettings:
    """The bounds of the wait."""

    #: Wait before the second start in a row, in seconds.
    first_s: float = 0.2
    #: Longest wait, in seconds.
    max_s: float = 15.0
    #: How long a process must have been ready for its failures to be forgotten, in seconds.
    healthy_s: float = 30.0


class Backoff:
    """Counts the failures in a row of one process."""

    __slots__ = ("_settings", "failures")

    def __init__(self, settings: BackoffSettings) -> None:
        self._settings = settings
        #: Failures in a row.
        self.failures = 0

    def failed(self, *, ready_s: float) -> float:
        """Seconds to wait now that it ended after it was ready for `ready_s`."""
        if ready_s >= self._settings.healthy_s:
            self.failures = 0
        self.failures += 1
        if self.failures == 1:
            return 0.0
        # Bounded before it is raised: a process may fail for weeks.
        doublings = min(self.failures - 2, 32)
        return float(min(self._settings.first_s * 2**doublings, self._settings.max_s))

    def forget(self) -> None:
        """Begin anew, as after a restart that somebody asked for."""
        self.failures = 0

    def __repr__(self) -> str:
        return f"<Backoff failures={self.failures}>"
