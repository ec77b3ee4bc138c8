"""A small actor, so that the runtime's promises are tested without knowing what a like is.

It keeps a list of words. A word may need something fetched first, fail, change nothing, or tell others.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from actors.batch import Backlog
from actors.collaborators import Collaborators
from actors.events import UserFollowed, UserLeft, VideoArrived
from actors.messages import Caller, Command, Message
from actors.records import UserTally
from actors.rows import FollowRow
from actors.runtime import Runtime
from actors.settings import RuntimeSettings
from actors.tasks import TaskSet
from sharding.errors import Forbidden
from sharding.shards import shard_of
from storage.embedded.bus import InProcessBus
from storage.embedded.database import MEMORY, open_database
from storage.embedded.facts import SqliteFacts
from storage.embedded.runners import InlineRunner
from storage.embedded.shard_store import SqliteShardStore
from tests.unit.actors.faults import Alarms, Port, Sockets
from tests.unit.actors.virtual_time import VirtualClock


class Say(Command[bytes], frozen=True, kw_only=True):
    """Add a word; answered with all words."""

    word: str = ""
    #: Fetch this first.
    fetch: str | None = None
    #: Fetch this after the word was added, which is a mistake.
    fetch_late: bool = False
    crash: bool = False
    forbidden: bool = False
    #: Also a row and an event to these.
    tell: tuple[int, ...] = ()
    soft: bool = False
    frame: bytes = b""


class Listen(Message[bytes], frozen=True, kw_only=True):
    """All words."""

    fetch: str | None = None
    crash: bool = False


class Toy:
    """Fills `actors.actor.Actor`."""

    KIND = "user"

    def __init__(self, entity, parts, fetch):
        self.entity = entity
        self.fetch = fetch
        self.words = msgspec.msgpack.decode(parts["words"]) if "words" in parts else []
        self.followers = msgspec.msgpack.decode(parts.get("followers", b"\x00"))
        self.heard = 0
        self.arrived = []
        self.suspect = False
        self.restless = False
        self.connections = ()

    def ask(self, message, turn, session):
        if message.fetch is not None:
            turn.fetched(message.fetch, lambda: self.fetch(message.fetch))
        if isinstance(message, Listen):
            if message.crash:
                self.words.append("half a change")
                raise ZeroDivisionError
            return " ".join(self.words).encode()
        if message.forbidden:
            raise Forbidden()
        if message.word:
            self.words.append(message.word)
        if message.crash:
            raise ZeroDivisionError
        if message.soft:
            turn.soft.add("words")
        elif message.word:
            turn.put("words", self.dump("words"))
        if message.fetch_late:
            turn.fetched("late", lambda: self.fetch("late"))
        for other in message.tell:
            turn.write(
                FollowRow(
                    follower_id=self.entity, followee_id=other, following=True, at_ms=turn.now_ms
                )
            )
            turn.tell(other, UserFollowed(follower_id=self.entity, following=True))
        if message.frame:
            turn.frames.append(("c1", 0, message.frame))
        return " ".join(self.words).encode()

    def hear(self, event, turn):
        match event:
            case UserFollowed():
                self.followers += 1
                turn.put("followers", self.dump("followers"))
            case VideoArrived():
                self.arrived.append(event.video_id)
            case UserLeft():
                turn.fetched("left", lambda: self.fetch("left"))
                raise ZeroDivisionError
        self.heard += 1

    def tick(self, turn):
        self.restless = False

    def dump(self, part):
        return msgspec.msgpack.encode(getattr(self, part))

    def count(self, tally, turn):
        off, self.followers = abs(tally.followers - self.followers), tally.followers
        if off:
            turn.put("followers", self.dump("followers"))
        return off


class Nobody:
    """Fills the ports of errands; toys have none to run."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"a toy has no errand to {name}")


class ToyNode:
    """A runtime of toys over one database, which may outlive it."""

    def __init__(self, database, owner, settings):
        self.alarms = Alarms()
        self.clock = VirtualClock()
        self.tasks = TaskSet(self.alarms)
        self.bus = InProcessBus(self.clock, self.tasks)
        self.database = database
        facts = SqliteFacts(database)
        self.people = facts.people
        self.store = Port(SqliteShardStore(database))
        self.facts = Port(facts.writer)
        self.publishing = Port(self.bus)
        self.sockets = Sockets()
        self.fetching = Port(self)
        self.loading = Port(self)
        self.backlog = Backlog(settings.node_backlog)
        self.runtime = Runtime(
            owner,
            Collaborators(
                store=self.store,
                facts=self.facts,
                bus=self.publishing,
                jobs=Nobody(),
                blobs=Nobody(),
                sockets=self.sockets,
                follower=None,
                clock=self.clock,
                tasks=self.tasks,
                settings=settings,
                backlog=self.backlog,
            ),
            {"user": self.load, "video": self.load},
            self.alarms,
        )
        self.bus.subscribe(self.runtime.receive)
        self.ops = 0
        self.started = []

    async def fetch(self, name):
        return name

    async def load_parts(self):
        return None

    async def load(self, entity, parts):
        await self.loading.load_parts()
        return Toy(entity, parts, self.fetching.fetch)

    async def own(self, *entities, proven_dead=None):
        shards = sorted({shard_of(each) for each in entities})
        dead = (proven_dead,) if proven_dead else ()
        return await self.runtime.acquire(shards, proven_dead=dead)

    async def ask(self, entity, message, *, key=None, digest=b"", patience=None):
        self.ops += 1
        return await self.runtime.ask(
            entity,
            message,
            Caller(
                op_id=key or b"op %d" % self.ops,
                keyed=key is not None,
                digest=digest,
                deadline=self.clock.monotonic() + patience if patience is not None else 0.0,
            ),
        )

    def start(self, entity, message, **more):
        """Ask, and go on."""
        asking = asyncio.get_running_loop().create_task(self.ask(entity, message, **more))
        self.started.append(asking)
        return asking

    async def words(self, entity):
        return (await self.ask(entity, Listen())).decode()

    def followers(self, entity):
        toy: Any = self.runtime.cells[entity].actor
        return toy.followers

    async def tally(self, user_id):
        return await self.people.tally(user_id)

    async def kill(self):
        """End without a word to anybody."""
        self.bus.close()
        for asking in self.started:
            asking.cancel()
        await self.tasks.close()
        await asyncio.gather(*self.started, return_exceptions=True)


@asynccontextmanager
async def open_toys(*entities, owner="a", database=None, start=True, **bounds):
    """A node that owns the shards of `entities`; ends as if killed."""
    if database is None:
        async with (
            open_database(MEMORY, InlineRunner()) as fresh,
            open_toys(*entities, owner=owner, database=fresh, start=start, **bounds) as node,
        ):
            yield node
        return
    node = ToyNode(database, owner, RuntimeSettings(**bounds))
    if start:
        await node.own(*entities)
    try:
        yield node
    finally:
        await node.kill()


def tally(followers):
    return UserTally(followers=followers, following=0, videos=0, likes_received=0)
