"""What a process says by ending, and what its supervisor makes of it.

    0    clean end                  restarted unless it was asked to end; a one-shot step is done
    64   command line not understood                never restarted
    69   an engine is not reachable                 restarted after a back-off
    70   bug                                        restarted after a back-off
    75   try again later                            restarted after a back-off
    78   settings or set-up are wrong               never restarted
    -N   ended by signal N                          restarted after a back-off

The numbers are those of sysexits.h, which other supervisors know as well. Two of them mean that the same
command line in the same environment would end the same way: a person has to change something first.
"""

import signal
from enum import IntEnum


class ExitCode(IntEnum):
    """How a process of the fleet ends."""

    #: It was asked to end, or a one-shot step is done.
    CLEAN = 0
    #: The command line is not understood.
    USAGE = 64
    #: An engine that it cannot start without does not answer.
    ENGINE_UNREACHABLE = 69
    #: An error that nobody expected; its traceback is in the log.
    BUG = 70
    #: Something that passes by itself is in the way, such as a port that is not free yet.
    TRY_AGAIN = 75
    #: Settings, secrets or files are wrong.
    CONFIGURATION = 78


#: Starting again would end the same way.
FINAL = frozenset({ExitCode.USAGE, ExitCode.CONFIGURATION})


def is_final(code: int) -> bool:
    """Whether a process that ended with `code` is left alone."""
    return code in FINAL


def describe(code: int) -> str:
    """`code` for people: `78 (configuration)`, `signal 9 (SIGKILL)`."""
    if code < 0:
        try:
            return f"signal {-code} ({signal.Signals(-code).name})"
        except ValueError:
            return f"signal {-code}"
    try:
        return f"exit code {code} ({ExitCode(code).name.lower().replace('_', ' ')})"
    except ValueError:
        return f"exit code {code}"
