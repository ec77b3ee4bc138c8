"""The parent outlives every child: crashes, hangs, floods and lies become a typed outcome, and no process stays."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from media import encoder
from media.encoder import CRASHED, TOO_SLOW, SubprocessRunner
from media.messages import ChildBounds, EncodeRequest, StillEncoded
from tests.media import bad_child
from tests.media.conftest import ROOT
from tests.media.helpers import opened, until

BOUNDS = ChildBounds(nice=0)


async def run_bad(mode: int, scratch: Path, on_progress=lambda _: None):
    runner = SubprocessRunner("tests.media.bad_child")
    with opened(Path(os.devnull)) as source:
        return await runner.run(
            EncodeRequest(size_bytes=mode, bounds=BOUNDS), source, scratch, on_progress
        )


@pytest.mark.parametrize("mode", ["DIE", "BABBLE", "FLOOD", "SILENT", "TALK"])
async def test_a_child_that_dies_or_babbles_becomes_internal(tmp_path, mode):
    async with asyncio.timeout(10):
        assert await run_bad(getattr(bad_child, mode), tmp_path) == CRASHED


async def test_a_child_out_of_processor_time_becomes_timeout(tmp_path):
    async with asyncio.timeout(10):
        assert await run_bad(bad_child.SPIN, tmp_path) == TOO_SLOW


async def test_a_still_verdict_for_a_clip_is_passed_on_as_it_is_and_no_path_is_opened(tmp_path):
    """Whoever asked for a clip refuses it; the name in it is never used."""
    assert isinstance(await run_bad(bad_child.LIE, tmp_path), StillEncoded)


async def test_cancelling_ends_the_child(tmp_path):
    started = asyncio.Event()
    async with asyncio.timeout(10):
        task = asyncio.ensure_future(run_bad(bad_child.HANG, tmp_path, lambda _: started.set()))
        await started.wait()
        pid = await pid_in(tmp_path)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert gone(pid)


async def test_the_child_dies_with_a_parent_that_is_killed(tmp_path):
    code = (
        "import asyncio, sys, pathlib;"
        "from tests.media.test_encoder import run_bad;"
        "asyncio.run(run_bad(9001, pathlib.Path(sys.argv[1])))"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, str(tmp_path), cwd=ROOT
    )
    async with asyncio.timeout(20):
        pid = await pid_in(tmp_path)
        assert not gone(pid)
        parent.send_signal(signal.SIGKILL)
        await parent.wait()
        await until(lambda: gone(pid))


async def test_a_child_gets_no_secret_of_its_parent(monkeypatch, tmp_path):
    """The environment is where secrets come from, so none of it is handed on."""
    monkeypatch.setenv("KINORA_SECRET", "x")
    assert set(encoder._environment()) == {"PYTHONPATH", "PATH", "LC_ALL"}


async def pid_in(folder: Path) -> int:
    note = folder / "pid"
    await until(lambda: note.exists() and bool(note.read_text()))
    return int(note.read_text())


def gone(pid: int) -> bool:
    """Dead, or dead and not yet collected by whoever adopted it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"
