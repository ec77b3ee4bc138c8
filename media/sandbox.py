"""What keeps a child that decodes hostile bytes small, mortal and, in time, blind.

`bound` sets what the kernel enforces already: memory, processor time, file sizes, no core dumps, and
death with the parent. `seal` is where system calls and the file system are taken away; it is called when
everything is imported and every file that can be is open, and before the first hostile byte is read.
"""

import ctypes
import os
import resource
import signal
import sys

from media.messages import ChildBounds

#: Files a child may have open: its input, its outputs, and what the interpreter keeps.
MAX_OPEN_FILES = 64

PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """End this process when *parent* does, even by SIGKILL. Linux only; elsewhere the closed pipe does it."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        # It died between starting us and this line.
        os._exit(1)


def bound(bounds: ChildBounds) -> None:
    """Take *bounds* for good: they hold for threads as well, and nothing here can raise them again."""
    os.nice(bounds.nice)
    # One second more than the soft limit: SIGXCPU first, SIGKILL for whoever ignores it.
    _limit(resource.RLIMIT_CPU, bounds.cpu_s, bounds.cpu_s + 1)
    _limit(resource.RLIMIT_AS, bounds.memory_bytes)
    _limit(resource.RLIMIT_FSIZE, bounds.file_bytes)
    _limit(resource.RLIMIT_NOFILE, MAX_OPEN_FILES)
    _limit(resource.RLIMIT_CORE, 0)


def seal() -> None:
    """Give up what decoding does not need. Rlimits stand; system calls are not filtered yet."""


def _limit(kind: int, soft: int, hard: int | None = None) -> None:
    _, ceiling = resource.getrlimit(kind)
    wanted = soft if hard is None else hard
    if ceiling != resource.RLIM_INFINITY:
        wanted = min(wanted, ceiling)
    resource.setrlimit(kind, (min(soft, wanted), wanted))
