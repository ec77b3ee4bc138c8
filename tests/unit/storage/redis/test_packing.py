"""What goes into Redis comes out as it was."""

from __future__ import annotations

from actors.ports.shard_store import KeptAnswer, PartWrite
from sharding.fence import Fence
from storage.redis.keys import ShardKeys, limit_key
from storage.redis.packing import fence_of, pack_answer, pack_commit, unpack_answer
from tests.contracts.make import commit

KEYS = ShardKeys(b"k:", 0)


def test_a_fence_that_is_not_there_is_that_of_a_shard_nobody_ever_owned():
    assert fence_of([None] * 6) == Fence()


def test_a_kept_answer_survives_whatever_bytes_it_holds():
    kept = KeptAnswer(op_id=b"\x00", digest=b"\xff" * 32, answer=b"\x00\xff", expires_ms=2**50)
    assert unpack_answer(b"\x00", pack_answer(kept)) == kept


def test_of_two_writes_to_one_part_the_last_is_sent():
    writes = (PartWrite(1, "a", b"1"), PartWrite(2, "a", b"2"), PartWrite(1, "a", None))
    keys, arguments = pack_commit(KEYS, commit(writes=writes), now_ms=1, sweep_bite=1)
    assert keys[7:] == (KEYS.parts(1), KEYS.parts(2))
    assert arguments[7:14] == (b"0", b"1", b"a", b"2", b"a", b"2", b"0")


def test_all_keys_of_a_commit_share_a_tag():
    keys, _ = pack_commit(KEYS, commit(writes=(PartWrite(9, "a", b""),)), now_ms=1, sweep_bite=1)
    assert len({key.partition(b"{")[2].partition(b"}")[0] for key in keys}) == 1
    assert len(set(keys)) == len(keys)


def test_a_limits_key_cannot_choose_its_slot():
    slot, key = limit_key(b"k:", "login", "{x}")
    assert key.startswith(b"k:{")
    assert slot % 16 == 8
