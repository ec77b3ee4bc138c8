"""A node: the runtime, the library, and the few clocks that keep them going.

Everything is handed in; the composition root and the simulator build the same node from different ports.
What it does beside answering:

- a tick a second: soft state is written behind, coalesced events go out, landed intents are forgotten;
- leases are renewed at a sixth of their length, and shards that were lost are bid for again;
- stored uploads are completed when the store tells of them, or when a sweep finds them;
- counts that may have drifted are taken anew.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence

import msgspec

from actors.actor import Kind
from actors.batch import Backlog
from actors.collaborators import Collaborators
from actors.cursors import Cursors
from actors.events import (
    EncodingEnded,
    EncodingOverdue,
    EncodingProgressed,
    EncodingStarted,
)
from actors.library import Library
from actors.media import MediaLimits
from actors.media_links import MediaLinks
from actors.messages import Caller, NoticeStored
from actors.ports.bus import EventBus, ShardFollower
from actors.ports.clock import Clock
from actors.ports.facts import CommentFacts, DeedFacts, FactWriter, PeopleFacts, VideoFacts
from actors.ports.ingest import StoredUpload, UploadFeed
from actors.ports.jobs import BlobBin, JobDesk, JobReport, StoredBlob
from actors.ports.shard_store import ShardStore
from actors.ports.sockets import SocketHub
from actors.ranking import ShelfRanker
from actors.records import VideoRecord
from actors.runtime import Runtime
from actors.settings import FeedSettings, RuntimeSettings, UserLimits
from actors.tasks import Alarm, TaskSet
from actors.user.actor import user_loader
from actors.video import video_loader
from actors.world import World
from sharding.errors import KinoraError, Unavailable
from sharding.ids import IdMint, parse_id
from sharding.shards import SHARD_COUNT, shard_of

#: Suspects that one sweep counts anew at most, stored uploads that it completes, and ids that it reads at a time.
_SWEEP = 500
#: Renewals within the length of a lease.
_RENEWALS = 6
#: An upload that has lain for so long without being completed is found by the sweep, in milliseconds.
_FORGOTTEN_MS = 5_000
#: Attempts to find an entity quiet.
_RECOUNTS = 50


class NodePorts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything behind a socket or a file that a node needs."""

    store: ShardStore
    facts: FactWriter
    people: PeopleFacts
    videos: VideoFacts
    deeds: DeedFacts
    comments: CommentFacts
    bus: EventBus
    jobs: JobDesk
    blobs: BlobBin
    sockets: SocketHub
    #: None where this node is the only one, and everything comes to it.
    follower: ShardFollower | None = None
    #: None where the store does not tell of what arrives; sweeps find it.
    uploads: UploadFeed | None = None


class NodeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a node is set up."""

    runtime: RuntimeSettings = RuntimeSettings()
    feed: FeedSettings = FeedSettings()
    limits: UserLimits = UserLimits()
    media: MediaLimits = MediaLimits()
    public_url: str = ""


class Node:
    """One owner of shards."""

    def __init__(
        self,
        owner: str,
        ports: NodePorts,
        settings: NodeSettings,
        *,
        clock: Clock,
        tasks: TaskSet,
        mint: IdMint,
        links: MediaLinks,
        cursors: Cursors,
        alarm: Alarm,
    ) -> None:
        """`owner` names this incarnation. No I/O happens before `start`."""
        self._ports = ports
        self._settings = settings
        self._clock = clock
        self._tasks = tasks
        self._alarm = alarm
        self._wanted: tuple[int, ...] = ()
        self._proven_dead: Collection[str] = ()
        #: The last video and the last user that the slow sweep has counted anew.
        self._swept: dict[Kind, int] = {"video": 0, "user": 0}
        self.library = Library(
            people=ports.people,
            videos=ports.videos,
            links=links,
            public_url=settings.public_url,
            clock=clock,
            tasks=tasks,
            settings=settings.feed,
        )
        world = World(
            mint=mint,
            people=ports.people,
            videos=ports.videos,
            deeds=ports.deeds,
            comments=ports.comments,
            library=self.library,
            ranker=ShelfRanker(self.library.shelf),
            links=links,
            cursors=cursors,
            feed=settings.feed,
            limits=settings.limits,
            media=settings.media,
        )
        collaborators = Collaborators(
            store=ports.store,
            facts=ports.facts,
            bus=ports.bus,
            jobs=ports.jobs,
            blobs=ports.blobs,
            sockets=ports.sockets,
            follower=ports.follower,
            clock=clock,
            tasks=tasks,
            settings=settings.runtime,
            backlog=Backlog(settings.runtime.node_backlog),
        )
        self.runtime = Runtime(
            owner,
            collaborators,
            {"user": user_loader(world), "video": video_loader(world)},
            alarm,
        )

    async def start(
        self, *, proven_dead: Collection[str] = (), shards: Sequence[int] = range(SHARD_COUNT)
    ) -> None:
        """Take the shards over, finish what their last owner began, fill the library, go on.

        `proven_dead` are incarnations whose end is certain: the lock on their data is ours. `shards` are
        those that this node bids for, now and whenever it does not own them.
        """
        self._wanted = tuple(shards)
        self._ports.bus.listen(self.library.hear)
        self._ports.bus.subscribe(self.runtime.receive)
        self._proven_dead = proven_dead
        await self.runtime.acquire(self._wanted, proven_dead=proven_dead)
        # What a former owner promised must have landed before the shelf is read from facts.
        await self.runtime.recovered()
        await self.library.fill()
        self._ports.jobs.report_to(self._reported)
        if self._ports.uploads is not None:
            self._ports.uploads.take_by(self._stored)
        runtime = self._settings.runtime
        self._every("tick", runtime.tick_s, self._tick)
        self._every("lease", runtime.lease_ms / 1000 / _RENEWALS, self.runtime.keep)
        # Apart: a bid may have to wait for a machine of the store that is silent, a renewal must not.
        self._every("bid", runtime.lease_ms / 1000 / _RENEWALS, self._bid)
        self._every("sweep", runtime.sweep_s, self.sweep)

    async def stop(self) -> None:
        """Write everything behind and give the shards up."""
        # What is given up must not be bid for again by the clock that keeps leases.
        self._wanted = ()
        await self.runtime.stop()

    def _every(self, name: str, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        async def repeat() -> None:
            while True:
                await self._clock.sleep(seconds)
                try:
                    await work()
                except Exception as error:
                    # The next round may fare better; a clock that stopped would be worse than a bug.
                    self._alarm(name, error)

        self._tasks.spawn(repeat(), name=name)

    async def _tick(self) -> None:
        self.runtime.tick()

    async def _bid(self) -> None:
        """Bid for what is wanted and not owned."""
        lost = [shard for shard in self._wanted if shard not in self.runtime.owned]
        if lost:
            await self.runtime.acquire(lost, proven_dead=self._proven_dead)

    def _owns(self, entity: int) -> bool:
        return shard_of(entity) in self.runtime.owned

    async def _reported(self, report: JobReport) -> None:
        """A job was begun, goes on, or is over. Progress comes to every node, and is for two of them."""
        if report.outcome is not None:
            ended = EncodingEnded(generation=report.generation, outcome=report.outcome)
            await self.runtime.tell(report.video_id, ended)
            return
        if self._owns(report.video_id):
            await self.runtime.tell(report.video_id, EncodingStarted(generation=report.generation))
        if report.progress > 0 and self._owns(report.author_id):
            going_on = EncodingProgressed(video_id=report.video_id, progress=report.progress)
            await self.runtime.tell(report.author_id, going_on)

    async def _stored(self, upload: StoredUpload) -> None:
        """The store tells of a file; whoever owns its author completes the upload.

        Raises:
            NotOwner: another node owns the author by now.
        """
        if upload.author_id:
            notice = NoticeStored(video_id=upload.video_id, stored_bytes=upload.size_bytes)
            try:
                await self.runtime.ask(upload.author_id, notice, Caller())
            except Unavailable:
                raise
            except KinoraError:
                # Completed meanwhile, removed, or never announced: nothing is left to be done.
                return
            return
        for record in await self._ports.videos.videos((upload.video_id,)):
            if _waits(record) and self._ports.uploads is not None:
                known = msgspec.structs.replace(upload, author_id=record.video.author_id)
                if self._owns(known.author_id):
                    await self._stored(known)
                else:
                    await self._ports.uploads.pass_on(known)

    async def sweep(self) -> None:
        """Find what no event will come for: forgotten uploads, and counts that may be wrong."""
        await self._complete_forgotten()
        for entity, kind in self.runtime.cells.suspects()[:_SWEEP]:
            await self._recount(entity, kind)
        await self._recount_some("video")
        await self._recount_some("user")
        if self.runtime.dirty:
            await self._recount_dirty()

    async def _complete_forgotten(self) -> None:
        before = self._clock.unix_ms() - _FORGOTTEN_MS
        blobs = await self._ports.blobs.list("quarantine/", older_than_ms=before, limit=_SWEEP)
        stored = {parse_id(blob.name.split("/")[1]) or 0: blob for blob in blobs}
        overdue = self._clock.unix_ms() - self._settings.runtime.encoding_overdue_ms
        for record in await self._ports.videos.videos([each for each in stored if each]):
            blob = stored[record.video.video_id]
            if _waits(record):
                if self._owns(record.video.author_id):
                    await self._complete(record, blob)
            elif blob.stored_ms < overdue and self._owns(record.video.video_id):
                # The file goes when the encoding is over.
                await self.runtime.tell(record.video.video_id, EncodingOverdue())

    async def _complete(self, record: VideoRecord, blob: StoredBlob) -> None:
        notice = NoticeStored(video_id=record.video.video_id, stored_bytes=blob.size_bytes)
        try:
            await self.runtime.ask(record.video.author_id, notice, Caller())
        except KinoraError as error:
            # The next sweep tries again; the others must not wait for this one.
            self._alarm(f"sweep of upload {record.video.video_id}", error)

    async def _recount_some(self, kind: Kind) -> None:
        """Take the counts of the next few anew, so that in time all are, also of sleepers."""
        some = self._settings.runtime.slow_recounts
        ids = await self._ids(kind, self._swept[kind], some)
        self._swept[kind] = ids[-1] if len(ids) == some else 0
        for entity in filter(self._owns, ids):
            await self._recount(entity, kind)

    async def _recount_dirty(self) -> None:
        """Take all counts of the shards in doubt anew; those in which none moved meanwhile are clean."""
        doubted = set(self.runtime.dirty)
        moved: set[int] = set()
        pause = 1 / self._settings.runtime.recounts_a_second
        kinds: tuple[Kind, ...] = ("video", "user")
        for kind in kinds:
            after = 0
            while ids := await self._ids(kind, after, _SWEEP):
                after = ids[-1]
                for entity in ids:
                    shard = shard_of(entity)
                    if shard in doubted and self._owns(entity):
                        if await self._recount(entity, kind) != 0:
                            moved.add(shard)
                        await self._clock.sleep(pause)
        self.runtime.dirty.difference_update(doubted - moved)

    async def _ids(self, kind: Kind, after: int, limit: int) -> Sequence[int]:
        """Ids of all videos or users above `after`, ascending."""
        if kind == "user":
            return await self._ports.people.everyone(after, limit)
        records = await self._ports.videos.every_video(after, limit)
        return [record.video.video_id for record in records]

    async def recount(self, entity_id: int) -> None:
        """Count the facts of a video or a user anew; durable when it returns.

        Raises:
            Unavailable: the entity was never quiet enough to be counted.
        """
        records = await self._ports.videos.videos((entity_id,))
        for _ in range(_RECOUNTS):
            if await self._recount(entity_id, "video" if records else "user") is not None:
                return
            await self._clock.sleep(self._settings.runtime.retry_first_s)
        raise Unavailable("It is too busy to be counted.")

    async def _recount(self, entity: int, kind: Kind) -> int | None:
        """Set counts to the sizes of facts; by how much they were off, None if they moved meanwhile."""
        tally = self._ports.videos.tally if kind == "video" else self._ports.people.tally
        return await self.runtime.recount(entity, kind, tally)

    def __repr__(self) -> str:
        return f"<Node {self.runtime!r}>"


def _waits(record: VideoRecord) -> bool:
    """Whether an upload waits for its file."""
    waiting = record.media is None or record.media.status == "awaiting_upload"
    return waiting and not record.video.removed
