"""A batch: the turns of one shard that are committed together, and the two moments that others wait for."""

import asyncio

import msgspec

from actors.events import Broadcast, Errand
from actors.ports.bus import Envelope
from actors.ports.shard_store import Intent, KeptAnswer, Link, OutboxEntry, PartWrite
from actors.rows import StampedRow
from sharding.codec import Codec

#: What lies in an outbox: an event for a shard, or an errand.
Outgoing = Envelope | Errand

OUTGOING: Codec[Outgoing] = Codec(Outgoing)
ROWS: Codec[tuple[StampedRow, ...]] = Codec(tuple[StampedRow, ...])


class Backlog:
    """Operations of the whole node that are not finished yet; one number that every shard shares."""

    __slots__ = ("count", "limit")

    def __init__(self, limit: int) -> None:
        self.count = 0
        self.limit = limit


class ShardStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What one shard, or all of a node, did and has under way."""

    #: Operations that are not committed, landed and relayed yet.
    backlog: int
    commits: int
    operations: int
    #: Commits that were offered again because the store had lost them.
    replayed: int


class Batch:
    """What one commit carries. `committed` and `landed` are resolved in this order, or both fail."""

    __slots__ = (
        "answers",
        "broadcasts",
        "committed",
        "frames",
        "intents",
        "landed",
        "lines",
        "operations",
        "outgoing",
        "received",
        "rows",
        "sent",
        "writes",
    )

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.operations = 0
        #: Lines that still pass something of it on: events, errands.
        self.lines = 0
        #: The last write of each part wins.
        self.writes: dict[tuple[int, str], PartWrite] = {}
        self.answers: list[KeptAnswer] = []
        self.intents: list[Intent] = []
        self.rows: list[StampedRow] = []
        self.outgoing: list[tuple[int, Outgoing]] = []
        self.sent: dict[int, Link] = {}
        self.received: dict[int, Link] = {}
        self.broadcasts: list[Broadcast] = []
        #: Connections, numbers and frames; None ends a connection.
        self.frames: list[tuple[str, int, bytes | None]] = []
        self.committed: asyncio.Future[None] = loop.create_future()
        self.landed: asyncio.Future[None] = loop.create_future()

    def outbox(self) -> tuple[OutboxEntry, ...]:
        """The outgoing as it is stored."""
        return tuple(
            OutboxEntry(number=number, payload=OUTGOING.encode(outgoing))
            for number, outgoing in self.outgoing
        )

    def fail(self, error: Exception) -> None:
        """Tell everybody who waits; nobody may be, and that is no reason to complain."""
        for moment in (self.committed, self.landed):
            if not moment.done():
                moment.set_exception(error)
                moment.exception()

    def release(self) -> None:
        """Drop what was carried: cells hold on to their last batch, for its two moments alone."""
        for carried in (self.answers, self.intents, self.rows, self.outgoing, self.broadcasts):
            carried.clear()
        for linked in (self.sent, self.received):
            linked.clear()
        self.writes.clear()
        self.frames.clear()

    def __repr__(self) -> str:
        return f"<Batch operations={self.operations} landed={self.landed.done()}>"
