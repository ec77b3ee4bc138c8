"""All websockets of this gateway, by the ids that actors know them by.

Delivery is immediate and never fails. Until a connection has been welcomed, what arrives for it is held, so that the
order welcome, missed events, live events holds although the actor pushes from the moment it is told of us.
"""

import random
from collections import Counter
from collections.abc import Iterable, Sequence

import orjson

from actors.ports.clock import Clock
from gateway.ports import GatewayMetrics, NoMetrics
from gateway.settings import GatewaySettings
from gateway.websocket import RESTART, SESSION_ENDED, SILENT, SLOW_CONSUMER, TOO_MANY, WebSocket
from sharding.errors import Overloaded


class Connection:
    """A websocket and whose it is."""

    __slots__ = ("_held", "id", "pinged_at", "settings", "silent", "socket", "user_id")

    def __init__(
        self,
        connection_id: str,
        user_id: int,
        socket: WebSocket,
        settings: GatewaySettings,
        now: float,
    ) -> None:
        self.id = connection_id
        self.user_id = user_id
        self.socket = socket
        self.settings = settings
        self.pinged_at = now
        #: Heartbeats in a row without a sign of life.
        self.silent = 0
        self._held: list[bytes] | None = []

    def deliver(self, frames: Iterable[bytes]) -> None:
        """Send in this order, or hold until `welcome`."""
        if self._held is None:
            for frame in frames:
                self.socket.send(frame)
            return
        self._held.extend(frames)
        if (
            len(self._held) > self.settings.outbound_frames
            or sum(map(len, self._held)) > self.settings.outbound_bytes
        ):
            self._held.clear()
            self.socket.close(SLOW_CONSUMER, "slow consumer")

    def welcome(self, frames: Iterable[bytes]) -> None:
        """Send these first, then what was held, and hold nothing any more."""
        held, self._held = self._held or [], None
        self.deliver(frames)
        self.deliver(held)

    def __repr__(self) -> str:
        return f"<Connection {self.id} user_id={self.user_id} {self.socket!r}>"


class SocketRegistry:
    """The `SocketHub` of this process."""

    __slots__ = ("_clock", "_connections", "_metrics", "_per_user", "_random", "_settings")

    def __init__(
        self,
        settings: GatewaySettings,
        clock: Clock,
        dice: random.Random,
        metrics: GatewayMetrics | None = None,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._random = dice
        self._metrics = metrics or NoMetrics()
        self._connections: dict[str, Connection] = {}
        self._per_user: Counter[int] = Counter()

    def deliver(self, connection: str, frames: Sequence[bytes]) -> None:
        """Send JSON text frames in this order; a connection that is gone is skipped."""
        if (known := self._connections.get(connection)) is not None:
            known.deliver(frames)

    def end(self, connection: str) -> None:
        """Close a connection whose session has ended."""
        if (known := self._connections.get(connection)) is not None:
            known.socket.close(SESSION_ENDED, "session ended")

    def check_room(self) -> None:
        """Refuse before the handshake.

        Raises:
            Overloaded: this process holds as many as it may.
        """
        if len(self._connections) >= self._settings.max_sockets:
            raise Overloaded("Too many connections; try again.")

    def add(self, connection_id: str, user_id: int, socket: WebSocket) -> Connection | None:
        """Hold a connection; None, and it is closed, when its user has too many."""
        if self._per_user[user_id] >= self._settings.max_sockets_per_user:
            socket.close(TOO_MANY, "too many connections")
            return None
        connection = Connection(
            connection_id, user_id, socket, self._settings, self._clock.monotonic()
        )
        self._connections[connection_id] = connection
        self._per_user[user_id] += 1
        self._metrics.sockets(len(self._connections))
        return connection

    def remove(self, connection: Connection) -> None:
        """Forget a connection. Idempotent."""
        if self._connections.pop(connection.id, None) is None:
            return
        self._per_user[connection.user_id] -= 1
        if not self._per_user[connection.user_id]:
            del self._per_user[connection.user_id]
        self._metrics.sockets(len(self._connections))
        self._metrics.socket_closed(connection.socket.close_code or 1000)

    async def watch(self) -> None:
        """Ping each connection once a heartbeat and close those that stay silent for two; runs until cancelled."""
        while True:
            await self._clock.sleep(self._settings.sweep_s)
            self.sweep()

    def sweep(self) -> None:
        """Look over all connections once."""
        now = self._clock.monotonic()
        due = now - self._settings.heartbeat_s
        for connection in list(self._connections.values()):
            if connection.pinged_at > due:
                continue
            connection.pinged_at = now
            socket = connection.socket
            connection.silent = 0 if socket.heard else connection.silent + 1
            socket.heard = False
            if connection.silent >= 2:
                socket.close(SILENT, "silence")
            else:
                socket.ping()

    def go_away(self) -> int:
        """Send everyone to another gateway, each after a wait of its own; returns how many those were."""
        leaving = list(self._connections.values())
        for connection in leaving:
            retry_ms = self._random.randint(
                self._settings.goaway_min_ms, self._settings.goaway_max_ms
            )
            connection.welcome((orjson.dumps({"op": "goaway", "retry_ms": retry_ms}),))
            connection.socket.close(RESTART, "restart")
        return len(leaving)

    def __len__(self) -> int:
        return len(self._connections)

    def __repr__(self) -> str:
        return f"<SocketRegistry {len(self._connections)}/{self._settings.max_sockets}>"
