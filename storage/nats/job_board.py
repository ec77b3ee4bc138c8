"""`JobBoard`: all open jobs as this process knows them, and changes that are made once.

Every process that takes jobs or is told of outcomes holds the board; a change names the entry that it was
made from, so a board that is behind costs another try and never a wrong step. How long an entry has stood
is measured here, on this process's own monotonic clock, from when it was first seen: no two machines have to
agree on the time. Silence counts from the newest connection at the earliest, so that an outage of NATS, in
which nobody could show that it lives, ends no claim.
"""

from collections import OrderedDict
from collections.abc import Callable

import msgspec

from actors.ports.clock import Clock
from sharding.codec import UnknownMessage
from sharding.errors import StorageUnavailable
from storage.nats.connection import Connection
from storage.nats.errors import WrongRevision
from storage.nats.job_state import JOBS, JobState
from storage.nats.keys import KeyWatch
from storage.nats.log import Log
from storage.nats.names import Names
from storage.nats.settings import NatsSettings

Step = Callable[[JobState | None, int], JobState | None]


class Seen(msgspec.Struct, frozen=True):
    """One entry, and since when it has stood."""

    state: JobState
    seq: int
    since: float

    @property
    def place(self) -> int:
        """Where it stands in line."""
        return self.state.place or self.seq


class JobBoard:
    """The open jobs."""

    def __init__(
        self,
        connection: Connection,
        log: Log,
        names: Names,
        clock: Clock,
        settings: NatsSettings,
        changed: Callable[[], None],
    ) -> None:
        """`changed` is called when a job may have become due."""
        self._connection = connection
        self._log = log
        self._names = names
        self._clock = clock
        self._settings = settings
        self._changed = changed
        self._watch = KeyWatch.of(names, connection, log, self._told, self._begin_anew, jobs=True)
        self._open: dict[int, Seen] = {}
        #: Numbers of entries that ended a job, so that an older one that comes late does not bring it back.
        self._over: OrderedDict[int, int] = OrderedDict()
        #: Changes that somebody else was faster with.
        self.conflicts = 0

    def seen(self) -> list[Seen]:
        """Every open job."""
        return list(self._open.values())

    async def open(self) -> None:
        """Hear changes from now on."""
        await self._watch.open()

    async def read(self) -> None:
        """Learn of everything that lies there, and forget what does not.

        Raises:
            StorageUnavailable: not everything was read.
        """
        known = set(self._open)
        keys = await self._watch.read()
        for video_id in known - {int(key) for key in keys if key.isdecimal()}:
            self._open.pop(video_id, None)

    async def be_complete(self) -> None:
        """Return when everything has been read once.

        Raises:
            StorageUnavailable: it cannot be read now.
        """
        if not self._watch.complete:
            await self.read()

    def silent_s(self, seen: Seen) -> float:
        """How long an entry has stood while there was a connection over which it could have changed."""
        return self._clock.monotonic() - max(seen.since, self._connection.up_since)

    async def change(self, video_id: int, step: Step) -> JobState | None:
        """Take `step` from the newest entry; what it led to, None where there was nothing to do.

        `step` gets the state and the number of its entry, and may be called several times.

        Raises:
            StorageUnavailable: unknown whether the step was taken.
        """
        seen = self._open.get(video_id) or await self._newest(video_id)
        for _ in range(self._settings.max_conflicts):
            seq = seen.seq if seen else 0
            after = step(seen.state if seen else None, seq)
            if after is None:
                return None
            try:
                stored = await self._log.append(
                    self._names.job(video_id),
                    JOBS.encode(after),
                    revision=seq,
                    keep_s=self._settings.job_remember_s if after.state == "over" else None,
                )
            except WrongRevision:
                self.conflicts += 1
                seen = await self._newest(video_id)
                continue
            self._take(after, stored)
            return after
        raise StorageUnavailable("This job changes too fast.", executed=False)

    async def _newest(self, video_id: int) -> Seen | None:
        entry = await self._log.last(self._names.jobs, self._names.job(video_id))
        if entry is None:
            self._open.pop(video_id, None)
            return None
        state = JOBS.decode(entry.data)
        self._take(state, entry.seq)
        return self._open.get(video_id) or Seen(state, entry.seq, self._clock.monotonic())

    def _told(self, key: str, seq: int, data: bytes) -> None:
        try:
            state = JOBS.decode(data)
        except UnknownMessage:
            # Of a build that knows more: its own processes see to it.
            return
        self._take(state, seq)

    def _take(self, state: JobState, seq: int) -> None:
        video_id = state.video_id
        known = self._open.get(video_id)
        if seq <= (known.seq if known else self._over.get(video_id, 0)):
            return
        if state.state == "over":
            self._open.pop(video_id, None)
            self._over[video_id] = seq
            if len(self._over) > self._settings.job_max_remembered:
                self._over.popitem(last=False)
            return
        self._open[video_id] = Seen(state, seq, self._clock.monotonic())
        if state.state == "waiting":
            self._changed()

    def _begin_anew(self) -> None:
        self._open.clear()
        self._over.clear()

    def __repr__(self) -> str:
        return f"<JobBoard open={len(self._open)} conflicts={self.conflicts}>"
