"""A node that survives itself: what actors keep is handed from one start of it to the next."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager

from actors.links import opening
from actors.links.address import parse_address
from actors.links.door import NodeDoor
from actors.links.pushes import RemoteSockets
from actors.links.settings import CallerSettings, DoorSettings
from actors.links.wire import Hello
from actors.messages import AttachSocket, DetachSocket, GetFeed
from actors.ports.clock import SystemClock
from actors.replies import Attached
from actors.tasks import TaskSet
from gateway.fleet import FleetDeps, open_fleet
from gateway.settings import GatewaySettings
from gateway.sockets import SocketRegistry
from sharding.shards import SHARD_COUNT

CLOCK = SystemClock()
QUICK = CallerSettings(
    retry_first_s=0.01, retry_longest_s=0.05, heartbeat_s=0.1, silence_s=0.6, sweep_s=0.05
)
PAGE = b"p" * 12_000


class Diary:
    """Numbered events of one user, kept across restarts."""

    def __init__(self):
        self.events: list[tuple[int, bytes]] = []
        self.floor = 0
        self.seq = 0
        #: Stands for a store: what was done under which op id.
        self.done: list[bytes] = []

    def forget(self):
        """Everything of it was lost; numbers go on above all old ones."""
        self.events.clear()
        self.seq = self.floor = self.seq + 1_000


class Actors:
    """One start of a node: who is attached is not kept."""

    #: Set once it is open.
    address: str
    door: NodeDoor

    def __init__(self, diary, sockets):
        self.owned = range(SHARD_COUNT)
        self.diary = diary
        self.attached: set[str] = set()
        self.most = self.running = 0
        self.going_on = asyncio.Event()
        self.going_on.set()
        self._sockets = sockets

    def ask_nowait(self, user_id, message, session):
        return PAGE if isinstance(message, GetFeed) and message.limit == 10 else None

    async def ask(self, user_id, message, caller):
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.going_on.wait()
            return self._answer(message, caller)
        finally:
            self.running -= 1

    def _answer(self, message, caller):
        diary = self.diary
        if isinstance(message, AttachSocket):
            self.attached.add(message.connection)
            resume = message.resume
            if resume is None:
                return Attached(seq=diary.seq, resumed=False, missed=(), resync=False)
            if not diary.floor <= resume <= diary.seq:
                return Attached(seq=diary.seq, resumed=False, missed=(), resync=True)
            missed = tuple(frame for seq, frame in diary.events if seq > resume)
            return Attached(seq=diary.seq, resumed=True, missed=missed, resync=False)
        if isinstance(message, DetachSocket):
            self.attached.discard(message.connection)
        if message.COMMAND:
            diary.done.append(caller.op_id)
        return b"{}"

    def announce(self):
        """One more event, pushed to whoever is attached."""
        diary = self.diary
        diary.seq += 1
        frame = b'{"op":"event","seq":%d}' % diary.seq
        diary.events.append((diary.seq, frame))
        for connection in self.attached:
            self._sockets.deliver(connection, diary.seq, frame)


@asynccontextmanager
async def open_node(address, diary, *, ssl=None, settings=None, graceful=True):
    """One start of the node; it ends with a goodbye, or as if killed."""
    alarms = []
    tasks = TaskSet(lambda name, error: alarms.append((name, error)))
    sockets = RemoteSockets()
    actors = Actors(diary, sockets)
    door = NodeDoor(
        Hello(name="n1", incarnation=str(CLOCK.monotonic())),
        actors,
        sockets,
        lambda shard: None,
        settings or DoorSettings(),
        clock=CLOCK,
        tasks=tasks,
        alarm=lambda name, error: alarms.append((name, error)),
    )
    async with opening.open_door(parse_address(address), door.enter, ssl=ssl) as bound:
        actors.address = str(bound)
        actors.door = door
        yield actors
        if graceful:
            await door.stop()
        else:
            cut(actors)
            await asyncio.sleep(0)
    await tasks.close()
    assert not alarms


@asynccontextmanager
async def open_client(
    address, *, sockets=None, tasks=None, connect=opening.connect, settings=QUICK
):
    """A gateway's client of that node."""
    own = tasks is None
    if sockets is None:
        sockets = SocketRegistry(GatewaySettings(), CLOCK, random.Random(), name="g1")
    tasks = tasks or TaskSet(lambda name, error: None)
    deps = FleetDeps(
        name="g1",
        nodes={"n1": address},
        connect=connect,
        sockets=sockets,
        settings=settings,
        clock=CLOCK,
        tasks=tasks,
        random=random.Random(),
    )
    async with open_fleet(deps) as client:
        yield client
    if own:
        await tasks.close()


def cut(node):
    """Break all connections of a node."""
    for doorway in list(node.door._doorways):
        doorway._transport.abort()


async def until(condition, seconds=5.0):
    """Wait for what another task does soon."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.005)
