"""The fence's rules: who may take a shard, who may write it, and what no sequence of bids can bring about."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sharding.fence import (
    Bid,
    Fence,
    first_timestamp,
    installed,
    may_commit,
    may_install,
    next_epoch,
)

HELD = Fence(
    epoch=10, owner="a", lease_until_ms=1_000, sealed=False, sequence=4, timestamp_high=10_004
)
GIVEN_UP = msgspec.structs.replace(HELD, sealed=True)


def bid(epoch=11, owner="b", **more):
    return Bid(shard=7, epoch=epoch, owner=owner, lease_until_ms=5_000, **more)


@pytest.mark.parametrize(
    ("fence", "wish", "now_ms", "refusal"),
    [
        (Fence(), bid(epoch=1), 0, None),
        (Fence(), bid(epoch=0), 0, "stale"),
        (HELD, bid(epoch=10), 2_000, "stale"),
        (HELD, bid(epoch=9), 2_000, "stale"),
        (HELD, bid(), 999, "lease_running"),
        (HELD, bid(), 1_000, None),
        (HELD, bid(owner="a"), 999, "lease_running"),
        (GIVEN_UP, bid(), 0, None),
        (GIVEN_UP, bid(epoch=10), 0, "stale"),
        (HELD, bid(proven_dead="a"), 0, None),
        (HELD, bid(proven_dead="c"), 0, "lease_running"),
        (HELD, bid(epoch=10, proven_dead="a"), 0, "stale"),
    ],
)
def test_a_shard_is_taken_only_from_nobody_from_the_dead_or_after_the_lease(
    fence, wish, now_ms, refusal
):
    assert may_install(fence, wish, now_ms=now_ms) == refusal


@pytest.mark.parametrize(
    ("fence", "write", "refusal"),
    [
        (HELD, {}, None),
        (HELD, {"epoch": 9}, "stale"),
        (HELD, {"epoch": 11}, "stale"),
        (HELD, {"owner": "b"}, "stale"),
        (GIVEN_UP, {}, "sealed"),
        (HELD, {"now_ms": 1_000}, "lease_over"),
        (HELD, {"now_ms": 999}, None),
        (HELD, {"sequence": 3}, "out_of_sequence"),
        (HELD, {"sequence": 5}, "out_of_sequence"),
        (GIVEN_UP, {"owner": "b"}, "stale"),
    ],
)
def test_only_the_present_owner_writes_and_only_the_next_commit(fence, write, refusal):
    says = {"epoch": 10, "owner": "a", "sequence": 4, "now_ms": 500, **write}
    assert may_commit(fence, **says) == refusal


def test_taking_over_keeps_what_was_counted():
    fence = installed(GIVEN_UP, bid())
    assert (fence.epoch, fence.owner, fence.sealed, fence.lease_until_ms) == (11, "b", False, 5_000)
    assert (fence.sequence, fence.timestamp_high) == (HELD.sequence, HELD.timestamp_high)


numbers = st.integers(0, 1 << 45)


@settings(max_examples=60)
@given(epoch=numbers, intended=numbers, unix_ms=numbers, high=st.integers(0, 1 << 55))
def test_the_next_epoch_is_above_everything_that_was_ever_used(epoch, intended, unix_ms, high):
    fence = Fence(epoch=epoch, timestamp_high=high)
    following = next_epoch(fence, intended=intended, unix_ms=unix_ms)
    assert following > max(epoch, intended, unix_ms)
    assert first_timestamp(following) > high
    assert may_install(fence, bid(epoch=following), now_ms=0) is None


@settings(max_examples=30)
@given(numbers)
def test_timestamps_of_an_epoch_are_above_those_of_the_one_before(epoch):
    assert first_timestamp(epoch + 1) - first_timestamp(epoch) == 1_000


steps = st.lists(
    st.tuples(
        st.sampled_from(["bid", "commit", "seal", "renew"]),
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, 300),
        st.sampled_from([None, "a", "b", "c"]),
    ),
    max_size=40,
)


@settings(max_examples=80)
@given(steps)
def test_no_history_lets_an_epoch_fall_or_have_two_owners(history):
    fence, now = Fence(), 0
    believed: dict[str, Fence] = {}
    owner_of: dict[int, str] = {}
    for act, who, pause, dead in history:
        now += pause
        before, mine = fence, believed.get(who)
        if act == "bid":
            wish = Bid(
                shard=0,
                epoch=next_epoch(mine or fence, intended=0, unix_ms=0),
                owner=who,
                lease_until_ms=now + 200,
                proven_dead=dead,
            )
            if may_install(fence, wish, now_ms=now) is None:
                fence = believed[who] = installed(fence, wish)
        elif mine is not None:
            refusal = may_commit(
                fence, epoch=mine.epoch, owner=who, sequence=mine.sequence, now_ms=now
            )
            if act == "commit" and refusal is None:
                fence = msgspec.structs.replace(fence, sequence=fence.sequence + 1)
                believed[who] = fence
            elif act == "seal" and (fence.epoch, fence.owner) == (mine.epoch, who):
                fence = msgspec.structs.replace(fence, sealed=True)
            elif act == "renew" and fence.owner == who and not fence.sealed:
                fence = msgspec.structs.replace(fence, lease_until_ms=now + 200)
        assert fence.epoch >= before.epoch
        assert fence.sequence - before.sequence in (0, 1)
        assert owner_of.setdefault(fence.epoch, fence.owner) == fence.owner
        writers = [
            name
            for name, each in believed.items()
            if may_commit(fence, epoch=each.epoch, owner=name, sequence=each.sequence, now_ms=now)
            is None
        ]
        assert len(writers) <= 1


def test_of_two_that_read_the_same_fence_one_gets_it():
    first, second = (
        bid(epoch=next_epoch(GIVEN_UP, intended=0, unix_ms=0), owner=who) for who in "bc"
    )
    after = installed(GIVEN_UP, first)
    assert may_install(after, second, now_ms=9_999) == "stale"


def test_the_very_same_commit_is_no_second_one():
    after = msgspec.structs.replace(HELD, sequence=HELD.sequence + 1)
    assert may_commit(after, epoch=10, owner="a", sequence=4, now_ms=0) == "out_of_sequence"
