"""What every `Names` promises (gateway/ports.py)."""

from __future__ import annotations

import asyncio

import pytest

from sharding.errors import Conflict


async def test_a_claimed_name_is_nobody_elses_and_not_found_yet(names):
    assert await names.claim("ada", 1, 1_000)
    assert not await names.claim("ada", 2, 1_000)
    assert await names.lookup("ada") is None


async def test_a_confirmed_name_is_found_and_stays(names, clock):
    await names.claim("ada", 1, 1_000)
    await names.confirm("ada", 1)
    await names.confirm("ada", 1)
    clock.advance(3_600)
    assert await names.lookup("ada") == 1
    assert not await names.claim("ada", 2, 1_000)
    assert await names.claim("ada", 1, 1_000)
    clock.advance(3_600)
    assert await names.lookup("ada") == 1


async def test_a_claim_runs_out(names, clock):
    await names.claim("ada", 1, 1_000)
    clock.advance(1)
    assert await names.claim("ada", 2, 1_000)
    with pytest.raises(Conflict):
        await names.confirm("ada", 1)
    await names.confirm("ada", 2)
    assert await names.lookup("ada") == 2


async def test_claiming_again_prolongs_ones_own_claim(names, clock):
    await names.claim("ada", 1, 1_000)
    clock.advance(0.9)
    assert await names.claim("ada", 1, 1_000)
    clock.advance(0.9)
    assert not await names.claim("ada", 2, 1_000)


async def test_a_claim_that_ran_out_while_the_name_stayed_free_may_be_confirmed(names, clock):
    await names.claim("ada", 1, 1_000)
    clock.advance(2)
    await names.confirm("ada", 1)
    assert await names.lookup("ada") == 1


async def test_only_an_unconfirmed_claim_of_ones_own_is_released(names):
    await names.claim("ada", 1, 1_000)
    await names.release("ada", 2)
    assert not await names.claim("ada", 2, 1_000)
    await names.release("ada", 1)
    await names.release("ada", 1)
    assert await names.claim("ada", 2, 1_000)
    await names.confirm("ada", 2)
    await names.release("ada", 2)
    assert await names.lookup("ada") == 2


async def test_of_many_who_want_a_name_one_gets_it(names):
    won = await asyncio.gather(*(names.claim("ada", user, 1_000) for user in range(1, 20)))
    assert sum(won) == 1
