"""The parent's side of the child: starts it, listens to it, ends it, and believes little of it.

A child decodes what strangers upload, so it is treated as if it were theirs by now: it gets the input as
an open file, an empty folder, an environment without secrets; its lines are bounded and decoded strictly;
every file it names is looked at before it is published. However it ends, there is one answer, and no
process is left behind.
"""

import asyncio
import logging
import os
import re
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from actors.media import MediaFailure
from media.messages import (
    CONTENT_TYPES,
    ChildMessage,
    ChildRequest,
    Encoded,
    Failed,
    Progress,
    StillEncoded,
)

log = logging.getLogger(__name__)

#: Longest line and most lines that a child may say; four a second for longer than any deadline.
MAX_LINE_BYTES, MAX_LINES = 64 * 1024, 20_000

#: How much of a child's last words is kept for the log, in bytes.
STDERR_TAIL_BYTES = 4096

#: How long a child may take to end after its verdict, in seconds.
END_S = 5.0

#: Folder that holds the packages of the product, for a child that starts elsewhere.
ROOT = Path(__file__).resolve().parent.parent

FILE_NAME = re.compile(r"[a-z0-9_]{1,32}\.(" + "|".join(CONTENT_TYPES) + r")", re.ASCII)

CRASHED = Failed(failure=MediaFailure(code="internal", title="The video could not be processed."))
BABBLE = Failed(failure=CRASHED.failure)
TOO_SLOW = Failed(failure=MediaFailure(code="timeout", title="The video took too long to process."))

Verdict = Encoded | StillEncoded | Failed
OnProgress = Callable[[float], None]


class ChildRunner(Protocol):
    """Runs one request in a process of its own."""

    async def run(
        self, request: ChildRequest, source: BinaryIO, scratch: Path, on_progress: OnProgress
    ) -> Verdict:
        """Have *request* done for the open file *source*, its results in the empty folder *scratch*.

        A child that dies, babbles or names files it may not becomes `Failed` with `internal`, one that
        used up its processor time with `timeout`. Cancellation ends the child before it is passed on.
        """
        ...


class SubprocessRunner:
    """A fresh interpreter a request: nothing leaks from one clip to the next."""

    def __init__(self, module: str = "media.child") -> None:
        #: Tests run children that misbehave.
        self._module = module

    def __repr__(self) -> str:
        return f"<SubprocessRunner({self._module})>"

    async def run(
        self, request: ChildRequest, source: BinaryIO, scratch: Path, on_progress: OnProgress
    ) -> Verdict:
        """See `ChildRunner.run`."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            # Safe path: the child's folder holds what it wrote, never what it imports.
            "-P",
            "-m",
            self._module,
            str(os.getpid()),
            msgspec.json.encode(request).decode(),
            stdin=source,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=scratch,
            env=_environment(),
            limit=MAX_LINE_BYTES,
            # Ctrl-C in a terminal is for the parent, which then ends its children in order.
            start_new_session=True,
        )
        try:
            async with asyncio.TaskGroup() as group:
                tail = group.create_task(_tail(process.stderr), name="media.child.stderr")
                verdict = await _listen(process.stdout, on_progress)
                if verdict is BABBLE:
                    _kill(process)
                # One that died is not killed again: its exit code would be lost.
                code = await _ended(process)
        finally:
            _kill(process)
            await process.wait()
        words = tail.result().decode(errors="replace").strip()
        if code == -signal.SIGXCPU:
            return TOO_SLOW
        if verdict is None or verdict is BABBLE or code != 0:
            log.error("media child ended without a verdict: exit code %s, stderr %r", code, words)
            return CRASHED
        if words:
            log.warning("media child complained: %s", words)
        if isinstance(verdict, Encoded) and (fault := find_fault(verdict, scratch)):
            log.error("media child named files it may not: %s", fault)
            return CRASHED
        return verdict


def content_type(name: str) -> str:
    """The type under which a file of this *name* is stored and served."""
    return CONTENT_TYPES[name.rpartition(".")[2]]


def find_fault(encoded: Encoded, scratch: Path) -> str | None:
    """Why *encoded* must not be published from *scratch*; None where nothing speaks against it."""
    media, names = encoded.media, encoded.files
    wanted = {
        media.cover,
        media.preview,
        media.hls,
        media.mp4,
        *(rung.file for rung in media.rungs),
    }
    if not media.rungs or len(set(names)) != len(names) or not wanted <= set(names):
        return "the list of files is not complete"
    total = 0
    for name in names:
        if not FILE_NAME.fullmatch(name):
            return f"a file is called {name!r}"
        try:
            found = (scratch / name).lstat()
        except OSError as error:
            return f"{name}: {error.strerror}"
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or not found.st_size:
            return f"{name} is not a file of its own"
        total += found.st_size
    sizes = {rung.file: rung.size_bytes for rung in media.rungs}
    if any((scratch / name).lstat().st_size != size for name, size in sizes.items()):
        return "a rung is not of the size it is said to have"
    return None if total == media.total_bytes else "the sizes do not add up"


async def _listen(pipe: asyncio.StreamReader | None, on_progress: OnProgress) -> Verdict | None:
    """Read until the verdict; None where the pipe ends first, `BABBLE` where the protocol is broken."""
    assert pipe is not None
    decoder: msgspec.json.Decoder[ChildMessage] = msgspec.json.Decoder(ChildMessage)
    for _ in range(MAX_LINES):
        try:
            line = await pipe.readline()
            if not line:
                return None
            message = decoder.decode(line)
        except (ValueError, msgspec.MsgspecError):
            log.error("media child says what it may not")
            return BABBLE
        if not isinstance(message, Progress):
            return message
        on_progress(min(1.0, max(0.0, message.value)))
    log.error("media child says too much")
    return BABBLE


async def _tail(pipe: asyncio.StreamReader | None) -> bytes:
    """Read to the end so that the child never waits for us; keep the last words."""
    assert pipe is not None
    kept = b""
    while block := await pipe.read(STDERR_TAIL_BYTES):
        kept = (kept + block)[-STDERR_TAIL_BYTES:]
    return kept


async def _ended(process: asyncio.subprocess.Process) -> int:
    try:
        async with asyncio.timeout(END_S):
            return await process.wait()
    except TimeoutError:
        _kill(process)
        return await process.wait()


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        try:
            process.kill()
        except ProcessLookupError:
            pass  # it ended between the two lines


def _environment() -> dict[str, str]:
    """Nothing of ours but what an interpreter needs: secrets come in the environment, too."""
    return {"PYTHONPATH": str(ROOT), "PATH": os.defpath, "LC_ALL": "C.UTF-8"}
