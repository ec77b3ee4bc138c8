"""A limit lets in what its rate allows, never more, and says when to come back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.bounded import BoundedTable
from gateway.limits import Limit
from gateway.settings import Rate
from sharding.errors import RateLimited
from tests.unit.gateway.clock import StandingClock


def limit(clock, per_s=1.0, burst=3, keys=100):
    return Limit("tests", Rate(per_s=per_s, burst=burst), keys=keys, clock=clock)


def admitted(limit, key="k"):
    try:
        limit.spend(key)
    except RateLimited:
        return False
    return True


def test_a_burst_is_let_in_and_then_one_each_interval():
    clock = StandingClock()
    one = limit(clock)
    assert [admitted(one) for _ in range(4)] == [True, True, True, False]
    clock.advance(1)
    assert [admitted(one) for _ in range(2)] == [True, False]


def test_waiting_as_long_as_told_is_enough_and_less_is_not():
    clock = StandingClock()
    one = limit(clock, per_s=2.0, burst=1)
    one.spend("k")
    with pytest.raises(RateLimited) as refused:
        one.spend("k")
    wait = refused.value.retry_after_s
    assert wait == 0.5
    clock.advance(wait - 0.01)
    assert not admitted(one)
    clock.advance(0.01)
    assert admitted(one)


def test_keys_do_not_disturb_each_other():
    one = limit(StandingClock(), burst=1)
    assert admitted(one, "a")
    assert admitted(one, "b")
    assert not admitted(one, "a")


def test_hammering_does_not_lengthen_the_wait():
    clock = StandingClock()
    one = limit(clock, burst=1)
    one.spend("k")
    for _ in range(50):
        assert not admitted(one)
    clock.advance(1)
    assert admitted(one)


@given(
    steps=st.lists(st.floats(0, 3), max_size=60),
    per_s=st.floats(0.1, 20),
    burst=st.integers(1, 10),
)
def test_never_more_than_rate_and_burst_in_any_stretch(steps, per_s, burst):
    clock = StandingClock()
    one = limit(clock, per_s=per_s, burst=burst)
    times = []
    for step in steps:
        clock.advance(step)
        if admitted(one):
            times.append(clock.monotonic())
    for first in range(len(times)):
        for last in range(first, len(times)):
            stretch = times[last] - times[first]
            assert last - first + 1 <= burst + stretch * per_s + 1e-6


def test_a_flood_of_keys_forgets_the_oldest_and_grows_no_further():
    one = limit(StandingClock(), burst=1, keys=10)
    for key in range(1_000):
        assert admitted(one, key)
    assert not admitted(one, 999)
    assert admitted(one, 0)


def test_a_limit_that_lets_nothing_in_is_refused():
    with pytest.raises(ValueError, match="nothing in"):
        limit(StandingClock(), burst=0)


@given(st.lists(st.tuples(st.integers(0, 20), st.integers()), max_size=100), st.integers(1, 8))
def test_a_bounded_table_holds_the_youngest(puts, capacity):
    table: BoundedTable[int, int] = BoundedTable(capacity)
    order: dict[int, int] = {}
    for key, value in puts:
        table.put(key, value)
        order.pop(key, None)
        order[key] = value
    youngest = dict(list(order.items())[-capacity:])
    assert len(table) == len(youngest)
    assert all(table.get(key) == value for key, value in youngest.items())
