"""The shard table: which node serves which shard, as far as its holder knows.

A hint, never a truth: a wrong entry costs one hop (the node answers `Moved` with what it knows), never a
result, because the fence decides. Frozen; a change makes a new table.

The seed is rendezvous hashing (Thaler and Ravishankar, 1998): every holder computes the same homes from
the same names, and a node that leaves moves only its own shards. Once seeded the table is explicit, so a
planner may move single shards.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b

import msgspec

from sharding.shards import SHARD_COUNT, Shard, shard_of


class Home(msgspec.Struct, frozen=True):
    """A shard's node and the epoch of that ownership; 0 where it was never installed."""

    node: str
    epoch: int = 0


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """A node's answer to a message for a shard that it does not own."""

    shard: int
    home: Home | None


class ShardTable(msgspec.Struct, frozen=True):
    """All 1,024 homes."""

    homes: tuple[Home, ...]

    @classmethod
    def seeded(cls, nodes: Sequence[str]) -> "ShardTable":
        """Every shard at the node with the highest rendezvous score.

        Raises:
            ValueError: there is no node.
        """
        if not nodes:
            raise ValueError("a shard table needs at least one node")
        return cls(
            tuple(
                Home(max(nodes, key=lambda node: (_score(node, shard), node)))
                for shard in range(SHARD_COUNT)
            )
        )

    def home_of(self, entity_id: int) -> Home:
        """Where an entity is believed to live."""
        return self.homes[shard_of(entity_id)]

    def shards_of(self, node: str) -> list[Shard]:
        """All shards of one node, ascending."""
        return [Shard(n) for n, home in enumerate(self.homes) if home.node == node]

    def moved(self, changes: Mapping[Shard, Home]) -> "ShardTable":
        """The table after `changes`; a home with an older epoch than the known one is ignored."""
        homes = list(self.homes)
        for shard, home in changes.items():
            if home.epoch >= homes[shard].epoch:
                homes[shard] = home
        return ShardTable(tuple(homes))

    def __repr__(self) -> str:
        counts: dict[str, int] = {}
        for home in self.homes:
            counts[home.node] = counts.get(home.node, 0) + 1
        return f"<ShardTable {counts}>"


def _score(node: str, shard: int) -> int:
    return int.from_bytes(blake2b(f"{node}/{shard}".encode(), digest_size=8).digest(), "big")
