"""The relay: what leaves a shard once its rows have landed, in order, repeated until it is taken over.

Events go to the bus; errands go to the job desk and the blob store. They leave in two lines, so that events do
not wait for a blob store that is down. Everything lies in the outbox until it was taken, so whoever owns the
shard next sends it again; all of it is safe to repeat.
"""

from collections.abc import Awaitable, Callable
from functools import partial

from actors.batch import Batch
from actors.collaborators import Collaborators
from actors.events import CancelEncoding, DiscardMedia, EncodeVideo, Errand
from actors.line import Line
from actors.ports.bus import Envelope
from sharding.errors import StorageUnavailable

#: Repeats a call until the store behind it answers; raises StorageUnavailable once the shard is lost.
Persist = Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]


class Relay:
    """The way out of one shard."""

    __slots__ = ("_errands", "_events", "_on_done", "_on_taken", "_persist", "_with")

    def __init__(
        self,
        number: int,
        collaborators: Collaborators,
        *,
        persist: Persist,
        on_taken: Callable[[int], None],
        on_done: Callable[[Batch], None],
    ) -> None:
        """`on_taken` hears the number of each outbox entry that need not be kept any longer."""
        self._with = collaborators
        self._persist = persist
        self._on_taken = on_taken
        self._on_done = on_done
        tasks = collaborators.tasks
        self._events: Line[Batch] = Line(f"relay-{number}", self._send, tasks)
        self._errands: Line[Batch] = Line(f"errands-{number}", self._run, tasks)

    def put(self, batch: Batch) -> None:
        """Let out what a batch carries; it is done when all of it was taken."""
        events = any(isinstance(each, Envelope) for _, each in batch.outgoing)
        errands = any(not isinstance(each, Envelope) for _, each in batch.outgoing)
        batch.lines = events + errands
        if events:
            self._events.put(batch)
        if errands:
            self._errands.put(batch)
        if not batch.lines:
            self._on_done(batch)

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way out."""
        return self._events.idle and self._errands.idle

    async def _send(self, batch: Batch) -> None:
        sent = [(n, each) for n, each in batch.outgoing if isinstance(each, Envelope)]
        envelopes = [each for _, each in sent]
        try:
            await self._persist(lambda: self._with.bus.publish(envelopes))
        except StorageUnavailable:
            # The shard was lost: whoever owns it now has the outbox and passes the events on.
            pass
        else:
            for number, _ in sent:
                self._on_taken(number)
        self._left(batch)

    async def _run(self, batch: Batch) -> None:
        try:
            for number, errand in batch.outgoing:
                if not isinstance(errand, Envelope):
                    await self._persist(partial(self._run_errand, errand))
                    self._on_taken(number)
        except StorageUnavailable:
            # As above.
            pass
        self._left(batch)

    def _left(self, batch: Batch) -> None:
        batch.lines -= 1
        if not batch.lines:
            self._on_done(batch)

    async def _run_errand(self, errand: Errand) -> None:
        match errand:
            case EncodeVideo(job=job):
                await self._with.jobs.submit(job)
            case CancelEncoding(video_id=video_id):
                await self._with.jobs.withdraw(video_id)
            case DiscardMedia(prefixes=prefixes):
                for prefix in prefixes:
                    await self._with.blobs.discard(prefix)

    def __repr__(self) -> str:
        return f"<Relay events={len(self._events)} errands={len(self._errands)}>"
