"""A bid that is sent again because its answer was lost, and finds itself in force."""

from __future__ import annotations

import asyncio

import pytest

from actors.ports.shard_store import Refused
from storage.redis.settings import RedisSettings
from storage.redis.shard_store import RedisShardStore
from tests.contracts.clock import settled
from tests.contracts.make import bid
from tests.unit.storage.redis.fakes import A, FakePort, router, well

#: The fence after `bid()`, as the script tells it to whoever bids with the same epoch again.
IN_FORCE = (b"stale", b"10", b"a", b"1000", b"0", b"3", b"0")


async def outcome(second_answer, *, answer_lost):
    """What becomes of a bid whose node answers `second_answer`, at once or after a lost answer."""
    port = FakePort({A: (lambda command: None) if answer_lost else well(second_answer)})
    made, tasks = await router(port)
    store = RedisShardStore(made, RedisSettings())
    bidding = asyncio.ensure_future(store.install([bid()], now_ms=0))
    await settled()
    if answer_lost:
        port.nodes[A] = well(second_answer)
        port.links[A][0].close()
    (result,) = await bidding
    made.close()
    await tasks.close()
    return result


async def test_a_bid_whose_answer_was_lost_is_accepted_when_it_is_in_force():
    fence = await outcome(IN_FORCE, answer_lost=True)
    assert (fence.epoch, fence.owner, fence.sequence) == (10, "a", 3)


async def test_a_bid_that_was_answered_is_judged_by_the_rule_alone():
    assert isinstance(await outcome(IN_FORCE, answer_lost=False), Refused)


@pytest.mark.parametrize(
    "fence",
    [
        (b"stale", b"10", b"b", b"1000", b"0", b"3", b"0"),
        (b"stale", b"11", b"a", b"1000", b"0", b"3", b"0"),
        (b"stale", b"10", b"a", b"1000", b"1", b"3", b"0"),
        (b"lease_running", b"9", b"b", b"1000", b"0", b"3", b"0"),
    ],
    ids=["another owner", "a later epoch", "sealed since", "lease running"],
)
async def test_what_came_from_another_bid_is_refused_after_a_lost_answer_too(fence):
    assert isinstance(await outcome(fence, answer_lost=True), Refused)
