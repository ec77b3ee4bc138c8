"""`NatsBus`: events from shard to shard, and whispers from node to node.

An event is published when the server has stored it; from then on it waits there for the owner of its shard.
Broadcasts are one core message per turn of the loop, kept by nobody; our own are delivered here without the
way over the server, so that they also arrive while there is none.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

from nats.aio.msg import Msg

from actors.events import Broadcast
from actors.ports.bus import Envelope, Listener, Receiver
from sharding.codec import Codec, UnknownMessage
from sharding.errors import KinoraError
from storage.nats.chores import Chores
from storage.nats.connection import Connection
from storage.nats.inbox import Inbox
from storage.nats.outgoing import Outgoing
from storage.nats.posts import Post

#: Broadcasts in one message, so that none is larger than a server takes.
_TOGETHER = 256

_WHISPERS: Codec[list[Broadcast]] = Codec(list[Broadcast])


class NatsBus:
    """Fills `actors.ports.bus.EventBus`."""

    def __init__(
        self,
        connection: Connection,
        outgoing: Outgoing,
        inbox: Inbox,
        chores: Chores,
        *,
        whisper: str,
        origin: bytes,
        max_broadcasts: int,
    ) -> None:
        """`origin` tells our own broadcasts from others'; every process has another of the same length."""
        self._connection = connection
        self._outgoing = outgoing
        self._inbox = inbox
        self._chores = chores
        self._whisper = whisper
        self._origin = origin
        self._listeners: list[Listener] = []
        self._most = max_broadcasts
        #: What waits for the turn of the loop, and what waits for the connection.
        self._pending: deque[Broadcast] = deque(maxlen=max_broadcasts)
        self._unsent: deque[Broadcast] = deque(maxlen=max_broadcasts)
        self._scheduled = self._sending = False
        self._closed = False
        #: Broadcasts that came too fast or while NATS was away, and listeners that raised.
        self.dropped = self.listener_failures = 0

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Return when the server has stored every envelope.

        Raises:
            StorageUnavailable: some may not have been stored; repeat the whole call.
        """
        targets: dict[int, list[Post]] = {}
        for envelope in envelopes:
            targets.setdefault(envelope.target, []).append(envelope)
        await self._outgoing.put(targets)

    def subscribe(self, receiver: Receiver) -> None:
        """Hand every envelope for the shards that are followed here to `receiver`, until it returns."""
        self._inbox.receivers.append(receiver)

    def unsubscribe(self, receiver: Receiver) -> None:
        """Never call `receiver` again."""
        self._inbox.receivers.remove(receiver)

    def broadcast(self, message: Broadcast) -> None:
        """Tell every node, this one included, on the next turn of the loop."""
        if self._closed:
            return
        if len(self._pending) == self._most:
            self.dropped += 1
        self._pending.append(message)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def listen(self, listener: Listener) -> None:
        """Call `listener` with every broadcast."""
        self._listeners.append(listener)

    def unlisten(self, listener: Listener) -> None:
        """Never call `listener` again."""
        self._listeners.remove(listener)

    def close(self) -> None:
        """Take nothing more; whoever waits in `publish` is refused."""
        self._closed = True
        self._outgoing.close()

    async def open(self) -> None:
        """Hear the other nodes."""
        await self._connection.hear(self._whisper, self._heard)

    def _flush(self) -> None:
        self._scheduled = False
        messages = list(self._pending)
        self._pending.clear()
        self._tell(messages)
        self.dropped += max(0, len(self._unsent) + len(messages) - self._most)
        self._unsent.extend(messages)
        if not self._sending:
            self._sending = True
            self._chores.begin(self._send_unsent(), name="whisper")

    async def _send_unsent(self) -> None:
        try:
            while self._unsent:
                count = min(_TOGETHER, len(self._unsent))
                messages = [self._unsent.popleft() for _ in range(count)]
                try:
                    message = self._origin + _WHISPERS.encode(messages)
                    await self._connection.send(self._whisper, message)
                except KinoraError:
                    self.dropped += count
        finally:
            self._sending = False

    def _heard(self, message: Msg) -> None:
        if message.data.startswith(self._origin):
            return
        try:
            messages = _WHISPERS.decode(message.data[len(self._origin) :])
        except UnknownMessage:
            # From a build that knows more; hints may be missed.
            self.dropped += 1
            return
        self._tell(messages)

    def _tell(self, messages: Sequence[Broadcast]) -> None:
        for message in messages:
            for listener in tuple(self._listeners):
                try:
                    listener(message)
                except Exception:
                    # A cache that chokes on a hint must not keep it from the others.
                    self.listener_failures += 1

    def __repr__(self) -> str:
        return f"<NatsBus {self._outgoing!r} {self._inbox!r} dropped={self.dropped}>"
