"""The store and the pure rules of `sharding.fence` never disagree; with a wrong rule, this suite notices."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from actors.ports.shard_store import Refused
from sharding import fence as rules
from sharding.fence import Fence
from storage.embedded.database import MEMORY, open_database
from storage.embedded.runners import InlineRunner
from storage.embedded.shard_commit import FenceRules
from storage.embedded.shard_store import SqliteShardStore
from tests.contracts.make import bid, commit


class Step(msgspec.Struct, frozen=True):
    """One call, told by how far it is off what the shard's owner would rightly do now."""

    kind: str
    epoch_off: int
    owner: str | None
    number_off: int
    wait_ms: int
    extra: int


def mostly(value, *others):
    return st.sampled_from([value] * 4 + list(others))


STEPS = st.lists(
    st.builds(
        Step,
        st.sampled_from(["install", "commit", "commit", "commit", "seal", "renew"]),
        mostly(0, -1, 1),
        mostly(None, "a", "b"),
        mostly(0, -1, 1),
        mostly(1, 0, 9),
        st.integers(0, 9),
    ),
    max_size=20,
)

EXAMPLES = settings(max_examples=60, deadline=None, derandomize=True, database=None)


class Call(msgspec.Struct, frozen=True):
    """A step as it is sent."""

    kind: str
    epoch: int
    owner: str
    number: int
    extra: int
    now_ms: int

    @property
    def bid(self):
        dead = "ab"[self.extra] if self.extra < 2 else None
        return bid(
            epoch=self.epoch,
            owner=self.owner,
            lease_until_ms=self.now_ms + self.number,
            proven_dead=dead,
        )


def call_of(step, fence, now_ms):
    ahead = 1 if step.kind == "install" else 0
    number = 4 if step.kind in ("install", "renew") else fence.sequence
    return Call(
        step.kind,
        fence.epoch + ahead + step.epoch_off,
        step.owner or fence.owner or "a",
        number + step.number_off,
        step.extra,
        now_ms,
    )


class Model:
    """One shard as the rules alone describe it."""

    def __init__(self):
        self.fence = Fence()

    def answer(self, call):
        """What the store must answer."""
        fence = self.fence
        mine = (fence.epoch, fence.owner) == (call.epoch, call.owner)
        if call.kind == "install":
            refusal = rules.may_install(fence, call.bid, now_ms=call.now_ms)
            if refusal is None:
                self.fence = rules.installed(fence, call.bid)
            return refusal
        if call.kind == "renew":
            if fence.owner == call.owner and not fence.sealed:
                until = max(fence.lease_until_ms, call.now_ms + call.number)
                self.fence = replace(fence, lease_until_ms=until)
            return None
        if call.kind == "seal":
            if not mine:
                return "stale"
            self.fence = replace(fence, sealed=True)
            return None
        if mine and fence.sequence == call.number + 1:
            return None
        refusal = rules.may_commit(
            fence, epoch=call.epoch, owner=call.owner, sequence=call.number, now_ms=call.now_ms
        )
        if refusal is None:
            high = max(fence.timestamp_high, call.extra)
            self.fence = replace(fence, sequence=call.number + 1, timestamp_high=high)
        return refusal


async def send(store, call):
    try:
        if call.kind == "install":
            (result,) = await store.install([call.bid], now_ms=call.now_ms)
            return getattr(result, "refusal", None)
        if call.kind == "renew":
            until = call.now_ms + call.number
            await store.renew([7], owner=call.owner, lease_until_ms=until)
        elif call.kind == "seal":
            await store.seal(7, epoch=call.epoch, owner=call.owner)
        else:
            sent = commit(
                call.number, epoch=call.epoch, owner=call.owner, timestamp_high=call.extra
            )
            await store.commit(sent, now_ms=call.now_ms)
    except Refused as refused:
        return refused.refusal
    return None


async def compare(steps, fence_rules):
    now_ms = 0
    async with open_database(MEMORY, InlineRunner()) as database:
        store, model = SqliteShardStore(database, fence_rules), Model()
        for step in steps:
            now_ms += step.wait_ms
            call = call_of(step, model.fence, now_ms)
            assert await send(store, call) == model.answer(call), call
            assert (await store.open(7)).fence == model.fence


@EXAMPLES
@given(STEPS)
def test_the_store_decides_as_the_rules_do(steps):
    asyncio.run(compare(steps, FenceRules()))


def equal_epoch_is_enough(fence, wish, *, now_ms):
    if not wish.epoch >= fence.epoch:
        return "stale"
    return rules.may_install(replace(fence, epoch=-1), wish, now_ms=now_ms)


def lease_is_ignored(fence, **asked):
    return rules.may_commit(fence, **{**asked, "now_ms": -1})


def seal_is_ignored(fence, **asked):
    return rules.may_commit(replace(fence, sealed=False), **asked)


def sequence_is_ignored(fence, *, sequence, **asked):
    return rules.may_commit(fence, sequence=fence.sequence, **asked)


def owner_is_ignored(fence, *, owner, **asked):
    return rules.may_commit(fence, owner=fence.owner, **asked)


@pytest.mark.parametrize(
    "wrong",
    [
        FenceRules(may_install=equal_epoch_is_enough),
        FenceRules(may_commit=lease_is_ignored),
        FenceRules(may_commit=seal_is_ignored),
        FenceRules(may_commit=sequence_is_ignored),
        FenceRules(may_commit=owner_is_ignored),
        FenceRules(installed=lambda fence, wish: fence),
    ],
    ids=["epoch", "lease", "seal", "sequence", "owner", "installed"],
)
def test_a_wrong_rule_is_noticed(wrong):
    # To be found is enough; the smallest example would take long and be read by nobody.
    @settings(EXAMPLES, max_examples=400, phases=[Phase.generate])
    @given(STEPS)
    def search(steps):
        asyncio.run(compare(steps, wrong))

    with pytest.raises(AssertionError):
        search()
