"""Which of the 1,024 shards an entity belongs to.

The top 10 bits of a keyless blake2b with an 8-byte digest over the id as 8 big-endian bytes. blake2b
because it is in the standard library, stable for ever and even in every bit; not Python's `hash`, which
differs between processes. The count is recorded at first start and checked ever after: changing it, or
the function, would give every entity a second home.
"""

from functools import lru_cache
from hashlib import blake2b
from typing import NewType

Shard = NewType("Shard", int)

SHARD_BITS = 10
SHARD_COUNT = 1 << SHARD_BITS


#: Entities whose shard is remembered; hashing anew costs a microsecond, on every request.
_REMEMBERED = 65_536


@lru_cache(maxsize=_REMEMBERED)
def shard_of(entity_id: int) -> Shard:
    """The shard of a user or a video."""
    digest = blake2b(entity_id.to_bytes(8, "big"), digest_size=8).digest()
    return Shard(int.from_bytes(digest[:2], "big") >> (16 - SHARD_BITS))
