"""What lies in the inbox of a shard, and how several of it share one message.

A post is encoded once, when it is handed in; a message is a MessagePack array of posts, made by putting a
head before their bytes. So a message is cut by its size without encoding anything twice.
"""

from collections.abc import Sequence
from hashlib import blake2b

import msgspec

from actors.ports.bus import Envelope
from actors.ports.ingest import StoredUpload
from actors.ports.jobs import JobReport
from sharding.codec import Codec


class Reported(msgspec.Struct, frozen=True, tag=True):
    """The outcome of a job, for the owner of its video's shard."""

    report: JobReport


Post = Envelope | Reported | StoredUpload

_POSTS: Codec[list[Post]] = Codec(list[Post])
_ENCODER = msgspec.msgpack.Encoder()
#: An array of up to 15 elements has its length in its first byte.
_SMALL = 16


def encode_post(post: Post) -> bytes:
    """The bytes of one post."""
    return _ENCODER.encode(post)


def message_of(encoded: Sequence[bytes]) -> bytes:
    """One message with these posts, in this order; at most 65,535."""
    count = len(encoded)
    head = bytes((0x90 | count,)) if count < _SMALL else b"\xdc" + count.to_bytes(2, "big")
    return head + b"".join(encoded)


def posts_of(message: bytes) -> list[Post]:
    """The posts in a message.

    Raises:
        UnknownMessage: it is none of ours, or of a build that knows more.
    """
    return _POSTS.decode(message)


def name_of(message: bytes) -> str:
    """What the server recognises a repeated message by: all that it says, not its first number.

    A number would be wrong: a repeated publish may be joined by events that came meanwhile, and a server
    that took the longer message for the shorter one would lose them.
    """
    return blake2b(message, digest_size=16).hexdigest()
