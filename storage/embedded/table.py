"""`InProcessTable`: the shard table and the members of a fleet that lives in one process.

The twin of the store over NATS, for tests and simulated fleets: all its nodes share this one object, so
nobody's sign of life can be missed, and members go only when they say so.
"""

from actors.ports.table import Member, Sighting, Watcher
from sharding.table import ShardTable


class InProcessTable:
    """Fills `actors.ports.table.ShardTableStore`."""

    def __init__(self) -> None:
        self._table: ShardTable | None = None
        self._members: dict[str, Member] = {}
        self._watchers: list[Watcher] = []

    async def seed(self, table: ShardTable) -> ShardTable:
        """Put `table` down unless there is one; the one in force."""
        if self._table is None:
            self._table = table
            self._tell()
        return self._table

    async def announce(self, member: Member) -> None:
        """Be seen from now on, until `withdraw`; an older start than the one that is seen is not."""
        known = self._members.get(member.name)
        if known is None or known.started_ms <= member.started_ms:
            self._members[member.name] = member
            if known != member:
                self._tell()

    async def withdraw(self, member: Member) -> None:
        """Be seen no longer; a newer incarnation of that name stays. Repeatable."""
        known = self._members.get(member.name)
        if known is not None and known.incarnation == member.incarnation:
            del self._members[member.name]
            self._tell()

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher` with what is known now and after every change."""
        self._watchers.append(watcher)
        watcher(self._sighting())

    def _sighting(self) -> Sighting:
        return Sighting(table=self._table, members=dict(self._members))

    def _tell(self) -> None:
        for watcher in tuple(self._watchers):
            watcher(self._sighting())

    def __repr__(self) -> str:
        return f"<InProcessTable members={sorted(self._members)} seeded={self._table is not None}>"
