"""`open_nats`: everything that this process does over NATS, on one connection.

Opening never waits for a server: a node starts and serves while NATS is down, and calls are refused until it
is there. After each connection what is missing is made, and everything that may have been missed is read.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from hashlib import blake2b

import msgspec

from actors.ports.clock import Clock
from actors.tasks import TaskSet
from sharding.errors import KinoraError, StorageUnavailable
from storage.nats.bus import NatsBus
from storage.nats.chores import Chores
from storage.nats.connection import Connection
from storage.nats.dead import DeadLetters
from storage.nats.errors import Refused
from storage.nats.inbox import Inbox
from storage.nats.job_board import JobBoard
from storage.nats.job_progress import JobProgress
from storage.nats.jobs import NatsJobs
from storage.nats.log import Log
from storage.nats.names import Names
from storage.nats.outgoing import Outgoing
from storage.nats.settings import NatsSettings
from storage.nats.streams import Streams
from storage.nats.table import NatsTable
from storage.nats.uploads import NatsUploads


class NatsStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What this process does over NATS."""

    #: 1 while there is a connection.
    connected: int
    connections: int
    #: Complaints of the driver, and rounds of background work that NATS did not answer.
    complaints: int
    rounds_missed: int
    #: Times that the server would not have a stream as we want it.
    streams_refused: int
    #: Posts that were stored, the messages that carried them, posts refused, and posts that wait.
    posts_sent: int
    messages_sent: int
    posts_refused: int
    posts_outgoing: int
    #: Shards followed, posts handed over, calls of receivers that failed, messages that wait here.
    shards_followed: int
    posts_received: int
    receiver_failures: int
    messages_waiting: int
    #: Reads of inboxes: what was not heard as it came.
    inbox_reads: int
    #: What was laid aside for good.
    dead_letters: int
    broadcasts_dropped: int
    listener_failures: int
    uploads_taken: int
    upload_failures: int


class Nats:
    """One process's ports over NATS."""

    def __init__(
        self,
        settings: NatsSettings,
        clock: Clock,
        chores: Chores,
        *,
        password: str | None,
        origin: bytes,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._chores = chores
        names = Names(settings.prefix)
        self._connection = connection = Connection(settings, clock, chores, password)
        self._log = log = Log(connection, settings)
        self._streams = Streams(log, names, settings)
        self._dead = dead = DeadLetters(log, names)
        self._outgoing = outgoing = Outgoing(log, names, chores, settings)
        self._inbox = inbox = Inbox(connection, log, names, dead, chores, clock, settings)
        self.follower = inbox
        self.bus = NatsBus(
            connection,
            outgoing,
            inbox,
            chores,
            whisper=names.whisper,
            origin=origin,
            max_broadcasts=settings.max_broadcasts,
        )
        self.jobs = NatsJobs(
            partial(JobBoard, connection, log, names, clock, settings),
            JobProgress(connection, names.progress, chores, clock, settings),
            outgoing,
            inbox,
            dead,
            chores,
            clock,
            settings,
        )
        self.table = NatsTable(connection, log, names, chores, clock, settings)
        self.uploads = NatsUploads(connection, names, outgoing, inbox, dead, chores, settings)
        self._ready = asyncio.Event()
        self._refusals = 0

    async def ensure_streams(self) -> None:
        """Make the streams that are missing, change those that are different; repeatable.

        Raises:
            StorageUnavailable: not all of them are there.
        """
        try:
            await self._streams.ensure()
        except Refused:
            self._refusals += 1
            raise

    async def ready(self) -> None:
        """Return when there was a connection, with every stream, and what lay there has been read."""
        await self._ready.wait()

    async def ping(self) -> None:
        """Return when JetStream answers.

        Raises:
            StorageUnavailable: it does not, or not in time.
        """
        await self._log.answer("INFO", {})

    def statistics(self) -> NatsStatistics:
        """Numbers as of now."""
        return NatsStatistics(
            connected=int(self._connection.up),
            connections=self._connection.connections,
            complaints=self._connection.complaints,
            rounds_missed=self._chores.failures,
            streams_refused=self._refusals,
            posts_sent=self._outgoing.posts,
            messages_sent=self._outgoing.messages,
            posts_refused=self._outgoing.refused,
            posts_outgoing=self._outgoing.waiting,
            shards_followed=self._inbox.lanes,
            posts_received=self._inbox.posts,
            receiver_failures=self._inbox.failures,
            messages_waiting=self._inbox.waiting,
            inbox_reads=self._inbox.reads,
            dead_letters=self._dead.count,
            broadcasts_dropped=self.bus.dropped,
            listener_failures=self.bus.listener_failures,
            uploads_taken=self.uploads.taken,
            upload_failures=self.uploads.failures,
        )

    async def begin(self) -> None:
        """Connect in the background, and do from time to time what has to be done."""
        await self.bus.open()
        self._connection.when_up(self._welcome)
        self._chores.begin(self._connection.run(), name="connection")
        self._chores.every(self._settings.forget_every_s, self._inbox.forget, name="forget")
        self._chores.every(self._settings.review_every_s, self._review, name="review")

    async def close(self) -> None:
        """Take nothing more, forget what was handled, end every task; in bounded time."""
        self.bus.close()
        with suppress(KinoraError, TimeoutError):
            async with asyncio.timeout(self._settings.close_timeout_s):
                await self._inbox.forget()
        await self._connection.close()
        await self._chores.close()

    async def _welcome(self) -> None:
        """After each connection, until all of it has been done once."""
        pause = self._settings.retry_first_s
        connection = self._connection.connections
        while self._connection.connections == connection:
            try:
                with suppress(Refused):
                    await self.ensure_streams()
                await self._inbox.review()
                await self.jobs.welcome()
                await self.table.welcome()
                self._ready.set()
                return
            except KinoraError:
                await self._clock.sleep(pause)
                pause = min(pause * 2, self._settings.retry_longest_s)

    async def _review(self) -> None:
        try:
            await self._look()
        except StorageUnavailable:
            # Perhaps somebody removed a stream.
            with suppress(Refused):
                await self.ensure_streams()
            await self._look()

    async def _look(self) -> None:
        await self._inbox.review()
        await self.jobs.look()
        await self.table.look()

    def __repr__(self) -> str:
        return f"<Nats {self._connection!r} {self._inbox!r}>"


@asynccontextmanager
async def open_nats(
    settings: NatsSettings,
    clock: Clock,
    tasks: TaskSet,
    *,
    origin: str,
    password: str | None = None,
) -> AsyncIterator[Nats]:
    """The ports of one process over NATS, until the block ends; does not wait for a server.

    `origin` is a name that no other process has, nor this one after a restart.
    """
    chores = Chores(clock, tasks)
    # Of one length, whatever the name, so that it is cut off without being looked at.
    mark = blake2b(origin.encode(), digest_size=8).digest()
    nats = Nats(settings, clock, chores, password=password, origin=mark)
    try:
        await nats.begin()
        yield nats
    finally:
        await nats.close()
