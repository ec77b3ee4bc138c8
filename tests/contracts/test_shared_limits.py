"""What every `SharedLimits` promises (gateway/ports.py)."""

from __future__ import annotations

import asyncio

import pytest

MINUTE = {"per_window": 3, "window_ms": 60_000}


async def spend(limits, times, name="login", key="ada", **limit):
    return [await limits.spend(name, key, **(limit or MINUTE)) for _ in range(times)]


async def test_a_window_grants_what_it_holds_and_then_tells_how_long_to_wait(limits):
    assert await spend(limits, 4) == [None, None, None, pytest.approx(20)]


async def test_a_refusal_costs_nothing(limits, clock):
    await spend(limits, 9)
    clock.advance(20)
    assert await spend(limits, 2) == [None, pytest.approx(20)]


async def test_waiting_as_told_is_enough(limits, clock):
    *_, wait = await spend(limits, 4)
    clock.advance(wait - 1)
    assert await spend(limits, 1) == [pytest.approx(1, abs=0.01)]
    clock.advance(1)
    assert await spend(limits, 1) == [None]


async def test_a_window_without_use_fills_up_again_and_no_further(limits, clock):
    await spend(limits, 3)
    clock.advance(600)
    assert (await spend(limits, 4))[2:] == [None, pytest.approx(20)]


async def test_names_and_keys_do_not_share(limits):
    await spend(limits, 3)
    assert await spend(limits, 1, key="bob") == [None]
    assert await spend(limits, 1, name="register") == [None]


@pytest.mark.parametrize("key", ["", "a b\r\n", "{x}", "名前", "::1", "x" * 300])
async def test_a_key_may_hold_anything(limits, key):
    assert await spend(limits, 4, key=key) == [None, None, None, pytest.approx(20)]


async def test_a_window_that_does_not_divide_evenly_grants_all_that_it_holds(limits):
    granted = await spend(limits, 8, per_window=7, window_ms=1_000)
    assert [wait is None for wait in granted] == [True] * 7 + [False]


async def test_a_crowd_gets_no_more_than_the_window_holds(limits):
    granted = await asyncio.gather(
        *(limits.spend("login", "ada", per_window=5, window_ms=60_000) for _ in range(50))
    )
    assert granted.count(None) == 5
