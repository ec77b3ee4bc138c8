"""Puts right what can be: counts are taken again by their owner, litter is thrown away.

What is lost stays lost and is only told. A count is never written from here, because each has one writing
entity; its owner is asked to recount, and does so under its fence.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from actors.media import media_prefix
from ops.check.faults import BlobShelf, Fault


class Recounter(Protocol):
    """A node that owns every shard, as the embedded product does."""

    async def recount(self, entity_id: int) -> None:
        """Count the facts of a video or a user anew; durable when it returns. Idempotent.

        Raises:
            Unavailable: it was too busy to be counted.
        """
        ...


class Repaired(msgspec.Struct, frozen=True, kw_only=True):
    """What a repair did."""

    recounted: int
    discarded: int
    #: Faults that nobody can put right from here.
    left: tuple[Fault, ...]


async def repair(faults: Sequence[Fault], *, node: Recounter, blobs: BlobShelf) -> Repaired:
    """Recount and discard what `faults` name. Repeatable; the product must not serve meanwhile.

    Raises:
        StorageUnavailable: a store does not answer; some may be repaired.
    """
    left = [fault for fault in faults if fault.cure == "none"]
    entities = sorted({fault.entity_id for fault in faults if fault.cure == "recount"})
    for entity_id in entities:
        await node.recount(entity_id)
    litter = {fault.blob for fault in faults if fault.cure == "discard" and fault.blob is not None}
    discarded = 0
    for name in sorted(litter):
        discarded += await blobs.discard(_unwanted(name))
    return Repaired(recounted=len(entities), discarded=discarded, left=tuple(left))


def _unwanted(name: str) -> str:
    """What goes with a blob that nobody wants: of an attempt to encode, all of it."""
    steps = name.split("/")
    if steps[0] == "v" and len(steps) > 3:
        return media_prefix(int(steps[1]), int(steps[2]))
    return name
