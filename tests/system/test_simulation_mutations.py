"""The simulation earns its keep: with one guarantee taken out, some of its first seeds go red."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from actors.batch import ROWS
from actors.ports.shard_store import Commit, KeptAnswer, ShardHead
from actors.shard import OwnedShard
from sharding.fence import Bid, Fence, Refusal, may_install
from storage.embedded.shard_store import SqliteShardStore
from tests.support.checker import complaints
from tests.support.simulation import SCENARIOS, Mutation, simulate

#: Seeds that a broken guarantee may survive, at most.
SEEDS = 40


class ForgetfulStore(SqliteShardStore):
    """Keeps no answers for repeats."""

    __slots__ = ()

    async def answer(self, shard: int, op_id: bytes, *, now_ms: int) -> KeptAnswer | None:
        return None

    async def commit(self, commit: Commit, *, now_ms: int) -> None:
        await super().commit(msgspec.structs.replace(commit, answers=()), now_ms=now_ms)


def may_install_what_is_not_newer(fence: Fence, bid: Bid, *, now_ms: int) -> Refusal | None:
    """`may_install` with `>=` in the place of `>`."""
    older = msgspec.structs.replace(fence, epoch=fence.epoch - 1)
    return may_install(older, bid, now_ms=now_ms)


def test_without_the_replay_of_intents_an_answered_deed_is_lost(monkeypatch):
    recover = OwnedShard.recover

    async def forget(shard: OwnedShard, head: ShardHead) -> None:
        emptied = tuple(
            msgspec.structs.replace(intent, rows=ROWS.encode(())) for intent in head.intents
        )
        await recover(shard, msgspec.structs.replace(head, intents=emptied))

    monkeypatch.setattr(OwnedShard, "recover", forget)
    assert_red(Mutation(), range(SEEDS))


def test_without_dedupe_a_repeat_is_done_twice():
    assert_red(Mutation(store=ForgetfulStore), range(SEEDS))


def test_with_an_epoch_that_need_not_be_newer_two_hold_the_same():
    skewed = range(SCENARIOS.index("skewed"), SEEDS * len(SCENARIOS), len(SCENARIOS))
    assert_red(Mutation(may_install=may_install_what_is_not_newer), skewed, "epoch")


def assert_red(mutation: Mutation, seeds: range, word: str = "") -> None:
    """What users are left with must be wrong, not only what lies about."""
    found = (text for text in failures(mutation, seeds) if "are left" not in text)
    assert any(word in text for text in found), "the simulation is blind"


def failures(mutation: Mutation, seeds: range) -> Iterator[str]:
    for seed in seeds:
        try:
            found = complaints(*simulate(seed, mutation=mutation))
        except AssertionError as error:
            found = [repr(error)]
        yield from (f"seed {seed}: {text}" for text in found)
