"""Children that do not outlive whoever started them, however that one ends.

Linux sends the signal when the *thread* that started the child ends, so a child is started from the main
thread. Elsewhere nothing of the kind exists, and a killed parent leaves its children behind.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable

#: From <linux/prctl.h>.
_PR_SET_PDEATHSIG = 1


def tied_to_parent(death_signal: int = signal.SIGKILL) -> Callable[[], None] | None:
    """What to hand to `subprocess.Popen(preexec_fn=...)`; None where the system has no such thing."""
    if sys.platform != "linux":
        return None
    # Loaded now: after a fork nothing may be imported or allocated that a lock might guard.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent, number = os.getpid(), int(death_signal)

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
        # The parent may have died between the fork and the line above.
        if os.getppid() != parent:
            os._exit(1)

    return tie
