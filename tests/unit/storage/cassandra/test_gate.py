"""The gate lets in as many as it says, in order, and refuses in bounded time with a definite answer."""

from __future__ import annotations

import asyncio

import pytest

from sharding.errors import StorageUnavailable
from storage.cassandra.gate import Gate
from tests.contracts.clock import settled


async def test_those_who_wait_enter_in_the_order_they_came():
    gate = Gate(1, 10, 60)
    await gate.enter()
    entered = []

    async def visitor(name):
        await gate.enter()
        entered.append(name)

    async with asyncio.TaskGroup() as group:
        for name in "abc":
            group.create_task(visitor(name))
        await settled()
        assert (gate.inside, gate.waiting, entered) == (1, 3, [])
        # Room that was waited for is not for whoever passes by.
        gate.leave()
        assert not gate.enter_nowait()
        await settled()
        assert entered == ["a"]
        gate.leave()
        gate.leave()
    assert entered == ["a", "b", "c"]
    gate.leave()
    assert (gate.inside, gate.waiting) == (0, 0)


async def test_one_too_many_in_line_is_refused_at_once():
    gate = Gate(1, 0, 60)
    await gate.enter()
    with pytest.raises(StorageUnavailable) as refused:
        await gate.enter()
    assert refused.value.executed is False


async def test_waiting_too_long_is_refused_and_leaves_no_trace():
    gate = Gate(1, 5, 0.001)
    await gate.enter()
    with pytest.raises(StorageUnavailable) as refused:
        await gate.enter()
    assert refused.value.executed is False
    assert (gate.inside, gate.waiting) == (1, 0)
    gate.leave()
    assert gate.enter_nowait()


@pytest.mark.parametrize("given", [False, True])
async def test_a_place_of_someone_cancelled_goes_to_the_next(given):
    gate = Gate(1, 5, 60)
    await gate.enter()
    first = asyncio.ensure_future(gate.enter())
    second = asyncio.ensure_future(gate.enter())
    await settled()
    if given:
        # Its turn has come, and it has not run since.
        gate.leave()
    first.cancel()
    await settled()
    assert first.cancelled()
    if not given:
        gate.leave()
    await second
    assert (gate.inside, gate.waiting) == (1, 0)
