"""The node's door: takes asks from gateways, and answers them.

A query for an actor that is here and lacks nothing is answered on the spot, without a task; that is nearly
every page of a feed. Everything else is a task of its own, within the window that was granted. Ownership is
looked at first, and again by the runtime: an ask for a shard that is not here is answered `Moved`, with what
this node knows. Nothing of an ask that was refused was done.

A gateway that vanishes takes its websockets with it: the actors are told, unless it has attached them again.
"""

from collections import deque
from collections.abc import Callable, Container
from typing import Any, Protocol

import msgspec

from actors.links.doorway import Doorway
from actors.links.pushes import PushStatistics, RemoteSockets
from actors.links.settings import DoorSettings
from actors.links.wire import FarewellReason, Hello
from actors.messages import AttachSocket, Caller, DetachSocket, Message
from actors.ports.clock import Clock
from actors.tasks import Alarm, TaskSet
from sharding.errors import KinoraError, Overloaded
from sharding.table import Home

#: Where a shard is, as far as this node knows.
Whereabouts = Callable[[int], Home | None]


class Answerer(Protocol):
    """What the door needs of a runtime."""

    @property
    def owned(self) -> Container[int]:
        """The shards of this node, now."""
        ...

    def ask_nowait(self, user_id: int, message: Message[Any], session: int) -> Any:
        """The answer of an actor that is here and lacks nothing; None when it must be waited for."""
        ...

    async def ask(self, user_id: int, message: Message[Any], caller: Caller) -> Any:
        """The user's actor's answer."""
        ...


class DoorStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """A door at one moment, and what went through it."""

    links: int
    in_flight: int
    #: Connections that are not read from because they do not read.
    paused: int
    sockets: int
    #: Answered on the spot.
    inline: int
    #: Answered by a task.
    tasks: int
    moved: int
    #: Beyond the window, or unknown here.
    refused: int
    #: Connections ended for what they sent.
    malformed: int
    #: Connections not taken, or ended for their silence.
    turned_away: int
    #: Sockets of vanished gateways that were detached.
    detached: int
    pushes: PushStatistics


class DoorCounts:
    """What went through a door so far; its doorways count into it."""

    __slots__ = ("detached", "inline", "malformed", "moved", "refused", "tasks", "turned_away")

    def __init__(self) -> None:
        self.inline = self.tasks = self.moved = self.refused = 0
        self.malformed = self.turned_away = self.detached = 0


