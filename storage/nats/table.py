"""`NatsTable`: the shard table and the members, as hints that every holder keeps a copy of.

The table is one entry, put down by compare-and-swap. A member is an entry that its node writes again every
heartbeat. Who is gone is judged by each holder for itself, on its own clock and only over a time in which
NATS answered without a break: an outage, in which nobody could show that it lives, makes nobody vanish.
"""

import msgspec

from actors.ports.clock import Clock
from actors.ports.table import Member, Sighting, Watcher
from sharding.codec import Codec, UnknownMessage
from sharding.errors import Internal, StorageUnavailable
from sharding.table import ShardTable
from storage.nats.chores import Chores
from storage.nats.connection import Connection
from storage.nats.errors import WrongRevision
from storage.nats.keys import KeyWatch
from storage.nats.log import Log
from storage.nats.names import Names, from_token, last_token
from storage.nats.settings import NatsSettings

_TABLES: Codec[ShardTable] = Codec(ShardTable)
_MEMBERS: Codec[Member] = Codec(Member)
_HOMES = "homes"
_MEMBER = "member-"


class _Known(msgspec.Struct, frozen=True):
    """A member's newest entry, and when it was first seen here."""

    member: Member
    since: float


class NatsTable:
    """Fills `actors.ports.table.ShardTableStore`."""

    def __init__(
        self,
        connection: Connection,
        log: Log,
        names: Names,
        chores: Chores,
        clock: Clock,
        settings: NatsSettings,
    ) -> None:
        self._connection = connection
        self._log = log
        self._names = names
        self._chores = chores
        self._clock = clock
        self._settings = settings
        self._watch = KeyWatch.of(names, connection, log, self._told, self._begin_anew, jobs=False)
        self._watchers: list[Watcher] = []
        self._mine: Member | None = None
        self._beating = False
        self._table: ShardTable | None = None
        self._members: dict[str, _Known] = {}
        #: Number of the newest entry of each key.
        self._seqs: dict[str, int] = {}
        #: Since when NATS has answered without a break, and when it did last.
        self._answers_since = self._answered_at = clock.monotonic()

    async def seed(self, table: ShardTable) -> ShardTable:
        """Put `table` down unless there is one; the one in force.

        Raises:
            StorageUnavailable: unknown whether it was put down; repeat.
        """
        for _ in range(self._settings.max_conflicts):
            there = await self._log.last(self._names.table, self._names.key(_HOMES))
            if there is not None:
                self._told(_HOMES, there.seq, there.data)
                try:
                    return _TABLES.decode(there.data)
                except UnknownMessage as error:
                    raise Internal(context=f"the shard table: {error}") from error
            try:
                data = _TABLES.encode(table)
                seq = await self._log.append(self._names.key(_HOMES), data, revision=0)
            except WrongRevision:
                continue
            self._told(_HOMES, seq, data)
            return table
        raise StorageUnavailable("The shard table changes too fast.", executed=False)

    async def announce(self, member: Member) -> None:
        """Be seen from now on, until `withdraw` or until the heartbeats end.

        Raises:
            StorageUnavailable: not seen yet; the heartbeats go on trying.
        """
        self._mine = member
        if not self._beating:
            self._beating = True
            self._chores.every(self._settings.member_beat_s, self._beat, name="heartbeat")
        await self._beat()

    async def withdraw(self, member: Member) -> None:
        """Be seen no longer; a newer incarnation of that name stays. Repeatable.

        Raises:
            StorageUnavailable: still seen for a few heartbeats.
        """
        if self._mine is not None and self._mine.incarnation == member.incarnation:
            self._mine = None
        subject = self._names.key(_MEMBER + member.name)
        for _ in range(self._settings.max_conflicts):
            there = await self._log.last(self._names.table, subject)
            seen = _member(there.data) if there is not None else None
            if there is None or seen is None or seen.incarnation != member.incarnation:
                return
            try:
                keep_s = self._settings.member_forget_s
                seq = await self._log.append(subject, b"", revision=there.seq, keep_s=keep_s)
            except WrongRevision:
                continue
            self._told(last_token(subject), seq, b"")
            return

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher` with what is known, as soon as anything is, and after every change."""
        self._watchers.append(watcher)
        if len(self._watchers) == 1:
            self._chores.begin(self._open(), name="table")
            self._chores.every(self._settings.member_beat_s, self._round, name="members")
        elif self._watch.complete:
            watcher(self.sighting())

    def sighting(self) -> Sighting:
        """All that is known now."""
        members = {name: known.member for name, known in self._members.items()}
        return Sighting(table=self._table, members=members)

    async def look(self) -> None:
        """Read everything anew, as what was heard may not be all.

        Raises:
            StorageUnavailable: it cannot be read now.
        """
        if not self._watchers:
            return
        first = not self._watch.complete
        await self._watch.read()
        if first:
            self._tell_watchers()

    async def welcome(self) -> None:
        """There is a new connection.

        Raises:
            StorageUnavailable: it does not answer yet.
        """
        self._answers_since = self._answered_at = self._clock.monotonic()
        await self.look()

    async def _open(self) -> None:
        await self._watch.open()
        try:
            await self.look()
        except StorageUnavailable:
            # The next connection, or the next review, brings it.
            return

    async def _beat(self) -> None:
        member = self._mine
        if member is None:
            return
        known = self._members.get(member.name)
        if known is not None and known.member.started_ms > member.started_ms:
            # A newer start of the same node is there: it is the one to be seen.
            return
        subject = self._names.key(_MEMBER + member.name)
        keep_s = self._settings.member_forget_s
        data = _MEMBERS.encode(member)
        seq = await self._log.append(subject, data, keep_s=keep_s)
        self._told(last_token(subject), seq, data)

    async def _round(self) -> None:
        """Prove that NATS answers; then let go of members that were silent all the while."""
        await self._log.life(self._names.table)
        now = self._clock.monotonic()
        if now - self._answered_at > self._settings.member_gone_s / 2:
            self._answers_since = now
        self._answered_at = now
        gone = [
            name
            for name, known in self._members.items()
            if now - max(known.since, self._answers_since) > self._settings.member_gone_s
        ]
        for name in gone:
            del self._members[name]
        if gone:
            self._tell_watchers()

    def _told(self, token: str, seq: int, data: bytes) -> None:
        if seq <= self._seqs.get(token, 0):
            return
        self._seqs[token] = seq
        key = from_token(token)
        before = self.sighting()
        if key == _HOMES:
            try:
                self._table = _TABLES.decode(data)
            except UnknownMessage:
                return
        elif key.startswith(_MEMBER):
            self._note(key.removeprefix(_MEMBER), _member(data))
        if self._watch.complete and self.sighting() != before:
            self._tell_watchers()

    def _begin_anew(self) -> None:
        # Only the numbers: what is known stays known until somebody says otherwise.
        self._seqs.clear()

    def _note(self, name: str, member: Member | None) -> None:
        if member is None:
            self._members.pop(name, None)
        else:
            self._members[name] = _Known(member, self._clock.monotonic())

    def _tell_watchers(self) -> None:
        now = self.sighting()
        for watcher in tuple(self._watchers):
            watcher(now)

    def __repr__(self) -> str:
        return f"<NatsTable members={sorted(self._members)} seeded={self._table is not None}>"


def _member(data: bytes) -> Member | None:
    """The member in an entry; None in one that says goodbye, or that only a newer build can read."""
    if not data:
        return None
    try:
        return _MEMBERS.decode(data)
    except UnknownMessage:
        return None
