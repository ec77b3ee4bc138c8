"""One life of one process: from its start until the kernel says that it and its group are gone.

It gets a session and a process group of its own. When its leader has ended, whatever it left in the group
is killed before the leader is reaped: until then nobody else can have the group's number. The end is seen
through a pidfd, so that no child of anybody else is ever waited for by mistake.
"""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from ops.supervisor import child
from ops.supervisor.identity import ProcessRef, ref_of
from ops.supervisor.log_file import BoundedLog
from ops.supervisor.spec import ProcessSpec

#: Bytes of output that are taken at a time.
_CHUNK = 64 * 1024
#: Chunks that are taken from what a process leaves behind; more than a pipe ever holds.
_LAST_CHUNKS = 32


class Running:
    """A process that was started. Must be made on the loop's thread, which must be the main one."""

    __slots__ = ("_log", "_loop", "_pidfd", "_pipe", "_popen", "exited", "ref")

    def __init__(self, spec: ProcessSpec, log: BoundedLog) -> None:
        """Start it.

        Raises:
            OSError: it cannot be started, for want of memory, processes or files.
        """
        self._log = log
        self._loop = asyncio.get_running_loop()
        #: Done with the exit code, or minus the signal, once the whole group has ended.
        self.exited: asyncio.Future[int] = self._loop.create_future()
        self._pipe, output = os.pipe()
        try:
            self._popen = subprocess.Popen(
                (
                    *(sys.executable, "-I", "-S", str(Path(child.__file__))),
                    *(str(os.getpid()), str(int(spec.death_signal))),
                    *spec.argv,
                ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(spec.env),
                cwd=spec.cwd,
                start_new_session=True,
            )
        except OSError:
            os.close(self._pipe)
            raise
        finally:
            os.close(output)
        ref = ref_of(self._popen.pid)
        # Ours until it is reaped, so it is there.
        assert ref is not None
        self.ref: ProcessRef = ref
        self._pidfd = os.pidfd_open(self._popen.pid)
        os.set_blocking(self._pipe, False)
        self._loop.add_reader(self._pipe, self._pump)
        self._loop.add_reader(self._pidfd, self._ended)

    @property
    def pid(self) -> int:
        """Its number, also after its end."""
        return self._popen.pid

    def send(self, number: signal.Signals) -> None:
        """Signal its leader; nothing after its end."""
        if self.exited.done():
            return
        try:
            signal.pidfd_send_signal(self._pidfd, number)
        except ProcessLookupError:
            pass

    async def end(self, number: signal.Signals, stop_s: float) -> int:
        """Ask it to end, kill it when it takes longer than `stop_s`, and return how it ended."""
        self.send(number)
        # One that is frozen hears nothing.
        self.send(signal.SIGCONT)
        done, _ = await asyncio.wait({self.exited}, timeout=stop_s)
        if not done:
            self._log.note(f"does not end within {stop_s:g} s and is killed")
            self.send(signal.SIGKILL)
        return await asyncio.shield(self.exited)

    def __repr__(self) -> str:
        return f"<Running pid={self.pid} exited={self.exited.done()}>"

    def _pump(self) -> None:
        self._take(1)

    def _take(self, chunks: int) -> None:
        for _ in range(chunks):
            try:
                data = os.read(self._pipe, _CHUNK)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._loop.remove_reader(self._pipe)
                return
            try:
                self._log.write(data)
            except OSError:
                # The disk is full: a process must not die of its own log.
                pass

    def _ended(self) -> None:
        self._loop.remove_reader(self._pidfd)
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        code = self._popen.wait()
        os.close(self._pidfd)
        self._take(_LAST_CHUNKS)
        self._loop.remove_reader(self._pipe)
        os.close(self._pipe)
        if not self.exited.done():
            self.exited.set_result(code)
