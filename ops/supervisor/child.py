"""The step between the supervisor's fork and the program: tie this process to its parent's life.

    python -I -S child.py PARENT_PID DEATH_SIGNAL PROGRAM ARGUMENT...

The kernel sends DEATH_SIGNAL when the parent ends, however it ends; exec keeps that. A parent that ended
before the kernel was asked is noticed afterwards, so there is no gap. Own small program instead of a
function between fork and exec, because that is not safe beside threads. Standard library only, and little
of it: this runs before every start.
"""

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1
_CONFIGURATION = 78


def main(arguments: list[str]) -> int:
    """Become the program; returns only when that fails."""
    parent, death_signal, *argv = arguments
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0) != 0:
        print(f"prctl: {os.strerror(ctypes.get_errno())}", file=sys.stderr)
        return _CONFIGURATION
    if os.getppid() != int(parent):
        return 0
    try:
        os.execvpe(argv[0], argv, os.environ)
    except OSError as error:
        print(f"{argv[0]} cannot be run: {error.strerror}", file=sys.stderr)
    return _CONFIGURATION


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
