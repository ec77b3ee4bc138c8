"""The control socket: one line of JSON asks, one line answers.

    {"command": "status"}                               the state, as in the state file
    {"command": "stop"}                                 everything, in order; answered at once
    {"command": "restart", "name": "node-0"}            answered at once
    {"command": "hold", "name": "node-0"}               end it, and start it again by `restart` only
    {"command": "kill", "name": "node-0", "signal": 9}  for tests of faults

It lies in a folder of mode 0700: who may open that may do all this anyway.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import msgspec

from ops.supervisor.spec import SupervisorSettings
from ops.supervisor.state import SupervisorState

#: Longest question, in bytes.
MAX_QUESTION_BYTES = 4 * 1024
#: Longest answer, in bytes: a state.
MAX_ANSWER_BYTES = 1024 * 1024
#: Longest path of a Unix socket, in bytes; a limit of the kernel.
MAX_SOCKET_PATH_BYTES = 107


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants."""

    command: Literal["status", "stop", "restart", "hold", "kill"]
    #: Of the process; for `restart`, `hold` and `kill`.
    name: str = ""
    #: For `kill`; SIGKILL where nothing is said.
    signal: int = 9


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    ok: bool
    #: Why not.
    message: str = ""
    state: SupervisorState | None = None


Handler = Callable[[Question], Awaitable[Answer]]


@asynccontextmanager
async def open_control(
    path: Path, handler: Handler, settings: SupervisorSettings
) -> AsyncIterator[None]:
    """Take questions at `path` until the block ends.

    Raises:
        OSError: nothing can listen there.
    """
    serving = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal serving
        serving += 1
        try:
            if serving <= settings.max_controls:
                async with asyncio.timeout(settings.control_s):
                    writer.write(msgspec.json.encode(await _answer(reader, handler)) + b"\n")
                    await writer.drain()
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            # Whoever asked is gone or says nothing.
            pass
        finally:
            serving -= 1
            writer.close()

    _remove(path)
    server = await asyncio.start_unix_server(serve, path=path, limit=MAX_QUESTION_BYTES)
    try:
        yield
    finally:
        server.close()
        _remove(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


async def _answer(reader: asyncio.StreamReader, handler: Handler) -> Answer:
    try:
        question = msgspec.json.decode(await reader.readuntil(b"\n"), type=Question)
    except msgspec.DecodeError as error:
        return Answer(ok=False, message=f"not understood: {error}")
    except asyncio.LimitOverrunError:
        return Answer(ok=False, message=f"longer than {MAX_QUESTION_BYTES} bytes")
    return await handler(question)


def ask(path: Path, question: Question, *, timeout_s: float) -> Answer:
    """Ask the supervisor at `path`, blocking.

    Raises:
        OSError: nobody listens, or does not answer within `timeout_s`.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as opened:
        opened.settimeout(timeout_s)
        opened.connect(str(path))
        opened.sendall(msgspec.json.encode(question) + b"\n")
        received = b""
        while not received.endswith(b"\n") and len(received) < MAX_ANSWER_BYTES:
            data = opened.recv(64 * 1024)
            if not data:
                break
            received += data
    try:
        return msgspec.json.decode(received, type=Answer)
    except msgspec.DecodeError as error:
        raise ConnectionAbortedError(f"not an answer: {error}") from error
