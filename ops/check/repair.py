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
    # Longest name first: once `quarantine/1010` is gone, `quarantine/101` begins no other.
    litter = [fault for fault in faults if fault.cure == "discard" and fault.blob is not None]
    discarded = 0
    for fault in sorted(litter, key=lambda fault: fault.blob or "", reverse=True):
        removed = await _discard(fault.blob or "", blobs)
        discarded += removed
        if not removed and await blobs.stat(fault.blob or "") is not None:
            left.append(fault)
    return Repaired(recounted=len(entities), discarded=discarded, left=tuple(left))


async def _discard(name: str, blobs: BlobShelf) -> int:
    """Remove one blob, and nothing whose name merely starts with its name."""
    prefix = _attempt_prefix(name)
    if prefix is not None:
        return await blobs.discard(prefix)
    namesakes = await blobs.list(name, older_than_ms=1 << 62, limit=2)
    return await blobs.discard(name) if [blob.name for blob in namesakes] == [name] else 0


def _attempt_prefix(name: str) -> str | None:
    """The prefix of a whole attempt to encode: it is unwanted as a whole."""
    steps = name.split("/")
    if steps[0] == "v" and len(steps) > 3:
        return media_prefix(int(steps[1]), int(steps[2]))
    return None
