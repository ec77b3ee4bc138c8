"""Which process a number means: a pid alone is reused, a pid with its start time is not.

The start time counts ticks since the machine's own start, so the boot is named as well. A zombie counts as
ended: nothing of it runs, only its parent has not asked yet.
"""

import os
import signal
from pathlib import Path

import msgspec

_STATE, _START_TICKS = 0, 19


class ProcessRef(msgspec.Struct, frozen=True, kw_only=True):
    """One process of one boot of this machine."""

    pid: int
    #: Clock ticks between the machine's start and the process's.
    start_ticks: int
    #: The kernel's name for this boot.
    boot_id: str


def boot_id() -> str:
    """The kernel's name for this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def ref_of(pid: int) -> ProcessRef | None:
    """Who has this pid now; None when nobody has."""
    fields = _stat(pid)
    if fields is None:
        return None
    return ProcessRef(pid=pid, start_ticks=int(fields[_START_TICKS]), boot_id=boot_id())


def is_alive(ref: ProcessRef) -> bool:
    """Whether that very process still runs."""
    fields = _stat(ref.pid)
    return (
        fields is not None
        and fields[_STATE] not in "ZX"
        and int(fields[_START_TICKS]) == ref.start_ticks
        and boot_id() == ref.boot_id
    )


def is_frozen(pid: int) -> bool:
    """Whether a process was stopped by SIGSTOP or a debugger."""
    fields = _stat(pid)
    return fields is not None and fields[_STATE] in "Tt"


def resident_bytes(ref: ProcessRef) -> int:
    """Memory that the process occupies now; 0 once it has ended."""
    if not is_alive(ref):
        return 0
    try:
        pages = int(Path(f"/proc/{ref.pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def send(ref: ProcessRef, number: signal.Signals) -> bool:
    """Signal that very process; False when it has ended. Whoever took over its pid is left alone.

    Raises:
        PermissionError: it belongs to somebody else.
    """
    try:
        opened = os.pidfd_open(ref.pid)
    except ProcessLookupError:
        return False
    try:
        # Checked while the descriptor holds on to the process, so nobody can slip in between.
        if not is_alive(ref):
            return False
        signal.pidfd_send_signal(opened, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(opened)
    return True


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (OSError, UnicodeDecodeError):
        return None
    # The name in brackets may hold anything, brackets too.
    return text.rpartition(")")[2].split()
