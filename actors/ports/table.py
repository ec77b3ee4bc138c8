"""Who should own what, and who is there: intentions and sightings, never the truth.

The truth is the fence beside each shard's data. What lies here only saves hops: a holder whose copy is old
or who has none computes the seed from the configured names, asks the wrong node, and is told `Moved`. So
losing this store stops changes of ownership and nothing else.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from sharding.table import ShardTable


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A living node."""

    #: Its name in the table; the same after a restart.
    name: str
    #: This start of it; what fences call the owner.
    incarnation: str
    #: `unix:/path` or `tcp:host:port`.
    address: str
    started_ms: int


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known at one moment."""

    #: None where nobody has put one down yet.
    table: ShardTable | None
    #: By name.
    members: Mapping[str, Member]


Watcher = Callable[[Sighting], None]


class ShardTableStore(Protocol):
    """Where the table and the list of members are kept."""

    async def seed(self, table: ShardTable) -> ShardTable:
        """Put `table` down unless there is one; the one in force.

        Raises:
            StorageUnavailable: unknown whether it was put down; repeat.
        """
        ...

    async def announce(self, member: Member) -> None:
        """Be seen from now on, until `withdraw` or, without a sign of life, for a few heartbeats.

        Raises:
            StorageUnavailable: not seen yet; it is tried again by itself.
        """
        ...

    async def withdraw(self, member: Member) -> None:
        """Be seen no longer; a newer incarnation of that name stays. Repeatable."""
        ...

    def watch(self, watcher: Watcher) -> None:
        """Call `watcher` with what is known now and after every change; never after an outage with less.

        A store that does not answer changes nothing: members do not vanish because it is down.
        """
        ...
