"""The listening socket and its life: open, serve, drain, close.

Sanic is run inside a loop of ours, in the one order that it survives: created without listening, started up, and
only then serving. The end is told here as a story, because Sanic's own loses requests: a connection that is busy at
the moment of its single look at idle ones is never told to close.

    not ready            the load balancer sees it and sends nobody new
    no more keep-alive   every answer from now on ends its connection
    go away              websockets are sent elsewhere, each after a wait of its own
    stop listening       nobody can come in any more
    let finish           idle connections are closed as they become idle
    cut                  what still runs at the deadline is ended, and counted
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sanic import Sanic
from sanic.http import Stage

from gateway.connection import GatewayProtocol
from gateway.edge import Edge
from gateway.settings import GatewaySettings

#: Seconds between two looks at the connections that still work.
_LOOK_S = 0.02

_LOG = logging.getLogger("kinora.gateway.server")


class GatewayServer:
    """A serving application; `drain` ends it gently."""

    __slots__ = ("_app", "_drained", "_edge", "_server", "_settings", "_sock", "address")

    def __init__(
        self,
        app: Sanic[Any, Any],
        server: Any,
        settings: GatewaySettings,
        sock: socket.socket,
    ) -> None:
        self._app = app
        self._server = server
        self._settings = settings
        self._edge: Edge = app.ctx.edge
        self._sock = sock
        self._drained = False
        #: Host and port that it listens on.
        self.address = sock.getsockname()

    async def drain(self) -> int:
        """Finish what runs, let nobody in; returns how many connections had to be cut. Idempotent."""
        if self._drained:
            return 0
        self._drained = True
        clock = self._edge.clock
        self._edge.draining = True
        self._end_after_this_answer()
        _LOG.info("drain_begins", extra={"connections": len(self._server.connections)})
        await clock.sleep(self._settings.drain_notice_s)
        await self._stop_listening()
        leaving = self._edge.deps.sockets.go_away()
        deadline = clock.monotonic() + self._settings.drain_deadline_s
        while self._server.connections and clock.monotonic() < deadline:
            self._close_idle()
            await clock.sleep(_LOOK_S)
        cut = self._cut()
        _LOG.info("drain_ends", extra={"websockets": leaving, "cut": cut})
        return cut

    def _end_after_this_answer(self) -> None:
        self._app.config.KEEP_ALIVE = False
        # Sanic decides when a request begins; those that run already were promised another.
        for connection in self._server.connections:
            http = connection.http
            if http is not None and http.stage in (Stage.REQUEST, Stage.HANDLER):
                http.keep_alive = False

    async def _stop_listening(self) -> None:
        """Let nobody new in, and take in who is already at the door.

        The kernel has answered for connections that nobody has accepted yet; with the last descriptor of a
        listening socket they are reset. So a second one is held until the queue is found empty.
        """
        loop = asyncio.get_running_loop()
        door = self._sock.dup()
        door.setblocking(False)
        loop.remove_reader(self._sock.fileno())
        await self._turns()
        # Not Sanic's close(): on Python 3.12 its task waits for connections that nobody closes.
        self._server.server.close()
        await self._turns()
        late: list[socket.socket] = []
        with door:
            while (one := _accepted(door)) is not None:
                late.append(one)
        for one in late:
            await loop.connect_accepted_socket(self._connection, one)

    async def _turns(self) -> None:
        """Let the loop finish what it has accepted or is closing; it takes a few turns."""
        for _ in range(3):
            await asyncio.sleep(0)

    def _connection(self) -> GatewayProtocol:
        return GatewayProtocol(
            loop=asyncio.get_running_loop(),
            app=self._app,
            connections=self._server.connections,
        )

    def _close_idle(self) -> None:
        """Close who has nothing under way; who came or spoke just now may be about to ask."""
        quiet_since = self._edge.clock.monotonic() - self._settings.drain_idle_s
        for connection in list(self._server.connections):
            if connection._time < quiet_since:
                connection.close_if_idle()

    def _cut(self) -> int:
        left = list(self._server.connections)
        for connection in left:
            connection.abort()
        if left:
            _LOG.warning("drain_cut", extra={"connections": len(left)})
        return len(left)

    def __repr__(self) -> str:
        return f"<GatewayServer {self.address} connections={len(self._server.connections)}>"


def _accepted(door: socket.socket) -> socket.socket | None:
    """The next connection that waits, without blocking; None when there is none."""
    try:
        one, _ = door.accept()
    except OSError:
        return None
    one.setblocking(False)
    return one


@asynccontextmanager
async def open_server(
    app: Sanic[Any, Any], sock: socket.socket, settings: GatewaySettings
) -> AsyncIterator[GatewayServer]:
    """Serve `app` on a bound socket while the block runs; then drain it.

    Works on uvloop and on asyncio's own loop. Whoever wants to drain earlier, on SIGTERM, calls `drain` inside.
    """
    # Sanic's AsyncioServer, whose methods have no types.
    started: Any = await app.create_server(
        sock=sock,
        protocol=GatewayProtocol,
        backlog=settings.backlog,
        asyncio_server_kwargs={"start_serving": False},
    )
    await started.startup()
    await started.before_start()
    await started.start_serving()
    await started.after_start()
    server = GatewayServer(app, started, settings, sock)
    try:
        yield server
    finally:
        await server.drain()
        await started.before_stop()
        await started.after_stop()
        edge: Edge = app.ctx.edge
        await edge.passwords.close()
