"""Commits, fences and answers as Redis holds them; the layout is told in `keys` and `commit.lua`.

Flat arguments instead of one packed message: Redis' own MessagePack knows no binary values, and what an actor
keeps is binary.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import Any, cast

from actors.ports.shard_store import Commit, KeptAnswer, Link, PartWrite
from sharding.fence import Fence, Refusal
from storage.redis.keys import ShardKeys

#: What a script says when it did what it was asked.
OK = b"ok"

#: When a kept answer expires, in unix milliseconds, and the length of its digest, in bytes.
_ANSWER = struct.Struct(">QH")

#: Fields of a fence in the order of `fence_of`.
FENCE_FIELDS = (b"e", b"o", b"l", b"s", b"q", b"t")


def fence_of(fields: Sequence[bytes | None]) -> Fence:
    """The fence that these fields hold; one that is not there is that of a shard nobody ever owned."""
    epoch, owner, lease, sealed, sequence, high = fields
    return Fence(
        epoch=int(epoch or 0),
        owner=(owner or b"").decode(),
        lease_until_ms=int(lease or 0),
        sealed=sealed != b"0",
        sequence=int(sequence or 0),
        timestamp_high=int(high or 0),
    )


def refusal_of(said: bytes) -> Refusal:
    """The word with which a script refused."""
    return cast(Refusal, said.decode())


def pack_commit(
    keys: ShardKeys, commit: Commit, *, now_ms: int, sweep_bite: int
) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """KEYS and ARGV of commit.lua."""
    entities: list[bytes] = []
    arguments = [
        b"%d" % commit.epoch,
        commit.owner.encode(),
        b"%d" % commit.sequence,
        b"%d" % (commit.sequence + 1),
        b"%d" % commit.timestamp_high,
        b"%d" % now_ms,
        b"%d" % sweep_bite,
    ]
    if commit.writes:
        _pack_parts(commit.writes, keys, entities, arguments)
    _section(
        arguments,
        (
            each
            for kept in commit.answers
            for each in (kept.op_id, b"%d" % kept.expires_ms, pack_answer(kept))
        ),
    )
    _section(arguments, (each for i in commit.intents for each in (b"%d" % i.number, i.rows)))
    _section(arguments, (each for o in commit.outbox for each in (b"%d" % o.number, o.payload)))
    for links in (commit.sent, commit.received):
        _section(
            arguments,
            (
                each
                for link in links
                for each in (b"%d" % link.peer, b"%d %d" % (link.epoch, link.number))
            ),
        )
    _section(arguments, (b"%d" % number for number in commit.landed))
    _section(arguments, (b"%d" % number for number in commit.relayed))
    fixed = (
        keys.fence,
        keys.answers,
        keys.expiries,
        keys.intents,
        keys.outbox,
        keys.sent,
        keys.received,
    )
    return (*fixed, *entities), tuple(arguments)


def _pack_parts(
    writes: Iterable[PartWrite], keys: ShardKeys, entities: list[bytes], arguments: list[bytes]
) -> None:
    by_entity: dict[int, dict[str, bytes | None]] = {}
    for write in writes:
        by_entity.setdefault(write.entity, {})[write.part] = write.value
    for entity, parts in by_entity.items():
        entities.append(keys.parts(entity))
        _section(
            arguments,
            (
                each
                for part, value in parts.items()
                if value is not None
                for each in (part.encode(), value)
            ),
        )
        _section(arguments, (part.encode() for part, value in parts.items() if value is None))


def _section(arguments: list[bytes], values: Iterable[bytes]) -> None:
    at = len(arguments)
    arguments.append(b"0")
    arguments.extend(values)
    if len(arguments) > at + 1:
        arguments[at] = b"%d" % (len(arguments) - at - 1)


def pack_answer(kept: KeptAnswer) -> bytes:
    """One value that holds all of a kept answer but its op."""
    return _ANSWER.pack(kept.expires_ms, len(kept.digest)) + kept.digest + kept.answer


def unpack_answer(op_id: bytes, packed: bytes) -> KeptAnswer:
    """The answer that `pack_answer` made."""
    expires_ms, length = _ANSWER.unpack_from(packed)
    begin = _ANSWER.size
    return KeptAnswer(
        op_id=op_id,
        digest=packed[begin : begin + length],
        answer=packed[begin + length :],
        expires_ms=expires_ms,
    )


def unpack_links(fields: Sequence[bytes]) -> tuple[Link, ...]:
    """The links of one direction, from a hash."""
    links = []
    for peer, packed in pairs(fields):
        epoch, _, number = packed.partition(b" ")
        links.append(Link(peer=int(peer), epoch=int(epoch), number=int(number)))
    return tuple(links)


def by_number(fields: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """Numbers and their values of a hash, lowest first."""
    return sorted((int(number), value) for number, value in pairs(fields))


def pairs(fields: Sequence[Any]) -> Iterable[tuple[bytes, bytes]]:
    """The fields of a hash with their values, from Redis' flat reply."""
    return zip(fields[::2], fields[1::2], strict=True)
