"""Bare Sanic: what the framework itself can do when it has nothing to do but send the same bytes.

`python -m tests.benchmarks.bare`: msgpack `Bare` on standard input, the port on standard output, then it
serves until it is ended. Run in the same loop, in the same order and with the same settings as the
product's server (`gateway.server`), but with Sanic's own protocol and its own responses.

    /feed    the body with the headers that the product sends
    /body    the body with no header beyond what Sanic needs
    /ws      a websocket of Sanic's own, that listens
    /broadcast    the body to every websocket, as a text frame
"""

import asyncio
import gc
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import uvloop
from sanic import Request, Sanic
from sanic.response import HTTPResponse

from gateway.settings import GatewaySettings
from ops.bounds import allow_open_files
from tests.benchmarks.cores import pin
from tests.benchmarks.report import ROOT, Broken


class Bare(msgspec.Struct, frozen=True, kw_only=True):
    """What to answer."""

    body: bytes
    #: Beside the content type.
    headers: dict[str, str]


@contextmanager
def open_bare(bare: Bare, core: int | None) -> Iterator[tuple[int, int]]:
    """A bare Sanic in a process of its own; its process id and port.

    Raises:
        Broken: it does not start.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.bare"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    pin(child.pid, core)
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        child.stdin.write(msgspec.msgpack.encode(bare))
        child.stdin.close()
        line = child.stdout.readline()
        if not line:
            raise Broken("bare Sanic does not start")
        yield child.pid, int(line)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


async def serve(bare: Bare) -> None:
    """Serve until SIGTERM."""
    settings = GatewaySettings()
    app: Sanic[Any, Any] = Sanic("bare", configure_logging=False)
    app.config.update(
        {
            "AUTO_EXTEND": False,
            "MOTD": False,
            "ACCESS_LOG": False,
            "REQUEST_MAX_SIZE": settings.max_body_bytes,
            "REQUEST_MAX_HEADER_SIZE": settings.max_header_bytes,
            "KEEP_ALIVE_TIMEOUT": settings.keep_alive_s,
        }
    )

    @app.get("/feed")
    async def feed(request: Request) -> HTTPResponse:
        return HTTPResponse(bare.body, headers=bare.headers, content_type="application/json")

    @app.get("/body")
    async def body(request: Request) -> HTTPResponse:
        return HTTPResponse(bare.body, content_type="application/json")

    sockets: set[Any] = set()

    @app.websocket("/ws")
    async def ws(request: Request, socket: Any) -> None:
        sockets.add(socket)
        try:
            async for _ in socket:
                pass
        finally:
            sockets.discard(socket)

    @app.get("/broadcast")
    async def broadcast(request: Request) -> HTTPResponse:
        text = bare.body.decode()
        for each in list(sockets):
            await each.send(text)
        return HTTPResponse(b"")

    allow_open_files(settings.max_sockets // 2)
    listener = socket.create_server(("127.0.0.1", 0), backlog=settings.backlog)
    server: Any = await app.create_server(
        sock=listener,
        backlog=settings.backlog,
        asyncio_server_kwargs={"start_serving": False},
    )
    await server.startup()
    await server.before_start()
    await server.start_serving()
    await server.after_start()
    gc.collect()
    gc.freeze()
    print(listener.getsockname()[1], flush=True)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await stopping.wait()


def main() -> None:
    """Entry point."""
    uvloop.run(serve(msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Bare)))


if __name__ == "__main__":
    main()
