"""All websockets of this gateway, by the ids that actors know them by.

Delivery is immediate and never fails. Until a connection has been welcomed, what arrives for it is held, so that the
order welcome, missed events, live events holds although the actor pushes from the moment it is told of us.

A connection outlives its actor: when the node restarts or the link to it is lost, it is detached, attaches again
under the number of the last event that it was given, and gets what it missed. In between numbered events are not
passed on, for one before them may be lost; the actor keeps them. A number that was passed on is never passed on again.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from itertools import count

import orjson

from actors.ports.clock import Clock
from gateway.ports import GatewayMetrics, NoMetrics
from gateway.settings import GatewaySettings
from gateway.websocket import RESTART, SESSION_ENDED, SILENT, SLOW_CONSUMER, TOO_MANY, WebSocket
from sharding.errors import Overloaded
from sharding.shards import shard_of


class Connection:
    """A websocket and whose it is."""

    __slots__ = (
        "_held",
        "_held_bytes",
        "_welcomed",
        "attach_again",
        "detached",
        "id",
        "last",
        "pinged_at",
        "settings",
        "shard",
        "silent",
        "socket",
        "user_id",
    )

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
        self.shard = shard_of(user_id)
        self.socket = socket
        self.settings = settings
        self.pinged_at = now
        #: Heartbeats in a row without a sign of life.
        self.silent = 0
        #: Number of the last event that the client was given, or need not be given.
        self.last = 0
        #: Whether its actor has lost it.
        self.detached = False
        #: Called when it has; set by whoever can attach it again.
        self.attach_again: Callable[[], None] | None = None
        self._welcomed = False
        self._held: list[tuple[int, bytes]] | None = []
        self._held_bytes = 0

    def deliver(self, seq: int, frame: bytes) -> None:
        """Send, or hold until `welcome`; what was sent before is not sent again."""
        if self._held is not None:
            self._hold(seq, frame)
        elif seq == 0:
            self.socket.send(frame)
        elif seq > self.last and not self.detached:
            self.last = seq
            self.socket.send(frame)

    def _hold(self, seq: int, frame: bytes) -> None:
        assert self._held is not None
        self._held.append((seq, frame))
        self._held_bytes += len(frame)
        if (
            len(self._held) <= self.settings.outbound_frames
            and self._held_bytes <= self.settings.outbound_bytes
        ):
            return
        if self._welcomed:
            # The actor keeps them; they come with the next attachment.
            self.detach()
        else:
            self._held = []
            self.socket.close(SLOW_CONSUMER, "slow consumer")

    def hold(self) -> None:
        """Its actor is asked to attach it: what arrives from now on comes after the answer."""
        self.detached = False
        self._held, self._held_bytes = [], 0

    def welcome(self, seq: int, frames: Iterable[bytes]) -> None:
        """Send these, which reach up to number `seq`, then what was held, and hold nothing any more."""
        held, self._held = self._held or [], None
        self._welcomed = True
        for frame in frames:
            self.socket.send(frame)
        self.last = seq
        for each in held:
            self.deliver(*each)

    def detach(self) -> None:
        """Its actor does not know it any more, or may have told it something that was lost."""
        self.detached = True
        if self._welcomed:
            self._held = None
        if self.attach_again is not None:
            self.attach_again()

    def __repr__(self) -> str:
        return (
            f"<Connection {self.id} user_id={self.user_id} last={self.last}"
            f" detached={self.detached} {self.socket!r}>"
        )


class SocketRegistry:
    """The `SocketHub` of this process."""

    __slots__ = (
        "_by_shard",
        "_clock",
        "_connections",
        "_metrics",
        "_name",
        "_numbers",
        "_per_user",
        "_random",
        "_settings",
        "detachments",
    )

    def __init__(
        self,
        settings: GatewaySettings,
        clock: Clock,
        dice: random.Random,
        metrics: GatewayMetrics | None = None,
        *,
        name: str = "gateway",
    ) -> None:
        """`name` is that of this start of the gateway; nodes find it by the ids of its connections."""
        self._settings = settings
        self._name = name
        self._numbers = count(1)
        self._clock = clock
        self._random = dice
        self._metrics = metrics or NoMetrics()
        self._connections: dict[str, Connection] = {}
        #: The same by where their users live; shards move one at a time.
        self._by_shard: defaultdict[int, dict[str, Connection]] = defaultdict(dict)
        self._per_user: Counter[int] = Counter()
        #: How often a connection was detached so far.
        self.detachments = 0

    def deliver(self, connection: str, seq: int, frame: bytes) -> None:
        """Send a JSON text frame with its number, 0 for none; a connection that is gone is skipped."""
        if (known := self._connections.get(connection)) is not None:
            known.deliver(seq, frame)

    def end(self, connection: str) -> None:
        """Close a connection whose session has ended."""
        if (known := self._connections.get(connection)) is not None:
            known.socket.close(SESSION_ENDED, "session ended")

    def detach(self, connection: str) -> None:
        """Have a connection attach again, wherever its actor is now."""
        if (known := self._connections.get(connection)) is not None:
            self.detachments += 1
            known.detach()

    def detach_shards(self, shards: Iterable[int]) -> None:
        """Have all connections attach again whose users live in these shards."""
        for shard in self._by_shard.keys() & set(shards):
            for connection in list(self._by_shard[shard].values()):
                self.detachments += 1
                connection.detach()

    def new_id(self) -> str:
        """The id of one more connection; no other start of a gateway gives the same."""
        return f"{self._name}/{next(self._numbers)}"

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
        self._by_shard[connection.shard][connection_id] = connection
        self._per_user[user_id] += 1
        self._metrics.sockets(len(self._connections))
        return connection

    def remove(self, connection: Connection) -> None:
        """Forget a connection. Idempotent."""
        if self._connections.pop(connection.id, None) is None:
            return
        neighbours = self._by_shard[connection.shard]
        del neighbours[connection.id]
        if not neighbours:
            del self._by_shard[connection.shard]
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
            connection.socket.send(orjson.dumps({"op": "goaway", "retry_ms": retry_ms}))
            connection.socket.close(RESTART, "restart")
        return len(leaving)

    def __len__(self) -> int:
        return len(self._connections)

    def __repr__(self) -> str:
        return f"<SocketRegistry {len(self._connections)}/{self._settings.max_sockets}>"
