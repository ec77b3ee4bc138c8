"""One simulated process: a node with everything that dies with it, at the end of wires that do not.

What a process asks of the world (a delivery over the bus) goes on without it; what the world asks of a
process (a delivery, a client's request) fails when it dies. So a crash loses exactly what a crash loses.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Sequence
from contextvars import copy_context
from random import Random
from typing import TYPE_CHECKING, Any, TypeVar

from actors.cursors import Cursors
from actors.events import Broadcast
from actors.media import Claim, EncodedMedia, MediaFailure, Rung
from actors.media_links import MediaLinks
from actors.messages import Caller, Message
from actors.node import Node, NodePorts, NodeSettings
from actors.ports.bus import Envelope, Listener, Receiver
from actors.tasks import TaskSet
from sharding.errors import KinoraError, NotOwner, StorageUnavailable
from sharding.ids import IdMint
from sharding.shards import shard_of
from storage.embedded.facts import SqliteFacts
from storage.embedded.jobs import SqliteJobs
from tests.support.virtual_loop import LIFE, Life, VirtualClock

if TYPE_CHECKING:
    from tests.support.simulation import World

R = TypeVar("R")

#: How long the bus waits for a process that does not answer, in seconds.
_DELIVERY_S = 2.0


class Lost(Exception):
    """The connection to a process broke; what it was doing may or may not have happened."""


class CrowdedMint(IdMint):
    """Makes ids of a few shards only, so that everything meets everything."""

    __slots__ = ("_shards",)

    def __init__(self, minter: int, clock: VirtualClock, shards: Sequence[int]) -> None:
        super().__init__(minter, clock)
        self._shards = frozenset(shards)

    def mint(self) -> int:
        """The next id that belongs to one of the shards."""
        made = super().mint()
        while shard_of(made) not in self._shards:
            made = super().mint()
        return made


class Wire:
    """Fills `actors.ports.bus.EventBus`: a process's end of the world's bus."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._world = process.world

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Hand over, and wait until it was taken; the handing goes on if this process dies."""
        world = self._world
        outside = world.context.copy()
        task = outside.run(world.tasks.spawn, _quiet(world.bus.publish(envelopes)), name="wire")
        error = await asyncio.shield(task)
        if error is not None:
            raise error

    def subscribe(self, receiver: Receiver) -> None:
        """Let the bus reach this process for as long as it lives."""

        async def carried(envelopes: Sequence[Envelope]) -> None:
            try:
                async with asyncio.timeout(_DELIVERY_S):
                    await self._process.carry(receiver(envelopes))
            except (TimeoutError, Lost):
                raise NotOwner() from None

        self._process.receiver = carried
        self._world.bus.subscribe(carried)

    def broadcast(self, message: Broadcast) -> None:
        """Whisper from outside, so that the whisper is heard though the process dies."""
        loop = asyncio.get_running_loop()
        loop.call_soon(self._world.bus.broadcast, message, context=self._world.context)

    def listen(self, listener: Listener) -> None:
        """Listen inside."""
        loop, process = asyncio.get_running_loop(), self._process

        def told(message: Broadcast) -> None:
            loop.call_soon(listener, message, context=process.context)

        process.listener = told
        self._world.bus.listen(told)


class Process:
    """One incarnation."""

    def __init__(self, world: World, name: str, *, skew_ms: int, proven_dead: str | None) -> None:
        self.world = world
        self.name = name
        self.life = Life(name)
        self.clock = VirtualClock(world.loop, skew_ms)
        self.serving = False
        self.receiver: Receiver | None = None
        self.listener: Listener | None = None
        self._proven_dead = proven_dead
        self._waiting: dict[asyncio.Future[Any], None] = {}
        self.context = copy_context()
        self.context.run(LIFE.set, self.life)
        self.tasks = TaskSet(self._alarm)
        self.node: Node

    def start(self) -> None:
        """Begin to start; requests are refused until it serves."""
        inside = self.context.copy()
        inside.run(self.tasks.spawn, self._main(), name=f"main-{self.name}")

    async def _main(self) -> None:
        world = self.world
        facts = SqliteFacts(world.database)
        try:
            # What `open_jobs` does, without an end: a process that is killed has none.
            jobs = SqliteJobs(world.database, self.clock)
            await jobs.end_claims()
            self.tasks.spawn(jobs.reports.run(jobs.end_lapsed), name="job reports")
            self.node = Node(
                self.name,
                NodePorts(
                    store=world.make_store(),
                    facts=facts.writer,
                    people=facts.people,
                    videos=facts.videos,
                    deeds=facts.deeds,
                    comments=facts.comments,
                    bus=Wire(self),
                    jobs=jobs,
                    blobs=world.blobs,
                    sockets=world,
                ),
                NodeSettings(runtime=world.settings),
                clock=self.clock,
                tasks=self.tasks,
                mint=CrowdedMint(world.next_minter(), self.clock, world.shards),
                links=MediaLinks("http://media", bytes(32)),
                cursors=Cursors(bytes(32)),
                alarm=self._alarm,
            )
            await self.node.start(
                proven_dead=(self._proven_dead,) if self._proven_dead else (), shards=world.shards
            )
        except KinoraError as error:
            world.note(f"{self.name} could not start: {error!r}")
            world.crash(self)
            return
        self.serving = True
        world.note(f"{self.name} serves {len(self.node.runtime.owned)} shards")
        await MediaHand(self, jobs).work()

    def _alarm(self, name: str, error: BaseException) -> None:
        # A store that does not answer is part of the game; anything else is a bug.
        if not isinstance(error, KinoraError) or error.code == "internal":
            self.world.complain(f"{self.name}: {name} failed: {error!r}")

    async def carry(self, work: Awaitable[R]) -> R:
        """Have `work` done inside, and wait for it outside.

        Raises:
            Lost: the process died first.
        """
        assert isinstance(work, Coroutine)
        if self.life.state == "dead":
            work.close()
            raise Lost(self.name)
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[R] = loop.create_future()
        self._waiting[answer] = None

        def told(task: asyncio.Task[R]) -> None:
            if answer.done() or task.cancelled():
                return
            if (error := task.exception()) is not None:
                answer.set_exception(error)
            else:
                answer.set_result(task.result())

        task = loop.create_task(work, context=self.context.copy())
        task.add_done_callback(told, context=self.context)
        try:
            return await answer
        finally:
            self._waiting.pop(answer, None)

    async def ask(self, user_id: int, message: Message[R], caller: Caller) -> R:
        """`Runtime.ask`, from outside.

        Raises:
            Lost: the process died, or does not serve yet.
        """
        if not self.serving:
            raise NotOwner()
        return await self.carry(self.node.runtime.ask(user_id, message, caller))

    def die(self) -> None:
        """Stop between two steps. Whoever waits for it outside hears that it is gone."""
        self.world.loop.kill(self.life)
        self.serving = False
        if self.receiver is not None:
            self.world.bus.unsubscribe(self.receiver)
        if self.listener is not None:
            self.world.bus.unlisten(self.listener)
        for answer in list(self._waiting):
            if not answer.done():
                answer.set_exception(Lost(self.name))
                answer.exception()

    @property
    def gaps(self) -> int:
        """Events that it found missing."""
        return self.node.runtime.statistics().gaps if hasattr(self, "node") else 0

    def __repr__(self) -> str:
        return f"<Process {self.name} {self.life.state} serving={self.serving}>"


class MediaHand:
    """Fills the place of the media pipeline: takes jobs, takes its time, ends them this way or that."""

    def __init__(self, process: Process, jobs: SqliteJobs) -> None:
        self._jobs = jobs
        self._clock = process.clock
        self._name = process.name
        self._dice: Random = process.world.dice

    async def work(self) -> None:
        """Do jobs for ever."""
        while True:
            try:
                claim = await self._jobs.claim(self._name)
                if claim is None:
                    await self._jobs.wait(1.0)
                else:
                    await self._encode(claim)
            except StorageUnavailable:
                await self._clock.sleep(0.1)

    async def _encode(self, claim: Claim) -> None:
        for progress in (0.3, 0.7):
            await self._clock.sleep(self._dice.uniform(0.02, 0.3))
            if not await self._jobs.heartbeat(claim, progress):
                return
        fails = self._dice.random() < 0.1
        outcome = MediaFailure(code="damaged", title="It is damaged.") if fails else MEDIA
        await self._jobs.finish(claim, outcome)


async def _quiet(work: Coroutine[Any, Any, None]) -> Exception | None:
    try:
        await work
    except Exception as error:
        return error
    return None


#: What every clip becomes.
MEDIA = EncodedMedia(
    duration_s=3.0,
    width=360,
    height=640,
    thumbhash="x",
    loudness_gain_db=0.0,
    cover="cover.jpg",
    preview="preview.webp",
    hls="master.m3u8",
    mp4="video.mp4",
    rungs=(
        Rung(
            name="360",
            file="360.mp4",
            codecs="avc1",
            width=360,
            height=640,
            fps=30.0,
            bitrate=1,
            size_bytes=2,
            init=(0, 1),
            index=(2, 3),
            start=(0, 9),
        ),
    ),
    total_bytes=5,
)
