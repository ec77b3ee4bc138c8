"""Nodes in the test's own loop over real engines: what happens between two steps of a commit can be held.

The stories of `tests/unit/actors` are told on SQLite and a clock that stands still. These nodes have Redis
Cluster, Cassandra and NATS under them, and real time; each port stands behind a `Port`, so that a test stops
an owner at the very point that its claim is about, and kills it there.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from actors.cursors import Cursors
from actors.media_links import MediaLinks
from actors.messages import Register
from actors.node import Node, NodePorts, NodeSettings
from actors.ports.clock import SystemClock
from actors.settings import FeedSettings, RuntimeSettings, UserLimits
from actors.tasks import TaskSet
from sharding.ids import IdMint
from sharding.shards import shard_of
from storage.cassandra.facts import CassandraFacts
from storage.cassandra.opening import open_cassandra
from storage.cassandra.settings import CassandraSettings
from storage.nats.opening import open_nats
from storage.nats.settings import NatsSettings
from storage.redis.opening import open_redis
from storage.redis.settings import RedisSettings
from tests.contracts import make
from tests.unit.actors.faults import Alarms, Port, Sockets
from tests.unit.actors.stage import Blobs, Person, encoded

#: The shards of these nodes: few enough to be had at once, on all three masters of Redis.
SHARDS = range(0, 1024, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One installation: whatever all owners of its shards share."""

    redis: RedisSettings
    cassandra: CassandraSettings
    nats: NatsSettings


class FewShards(IdMint):
    """Mints ids of those shards only, or of one of them."""

    def mint(self, shard=None):
        wanted = SHARDS if shard is None else (shard,)
        while shard_of(minted := super().mint()) not in wanted:
            pass
        return minted


class RealNode:
    """One owner, with everything that a test holds, breaks or looks at."""

    def __init__(self, owner, place, redis, cassandra, nats, tasks, alarms, settings):
        self.owner = owner
        self.alarms = alarms
        self.clock = SystemClock()
        self.tasks = tasks
        self.sockets = Sockets()
        self.blobs = Blobs()
        self.redis = redis
        self.nats = nats
        facts = CassandraFacts(cassandra)
        self.store = Port(redis.shards)
        self.facts = Port(facts.writer)
        self.people, self.videos, self.deeds = facts.people, facts.videos, facts.deeds
        self.comments = facts.comments
        self.publishing = Port(nats.bus)
        self.mint = FewShards(random.randrange(1, 1_000), self.clock)
        self.node = Node(
            owner,
            NodePorts(
                store=self.store,
                facts=self.facts,
                people=facts.people,
                videos=facts.videos,
                deeds=facts.deeds,
                comments=facts.comments,
                bus=self.publishing,
                jobs=nats.jobs,
                blobs=self.blobs,
                sockets=self.sockets,
                follower=nats.follower,
            ),
            settings,
            clock=self.clock,
            tasks=tasks,
            mint=self.mint,
            links=MediaLinks("https://media.example", b"k" * 32),
            cursors=Cursors(b"c" * 32),
            alarm=alarms,
        )
        self.runtime = self.node.runtime
        self.library = self.node.library

    async def person(self, name="person", shard=None):
        """Somebody who has just registered."""
        user_id = self.mint.mint(shard)
        person = Person(self, user_id, self.mint.mint(), f"{name}{user_id}")
        await person.ask(
            Register(
                username=person.name,
                display_name=name.title(),
                password_hash="hash",
                family_id=person.family,
            )
        )
        return person

    def here(self, person):
        """The same person, asking this node."""
        return Person(self, person.id, person.family, person.name)

    async def video(self, author, shard=None):
        """A video that has played since before this node began: facts, and nobody's work."""
        video_id, now_ms = self.mint.mint(shard), self.clock.unix_ms()
        row = make.video(video_id, author.id, caption="a clip", created_ms=now_ms)
        media = make.media_row(video_id, author.id, published_ms=now_ms, media=encoded())
        await self.facts.write(make.stamped(row, media))
        await self.library.fill()
        return video_id

    async def likes(self, video_id):
        """How many likes a video has, by its facts."""
        return (await self.videos.tally(video_id)).likes

    async def counted(self, video_id):
        """How many likes it has, by the count that everybody is shown."""
        (record,) = await self.videos.videos((video_id,))
        return record.counts.likes


@asynccontextmanager
async def open_real_node(place, owner, *, dead=(), start=True, runtime: Mapping[str, Any] = {}):
    """A node that has started; it ends as if it was killed."""
    settings = NodeSettings(
        runtime=RuntimeSettings(**{"sweep_s": 3_600.0, **runtime}),
        feed=FeedSettings(),
        limits=UserLimits(),
        public_url="https://kinora.example",
    )
    clock, alarms = SystemClock(), Alarms()
    async with AsyncExitStack() as stack:
        # What the engines' adapters do in the background ends after the node, and is no part of it.
        adapters, tasks = TaskSet(alarms), TaskSet(alarms)
        stack.push_async_callback(adapters.close)
        redis = await stack.enter_async_context(open_redis(place.redis, clock, adapters))
        cassandra = await stack.enter_async_context(open_cassandra(place.cassandra, clock))
        origin = f"{owner}-{secrets.token_hex(4)}"
        nats = await stack.enter_async_context(
            open_nats(place.nats, clock, adapters, origin=origin)
        )
        stack.push_async_callback(tasks.close)
        node = RealNode(owner, place, redis, cassandra, nats, tasks, alarms, settings)
        if start:
            async with asyncio.timeout(30):
                await nats.ready()
            await node.node.start(proven_dead=dead, shards=SHARDS)
        yield node
