"""A whole node in memory and people to act on it: every story of the domain is told through these.

The ports are the embedded adapters on `:memory:`, each behind a `Port` that a test can hold up or break.
"""

from __future__ import annotations

import asyncio
import itertools
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec

from actors.cursors import Cursors
from actors.events import EncodingEnded
from actors.media import EncodedMedia, Rung, source_name
from actors.media_links import MediaLinks
from actors.messages import (
    AttachSocket,
    Caller,
    CompleteUpload,
    CreateUpload,
    GetFeed,
    GetUser,
    GetVideo,
    ListNotifications,
    Register,
)
from actors.node import Node, NodePorts, NodeSettings
from actors.ports.jobs import StoredBlob
from actors.settings import FeedSettings, RuntimeSettings, UserLimits
from actors.tasks import TaskSet
from sharding.ids import IdMint
from sharding.shards import SHARD_COUNT, shard_of
from storage.embedded.bus import InProcessBus
from storage.embedded.database import MEMORY, open_database
from storage.embedded.facts import SqliteFacts
from storage.embedded.jobs import open_jobs
from storage.embedded.runners import InlineRunner
from storage.embedded.shard_store import SqliteShardStore
from tests.contracts import make
from tests.unit.actors.faults import Alarms, Port, Sockets
from tests.unit.actors.virtual_time import VirtualClock, settled


def encoded(**more):
    rungs = tuple(
        Rung(
            name=f"{height}p",
            file=f"{height}p.mp4",
            codecs="avc1.64001f,mp4a.40.2",
            width=height * 9 // 16,
            height=height,
            fps=29.97,
            bitrate=500_000,
            size_bytes=1_000,
            init=(0, 99),
            index=(100, 199),
            start=(0, 499),
        )
        for height in (360, 720)
    )
    fields = {
        "duration_s": 10.0,
        "width": 720,
        "height": 1280,
        "thumbhash": "abc",
        "loudness_gain_db": -1.5,
        "cover": "cover.jpg",
        "preview": "preview.webp",
        "hls": "hls.m3u8",
        "mp4": "360p.mp4",
        "rungs": rungs,
        "total_bytes": 2_000,
    }
    return EncodedMedia(**{**fields, **more})


#: The shards that a stage owns: enough for everybody to live apart, few enough to begin quickly.
SHARDS = range(0, SHARD_COUNT, 16)


class FewShards(IdMint):
    """Mints ids of those shards only."""

    def mint(self):
        while shard_of(minted := super().mint()) not in SHARDS:
            pass
        return minted


class Blobs:
    """Fills `actors.ports.jobs.BlobBin`."""

    def __init__(self):
        self.stored = {}
        self.discarded = []

    def put(self, name, stored_ms=0):
        self.stored[name] = StoredBlob(
            name=name, size_bytes=100, content_type="video/mp4", stored_ms=stored_ms
        )

    async def stat(self, name):
        return self.stored.get(name)

    async def discard(self, prefix):
        self.discarded.append(prefix)
        gone = [name for name in self.stored if name.startswith(prefix)]
        for name in gone:
            del self.stored[name]
        return len(gone)

    async def list(self, prefix, *, older_than_ms, limit):
        return [
            blob
            for name, blob in self.stored.items()
            if name.startswith(prefix) and blob.stored_ms < older_than_ms
        ][:limit]


class Stage:
    """One node, its ports, and the people on it."""

    def __init__(self, database, jobs, alarms, clock, tasks, *, owner, blobs, settings):
        self.database = database
        self.alarms = alarms
        self.clock = clock
        self.tasks = tasks
        self.bus = InProcessBus(clock, tasks)
        self.sockets = Sockets()
        self.blobs = blobs
        self.jobs = jobs
        facts = SqliteFacts(database)
        self.store = Port(SqliteShardStore(database))
        self.facts = Port(facts.writer)
        self.people = Port(facts.people)
        self.videos = Port(facts.videos)
        self.deeds = Port(facts.deeds)
        self.comments = Port(facts.comments)
        self.publishing = Port(self.bus)
        self.mint = FewShards(1, clock)
        self.node = Node(
            owner,
            NodePorts(
                store=self.store,
                facts=self.facts,
                people=self.people,
                videos=self.videos,
                deeds=self.deeds,
                comments=self.comments,
                bus=self.publishing,
                jobs=jobs,
                blobs=blobs,
                sockets=self.sockets,
            ),
            settings,
            clock=clock,
            tasks=tasks,
            mint=self.mint,
            links=MediaLinks("https://media.example", b"k" * 32),
            cursors=Cursors(b"c" * 32),
            alarm=alarms,
        )
        self.runtime = self.node.runtime
        self.library = self.node.library
        self._names = itertools.count(1)

    async def person(self, name=None):
        """Somebody who has just registered."""
        name = name or f"person{next(self._names)}"
        person = Person(self, self.mint.mint(), self.mint.mint(), name)
        await person.ask(
            Register(
                username=name,
                display_name=name.title(),
                password_hash=f"hash of {name}",
                family_id=person.family,
            )
        )
        return person

    async def crowd(self, count):
        return [await self.person() for _ in range(count)]

    async def seed(self, authors, rounds, caption="a clip"):
        """Videos that have played since before this node began: facts, and nobody's work."""
        rows = []
        now_ms = self.clock.unix_ms()
        for at, author in enumerate([each for _ in range(rounds) for each in authors]):
            video = make.video(self.mint.mint(), author.id, caption=caption, created_ms=now_ms)
            rows.append(video)
            rows.append(
                make.media_row(
                    video.video_id, author.id, published_ms=now_ms - 1_000 + at, media=encoded()
                )
            )
        await self.facts.write(make.stamped(*rows))
        await self.library.fill()

    async def calm(self, seconds=2.5):
        """Let time pass until everything has been told, counted and written behind."""
        await self.clock.sleep(seconds)
        assert self.runtime.quiet

    async def forget(self, *people):
        """Have these actors read anew."""
        await self.calm()
        for each in people:
            assert self.runtime.cells.passivate(each.id)

    def user(self, person):
        """The state behind a person, for what no answer shows."""
        actor: Any = self.runtime.cells[person.id].actor
        return actor.user


