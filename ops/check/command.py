"""`kinora check`: from a data folder to a printed list of what does not fit."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from actors.ports.clock import SystemClock
from ops.check.faults import GRACE_MS, Fault, find_faults
from ops.check.opening import open_for_reading
from ops.check.repair import Recounter, repair
from ops.data_dir import DataDir, open_data_dir

#: Faults that are shown one by one; beyond it only their number.
MAX_SHOWN = 200

#: Opens the product on a data folder that this process holds, without serving.
OpenNode = Callable[[DataDir], AbstractAsyncContextManager[Recounter]]


def check(path: Path, *, open_node: OpenNode | None) -> int:
    """Print every fault and return how many are left; repair them first where `open_node` is given.

    Raises:
        CannotGoOn: there is no such database, or (to repair) the product runs on it.
    """
    console = Console()
    if open_node is not None:
        with open_data_dir(path) as opened:
            return asyncio.run(_repair(opened.dir, open_node, console))
    folder = DataDir(path)
    faults = asyncio.run(_find(folder, grace_ms=GRACE_MS if folder.is_held() else 0))
    _show(faults, console)
    if any(fault.cure != "none" for fault in faults):
        console.print("Stop the product and add --repair to put right what can be.")
    return len(faults)


async def _find(folder: DataDir, *, grace_ms: int) -> list[Fault]:
    async with open_for_reading(folder) as stored:
        now_ms = SystemClock().unix_ms()
        return await find_faults(
            stored.people, stored.videos, stored.blobs, now_ms=now_ms, grace_ms=grace_ms
        )


async def _repair(folder: DataDir, open_node: OpenNode, console: Console) -> int:
    faults = await _find(folder, grace_ms=0)
    _show(faults, console)
    if not faults:
        return 0
    async with open_for_reading(folder) as stored, open_node(folder) as node:
        done = await repair(faults, node=node, blobs=stored.blobs)
    console.print(f"Recounted {done.recounted}, removed {done.discarded} files.")
    left = await _find(folder, grace_ms=0)
    if left:
        console.print("What is left:")
        _show(left, console)
    return len(left)


def _show(faults: Sequence[Fault], console: Console) -> None:
    if not faults:
        console.print("Counts fit facts, and blobs fit rows.")
        return
    table = Table(title="What does not fit", title_justify="left")
    for column in ("fault", "id", "what", "cure"):
        table.add_column(column, overflow="fold")
    for fault in faults[:MAX_SHOWN]:
        where = f" ({fault.blob})" if fault.blob else ""
        table.add_row(fault.kind, str(fault.entity_id or ""), f"{fault.detail}{where}", fault.cure)
    console.print(table)
    kinds = Counter(fault.kind for fault in faults)
    console.print(", ".join(f"{times} {kind}" for kind, times in sorted(kinds.items())))