class NodeDoor:
    """All connections of gateways to one node."""

    def __init__(
        self,
        hello: Hello,
        runtime: Answerer,
        sockets: RemoteSockets,
        whereabouts: Whereabouts,
        settings: DoorSettings,
        *,
        clock: Clock,
        tasks: TaskSet,
        alarm: Alarm,
    ) -> None:
        """`hello` introduces this node; `sockets` is also the hub that its actors were given."""
        self.hello = hello
        self.runtime = runtime
        self.sockets = sockets
        self.whereabouts = whereabouts
        self.settings = settings
        self.clock = clock
        self.tasks = tasks
        self.alarm = alarm
        self.counts = DoorCounts()
        #: Who is attached through which doorway, by connection id.
        self.attached: dict[str, tuple[Doorway, int]] = {}
        self._doorways: set[Doorway] = set()
        #: Connections that have not said hello yet.
        self._strangers: set[Doorway] = set()
        self._stopping = False

    def enter(self) -> Doorway:
        """The protocol of one more connection; what servers are started with."""
        return Doorway(self)

    async def watch(self) -> None:
        """End connections that stay silent; runs until cancelled."""
        while True:
            await self.clock.sleep(self.settings.sweep_s)
            self.sweep()

    def sweep(self) -> None:
        """Look over all connections once."""
        now = self.clock.monotonic()
        for doorway in list(self._doorways):
            doorway.sweep(now)

    async def stop(self) -> None:
        """Ask for no more, answer what is under way, and hang up."""
        self._stopping = True
        for stranger in list(self._strangers):
            stranger.end("stopping")
        for doorway in list(self._doorways):
            doorway.leave()
        end = self.clock.monotonic() + self.settings.drain_s
        while any(each.in_flight for each in self._doorways) and self.clock.monotonic() < end:
            await self.clock.sleep(0.01)
        for doorway in list(self._doorways):
            doorway.hang_up()

    # What doorways tell.

    def refuses(self) -> FarewellReason | None:
        """Why nobody else may come in; None while they may."""
        if self._stopping:
            return "stopping"
        return "full" if len(self._doorways) >= self.settings.max_links else None

    def knocked(self, doorway: Doorway) -> bool:
        """Whether one more connection may say hello."""
        if len(self._strangers) >= self.settings.max_links:
            self.counts.turned_away += 1
            return False
        self._strangers.add(doorway)
        return True

    def came(self, doorway: Doorway) -> int:
        """A gateway has introduced itself; its window. An older connection of the same one is over."""
        for other in list(self._doorways):
            if other.gateway == doorway.gateway:
                other.end("replaced")
        self._strangers.discard(doorway)
        self._share_out(len(self._doorways) + 1)
        self._doorways.add(doorway)
        return self._window(len(self._doorways))

    def went(self, doorway: Doorway) -> None:
        """A connection is over."""
        self._strangers.discard(doorway)
        if doorway not in self._doorways:
            return
        self._doorways.discard(doorway)
        self._share_out(len(self._doorways))
        left = deque(
            (connection, user_id)
            for connection, (through, user_id) in self.attached.items()
            if through is doorway
        )
        for _ in range(min(len(left), self.settings.detach_concurrency)):
            try:
                self.tasks.spawn(self._detach(doorway, left), name=f"detach {doorway.gateway}")
            except RuntimeError:
                # The node ends, and its actors with it.
                return

    def note(self, doorway: Doorway, user_id: int, message: Message[Any]) -> None:
        """Remember whose websockets a gateway holds, before the actor is asked to attach them.

        Raises:
            Overloaded: this node holds as many as it may.
        """
        if isinstance(message, AttachSocket):
            if len(self.attached) >= self.settings.sockets:
                raise Overloaded("Too many connections; try again.")
            self.attached[message.connection] = (doorway, user_id)
        elif isinstance(message, DetachSocket):
            self.attached.pop(message.connection, None)

    def forget(self, doorway: Doorway, connection: str) -> None:
        """It was not attached after all."""
        if self.attached.get(connection, (None, 0))[0] is doorway:
            del self.attached[connection]

    def _window(self, links: int) -> int:
        """What each of so many connections is granted."""
        bounds = self.settings
        return min(bounds.window, max(bounds.min_window, bounds.max_asks // max(1, links)))

    def _share_out(self, links: int) -> None:
        for doorway in self._doorways:
            doorway.grant(self._window(links))

    async def _detach(self, doorway: Doorway, left: deque[tuple[str, int]]) -> None:
        """Tell the actors of one vanished gateway, one after the other."""
        while left:
            connection, user_id = left.popleft()
            # Attached again meanwhile, through another connection of the same gateway.
            if self.attached.get(connection) != (doorway, user_id):
                continue
            del self.attached[connection]
            self.counts.detached += 1
            try:
                await self.runtime.ask(user_id, DetachSocket(connection=connection), Caller())
            except KinoraError:
                # Not here any more, so it holds no connection either.
                continue

    def statistics(self) -> DoorStatistics:
        """The door at this moment."""
        counts, doorways = self.counts, self._doorways
        return DoorStatistics(
            links=len(doorways),
            in_flight=sum(each.in_flight for each in doorways),
            paused=sum(each.paused for each in doorways),
            sockets=len(self.attached),
            inline=counts.inline,
            tasks=counts.tasks,
            moved=counts.moved,
            refused=counts.refused,
            malformed=counts.malformed,
            turned_away=counts.turned_away,
            detached=counts.detached,
            pushes=self.sockets.statistics(),
        )

    def __repr__(self) -> str:
        return f"<NodeDoor {self.hello.name} links={len(self._doorways)} stopping={self._stopping}>"