class Person:
    """A user with one session."""

    def __init__(self, stage, user_id, family, name):
        self.stage = stage
        self.id = user_id
        self.family = family
        self.name = name

    async def ask(self, message, *, key=None, digest=b"d", session=None):
        return await self.stage.runtime.ask(
            self.id,
            message,
            Caller(
                session=self.family if session is None else session,
                op_id=key or b"%d" % self.stage.mint.mint(),
                keyed=key is not None,
                digest=digest,
            ),
        )

    async def read(self, message, **more):
        """The JSON of an answer."""
        return msgspec.json.decode(await self.ask(message, **more))

    def start(self, message, **more):
        return asyncio.get_running_loop().create_task(self.ask(message, **more))

    async def upload(self, caption="a clip", **more):
        """A clip that was announced and stored, and waits for its encoding."""
        ticket = await self.ask(
            CreateUpload(caption=caption, size_bytes=100, content_type="video/mp4", **more)
        )
        self.stage.blobs.put(source_name(ticket.video_id))
        await self.ask(CompleteUpload(video_id=ticket.video_id, stored_bytes=100))
        await settled(40)
        return ticket.video_id

    async def publish(self, caption="a clip", **media):
        """A clip that plays and of which followers know."""
        video_id = await self.upload(caption)
        await self.encoded(video_id, **media)
        return video_id

    async def encoded(self, video_id, generation=1, **media):
        ended = EncodingEnded(generation=generation, outcome=encoded(**media))
        await self.stage.runtime.tell(video_id, ended)
        await settled(60)
        # The next one is published later than this one.
        await self.stage.clock.sleep(0.002)

    async def feed(self, cursor=None, limit=10, tab="foryou"):
        return await self.read(GetFeed(tab=tab, cursor=cursor, limit=limit))

    def start_reading(self):
        """Begin to read the following feed, and go on."""
        return self.start(GetFeed(tab="following"))

    async def following(self, cursor=None, limit=10):
        return await self.feed(cursor, limit, "following")

    async def chain(self, limit=10, tab="foryou"):
        """All pages of a new chain."""
        pages = [await self.feed(None, limit, tab)]
        while pages[-1]["next_cursor"] is not None:
            pages.append(await self.feed(pages[-1]["next_cursor"], limit, tab))
        return pages

    async def video(self, video_id):
        return await self.read(GetVideo(video_id=video_id))

    async def profile(self, other=None):
        return await self.read(GetUser(user_id=(other or self).id))

    async def notifications(self, **more):
        return await self.read(ListNotifications(**more))

    async def attach(self, connection, resume=None):
        return await self.ask(AttachSocket(connection=connection, resume=resume))

    def events(self, connection):
        """What a websocket of this person was sent."""
        frames = self.stage.sockets.frames.get(connection, [])
        return [msgspec.json.decode(frame) for frame in frames]


def ids(page):
    """The videos of a page, as numbers."""
    return [int(item["video_id"]) for item in page["items"]]


@asynccontextmanager
async def open_stage(
    database=None, *, owner="n1", proven_dead=None, blobs=None, runtime=None, feed=None, limits=None
):
    """A node that has started; it ends as if killed."""
    clock, alarms = VirtualClock(), Alarms()
    settings = NodeSettings(
        runtime=RuntimeSettings(**(runtime or {})),
        feed=FeedSettings(**(feed or {})),
        limits=UserLimits(**(limits or {})),
        public_url="https://kinora.example",
    )
    async with AsyncExitStack() as stack:
        if database is None:
            database = await stack.enter_async_context(open_database(MEMORY, InlineRunner()))
        tasks = TaskSet(alarms)
        stack.push_async_callback(tasks.close)
        jobs = await stack.enter_async_context(open_jobs(database, clock, tasks))
        stage = Stage(
            database,
            jobs,
            alarms,
            clock,
            tasks,
            owner=owner,
            blobs=blobs or Blobs(),
            settings=settings,
        )
        stack.callback(stage.bus.close)
        await stage.node.start(proven_dead=(proven_dead,) if proven_dead else (), shards=SHARDS)
        yield stage
        assert not stage.alarms
