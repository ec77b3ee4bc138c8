"""`Inbox`: hears what is meant for the shards that this node follows, and nothing of the others.

To follow a shard is one subscription at the server and, where something lies there already, a read. There is
no consumer per shard: a thousand of them would be a thousand pieces of replicated state at the server, each
with its own redelivery, which brings an older event after a newer one whenever a connection breaks. What
remembers how far a shard has come is the stream itself, from which the handled part is removed.

Two nodes may follow one shard for a while: both hear everything, the one that does not own it is told
`NotOwner` by its receiver and only waits.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial

from nats.aio.msg import Msg

from actors.ports.bus import Envelope, Receiver
from actors.ports.clock import Clock
from actors.ports.ingest import StoredUpload, Taker
from actors.ports.jobs import Reporter
from sharding.errors import NotOwner, StorageUnavailable
from storage.nats.chores import Chores
from storage.nats.connection import Connection
from storage.nats.dead import DeadLetters
from storage.nats.lane import Lane, LaneWork
from storage.nats.log import Log, Stored, heard
from storage.nats.names import Names, last_token
from storage.nats.posts import Post, Reported
from storage.nats.settings import NatsSettings


class Inbox:
    """The receiving side; fills `actors.ports.bus.ShardFollower`."""

    def __init__(
        self,
        connection: Connection,
        log: Log,
        names: Names,
        dead: DeadLetters,
        chores: Chores,
        clock: Clock,
        settings: NatsSettings,
    ) -> None:
        self._connection = connection
        self._log = log
        self._names = names
        self._dead = dead
        self._chores = chores
        self._clock = clock
        self._settings = settings
        self._throttle = asyncio.Semaphore(settings.max_reads)
        self._work = LaneWork(self._read, self._hand_over, self._bury)
        self._lanes: dict[int, Lane] = {}
        self._life: str | None = None
        self.receivers: list[Receiver] = []
        self.reporter: Reporter | None = None
        self.taker: Taker | None = None
        #: Reads of the stream, and what lanes of former times have done.
        self.reads = 0
        self._posts = self._failures = 0

    @property
    def lanes(self) -> int:
        """Shards that are followed."""
        return len(self._lanes)

    @property
    def posts(self) -> int:
        """Posts that have been handed over."""
        return self._posts + sum(lane.posts for lane in self._lanes.values())

    @property
    def failures(self) -> int:
        """Calls of receivers that failed."""
        return self._failures + sum(lane.failures for lane in self._lanes.values())

    @property
    def waiting(self) -> int:
        """Messages that wait in memory."""
        return sum(lane.waiting for lane in self._lanes.values())

    def follow(self, shards: Sequence[int]) -> None:
        """Hear what is meant for these shards from now on, and what lies there already."""
        new = [shard for shard in shards if shard not in self._lanes]
        for shard in new:
            self._lanes[shard] = Lane(shard, self._work, self._clock, self._settings)
        if new:
            self._chores.begin(self._follow(new), name="follow")

    def unfollow(self, shards: Sequence[int]) -> None:
        """Hear nothing of these shards any more."""
        gone = [lane for shard in shards if (lane := self._lanes.pop(shard, None)) is not None]
        for lane in gone:
            lane.followed = False
            self._posts += lane.posts
            self._failures += lane.failures
        if gone:
            self._chores.begin(self._unfollow(gone), name="unfollow")

    async def review(self) -> None:
        """Read whatever lies in the stream and was not heard, and forget what was handled.

        Raises:
            StorageUnavailable: unknown what lies there; the next review finds it.
        """
        await self.forget()
        await self._look(self._lanes)

    async def forget(self) -> None:
        """Remove from the stream what has been handled.

        Raises:
            StorageUnavailable: some of it still lies there; it is tried again.
        """
        await self._forget_of(tuple(self._lanes.values()))

    async def _follow(self, shards: Sequence[int]) -> None:
        for shard in shards:
            if shard in self._lanes:
                subject = self._names.heard(self._names.shard(shard))
                await self._connection.hear(subject, partial(self._heard, shard))
        pause = self._settings.retry_first_s
        while True:
            try:
                await self._look(shards)
                return
            except StorageUnavailable:
                await self._clock.sleep(pause)
                pause = min(pause * 2, self._settings.retry_longest_s)

    async def _unfollow(self, lanes: Sequence[Lane]) -> None:
        for lane in lanes:
            if lane.shard not in self._lanes:
                await self._connection.ignore(self._names.heard(self._names.shard(lane.shard)))
        # What cannot be forgotten now comes to the new owner as copies.
        with suppress(StorageUnavailable):
            await self._forget_of(lanes)

    async def _look(self, shards: Sequence[int] | dict[int, Lane]) -> None:
        """Have every lane read in whose inbox something lies; one question for all of them."""
        counts = await self._census()
        filled = {int(last_token(subject)) for subject in counts}
        for shard in tuple(shards):
            lane = self._lanes.get(shard)
            if lane is not None and shard in filled:
                lane.behind = True
                self._wake(lane)

    async def _census(self) -> Mapping[str, int]:
        """What lies where; begins anew where the stream is another than before."""
        life, counts = await self._log.census(self._names.inbox, self._names.shard("*"))
        if self._life is not None and self._life != life:
            for lane in self._lanes.values():
                lane.start_over()
                self._wake(lane)
        self._life = life
        return counts

    async def _forget_of(self, lanes: Sequence[Lane]) -> None:
        if not any(lane.handled > lane.forgotten for lane in lanes):
            return
        # Of a stream that begins anew, nothing may be removed by the numbers of the one before.
        await self._census()
        todo = [self._forget(lane) for lane in lanes if lane.handled > lane.forgotten]
        for outcome in await asyncio.gather(*todo, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def _forget(self, lane: Lane) -> None:
        through = lane.handled
        async with self._throttle:
            await self._log.forget(self._names.inbox, self._names.shard(lane.shard), through)
        lane.forgotten = max(lane.forgotten, through)

    def _heard(self, shard: int, message: Msg) -> None:
        lane = self._lanes.get(shard)
        if lane is None:
            return
        try:
            lane.heard(heard(message))
        except (KeyError, ValueError):
            # Not from the server itself: what counts lies in the stream, and is read from there.
            return
        self._wake(lane)

    def _wake(self, lane: Lane) -> None:
        if not lane.running and lane.busy:
            lane.running = True
            self._chores.begin(self._run(lane), name=f"lane {lane.shard}")

    async def _run(self, lane: Lane) -> None:
        try:
            await lane.run()
        finally:
            lane.running = False

    async def _read(self, shard: int, after: int) -> tuple[Sequence[Stored], bool]:
        async with self._throttle:
            self.reads += 1
            return await self._log.read(self._names.inbox, self._names.shard(shard), after)

    async def _hand_over(self, posts: Sequence[Post]) -> None:
        """Give posts of one kind to whoever is there for it.

        Raises:
            NotOwner: nobody here is.
        """
        envelopes = [post for post in posts if isinstance(post, Envelope)]
        if envelopes:
            await self._receive(envelopes)
        for post in posts:
            if isinstance(post, Reported):
                if self.reporter is None:
                    raise NotOwner()
                await self.reporter(post.report)
            elif isinstance(post, StoredUpload):
                if self.taker is None:
                    raise NotOwner()
                await self.taker(post)

    async def _receive(self, envelopes: Sequence[Envelope]) -> None:
        for receiver in tuple(self.receivers):
            try:
                await receiver(envelopes)
                return
            except NotOwner:
                continue
        raise NotOwner()

    async def _bury(self, shard: int, what: bytes | Post, why: str) -> None:
        await self._dead.bury("event", f"shard {shard}", what, why)

    def __repr__(self) -> str:
        return f"<Inbox lanes={self.lanes} waiting={self.waiting} failures={self.failures}>"
