"""Every key of the adapter, in one place.

    <prefix>{tag}:f           hash    the fence: e epoch, o owner, l lease, s sealed, q sequence, t timestamps
    <prefix>{tag}:a           hash    op id -> kept answer (`packing.pack_answer`)
    <prefix>{tag}:x           zset    op id by when its answer expires, for the sweep
    <prefix>{tag}:i           hash    number -> rows of an open intent
    <prefix>{tag}:o           hash    number -> payload of an outbox entry
    <prefix>{tag}:s, :r       hash    peer -> "epoch number" of the links sent, received
    <prefix>{tag}:p:<entity>  hash    part -> value
    <prefix>{tag}:l:<name>:<key>  string  when a shared limit is free again

A shard's keys share its tag, hence a slot, hence a master: a script touches them as one. The fence is the
first key of a shard that is ever written, so a Redis that lost its tail either has the fence or has nothing
of the shard: no shard is half there without saying so by its sequence.
"""

from hashlib import blake2b

from sharding.shards import SHARD_COUNT
from storage.redis.tags import TAGS, slot_of


class ShardKeys:
    """The keys of one shard."""

    __slots__ = (
        "answers",
        "expiries",
        "fence",
        "intents",
        "outbox",
        "received",
        "sent",
        "slot",
        "stem",
    )

    def __init__(self, prefix: bytes, shard: int) -> None:
        stem = prefix + b"{" + TAGS[shard] + b"}:"
        self.slot = slot_of(shard)
        self.stem = stem
        self.fence = stem + b"f"
        self.answers = stem + b"a"
        self.expiries = stem + b"x"
        self.intents = stem + b"i"
        self.outbox = stem + b"o"
        self.sent = stem + b"s"
        self.received = stem + b"r"

    def parts(self, entity: int) -> bytes:
        """The key of an entity's parts."""
        return b"%sp:%d" % (self.stem, entity)

    def __repr__(self) -> str:
        return f"<ShardKeys {self.stem!r} slot={self.slot}>"


def limit_key(prefix: bytes, name: str, key: str) -> tuple[int, bytes]:
    """Slot and key of a shared limit; spread over all tags by the key, which may hold anything."""
    place = int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big") % SHARD_COUNT
    stem = prefix + b"{" + TAGS[place] + b"}:l:"
    return slot_of(place), b"%s%s:%s" % (stem, name.encode(), key.encode())
