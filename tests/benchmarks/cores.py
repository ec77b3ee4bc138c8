"""Cores: the server gets one of its own, the load generator another, where the system lets us choose.

Without that the two take turns on one core as the scheduler likes, and the figures of a run say mostly how
it liked that day. On systems that cannot pin, everything still runs, only noisier.
"""

import os
from contextlib import suppress


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


def pin_running(pid: int, cores: set[int]) -> None:
    """Keep all threads of a process that runs already on these cores."""
    if hasattr(os, "sched_setaffinity"):
        for thread in _threads(pid):
            with suppress(ProcessLookupError):
                os.sched_setaffinity(thread, cores)


def _threads(pid: int) -> list[int]:
    try:
        return [int(each) for each in os.listdir(f"/proc/{pid}/task")]
    except FileNotFoundError:
        return []


def cpu_s(pid: int) -> float:
    """Seconds of processor time, user and system, that a process and its threads have used.

    NaN where the system has no /proc.
    """
    return _used_s(f"/proc/{pid}/stat")


def threads_cpu_s(pid: int) -> dict[int, float]:
    """The same of each thread that a process has now; the one that began it has the process's own id."""
    return {each: _used_s(f"/proc/{pid}/task/{each}/stat") for each in _threads(pid)}


def resident(pid: int) -> int:
    """Bytes of a process that are in memory and not shared with others.

    0 where the system has no /proc.
    """
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            lines = dict(line.split(":", 1) for line in file if ":" in line and "kB" in line)
    except FileNotFoundError:
        return 0
    return sum(int(lines[each].split()[0]) * 1024 for each in ("Private_Clean", "Private_Dirty"))


def _used_s(path: str) -> float:
    try:
        with open(path, "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return float("nan")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
