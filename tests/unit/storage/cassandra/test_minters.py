"""A minter number is held by one process at a time, and a holder that cannot know stops."""

from __future__ import annotations

import pytest

from sharding.errors import StorageUnavailable
from storage.cassandra.minters import MinterLease, MinterLost, take
from storage.cassandra.settings import CassandraSettings
from tests.contracts.clock import ManualClock

TTL_S = 600


class Minters:
    """Stands in for `Cassandra` with a table of minters: LWTs on a clock, answers that may get lost."""

    def __init__(self):
        self.settings = CassandraSettings(minter_lease_s=TTL_S)
        self.clock = ManualClock()
        self.table = {}
        self.down = False
        self.lose_answers = 0

    async def first(self, statement, *values):
        if self.down:
            raise StorageUnavailable
        now = self.clock.monotonic()
        self.table = {n: (who, until) for n, (who, until) in self.table.items() if until > now}
        verb = statement.cql.split()[0]
        if verb == "SELECT":
            held = self.table.get(values[0])
            return held and (held[0],)
        if verb == "INSERT":
            number, holder, ttl_s = values
            applied = number not in self.table
        else:
            ttl_s, holder, number, condition = values
            applied = self.table.get(number, ("",))[0] == condition
        if applied:
            self.table[number] = (holder, now + ttl_s)
        if self.lose_answers:
            self.lose_answers -= 1
            raise StorageUnavailable
        return (applied,)


@pytest.fixture
def minters():
    return Minters()


async def leased(minters, holder="me", number=5):
    assert await take(minters, number, holder)
    return MinterLease(minters, number, holder)


async def test_a_number_is_taken_by_one_alone(minters):
    await leased(minters)
    assert not await take(minters, 5, "you")


async def test_an_answer_that_was_lost_is_asked_back(minters):
    minters.lose_answers = 1
    assert await take(minters, 5, "me")
    minters.lose_answers = 1
    assert not await take(minters, 5, "you")


async def test_renewing_holds_it_for_another_while(minters):
    lease = await leased(minters)
    for _ in range(5):
        minters.clock.advance(TTL_S / 2)
        await lease.renew()
        assert lease.held
    minters.clock.advance(TTL_S)
    assert not lease.held


async def test_a_lapsed_number_that_nobody_took_is_taken_again(minters):
    lease = await leased(minters)
    minters.clock.advance(TTL_S * 1.5)
    await lease.renew()
    assert lease.held
    assert not await take(minters, 5, "you")


async def test_a_number_that_someone_else_took_is_lost(minters):
    lease = await leased(minters)
    minters.clock.advance(TTL_S + 1)
    assert await take(minters, 5, "you")
    with pytest.raises(MinterLost):
        await lease.renew()
    assert not lease.held


async def test_a_number_that_someone_may_have_had_meanwhile_is_lost(minters):
    lease = await leased(minters)
    minters.clock.advance(2 * TTL_S + 1)
    with pytest.raises(MinterLost):
        await lease.renew()


async def test_while_nothing_answers_the_lease_ends_by_itself(minters):
    lease = await leased(minters)
    minters.down = True
    minters.clock.advance(TTL_S - 1)
    with pytest.raises(StorageUnavailable):
        await lease.renew()
    assert lease.held
    minters.clock.advance(2)
    assert not lease.held
