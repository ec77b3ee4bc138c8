"""The table of tags: every slot computed, and frozen."""

from __future__ import annotations

from hashlib import sha256
from itertools import pairwise

from sharding.shards import SHARD_COUNT
from storage.redis.tags import SLOT_COUNT, TAGS, slot_of


def crc16(data):
    """CRC-16/XMODEM, as Redis Cluster's specification has it, a bit at a time."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ (0x1021 if crc & 0x8000 else 0)
            crc &= 0xFFFF
    return crc


def test_the_checksum_is_the_one_of_the_specification():
    assert crc16(b"123456789") == 0x31C3


def test_every_tag_lies_in_the_middle_of_its_shards_slots():
    assert [crc16(tag) % SLOT_COUNT for tag in TAGS] == [16 * i + 8 for i in range(SHARD_COUNT)]
    assert [slot_of(shard) for shard in range(SHARD_COUNT)] == [crc16(t) % SLOT_COUNT for t in TAGS]


def test_tags_are_short_and_need_no_quoting():
    assert all(len(tag) <= 4 and tag.isalnum() for tag in TAGS)


def test_the_table_never_changes():
    frozen = "fc2a8a9fcbaf65ecdb12855e07b0186893cfb9b212ac918e9286ac57e56d1012"
    assert sha256(b" ".join(TAGS)).hexdigest() == frozen


def test_any_even_share_of_slots_is_an_even_share_of_shards():
    for masters in (3, 5, 12, 100):
        bounds = [SLOT_COUNT * i // masters for i in range(masters + 1)]
        shares = [
            sum(first <= slot_of(shard) < last for shard in range(SHARD_COUNT))
            for first, last in pairwise(bounds)
        ]
        assert max(shares) - min(shares) <= 1
