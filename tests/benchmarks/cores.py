"""Cores: the server gets one of its own, the load generator another, where the system lets us choose.

Without that the two take turns on one core as the scheduler likes, and the figures of a run say mostly how
it liked that day. On systems that cannot pin, everything still runs, only noisier.
"""

import os


def cores() -> tuple[int | None, int | None]:
    """A core for the server and one for the load generator; None where there is no choice."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    usable = sorted(os.sched_getaffinity(0))
    return (usable[0], usable[1]) if len(usable) > 1 else (None, None)


def pin(pid: int, core: int | None) -> None:
    """Keep a process that has just begun, and the threads that it will start, on one core."""
    if core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, {core})


def cpu_s(pid: int) -> float:
    """Seconds of processor time, user and system, that a process and its threads have used.

    NaN where the system has no /proc.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except FileNotFoundError:
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
