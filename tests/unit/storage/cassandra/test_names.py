"""A transaction whose answer is lost is looked up, never guessed: no name is promised twice, none is lost."""

from __future__ import annotations

import pytest

from sharding.errors import Conflict, StorageUnavailable
from storage.cassandra import names as module
from storage.cassandra.names import MAX_ATTEMPTS, CassandraNames
from tests.contracts.clock import ManualClock


class Usernames:
    """Stands in for `Cassandra` with one table of names, and an engine that may fail around a transaction."""

    def __init__(self):
        self.clock = ManualClock()
        self.rows = {}
        #: For each transaction to come: "before" (it is not done), "after" (its answer is lost), or a rival's row.
        self.faults = []
        self.transactions = 0

    async def first(self, statement, *values):
        if statement in (module._SETTLED, module._LOOKUP):
            return self.rows.get(values[0])
        self.transactions += 1
        fault = self.faults.pop(0) if self.faults else None
        if fault == "before":
            raise StorageUnavailable
        if isinstance(fault, tuple):
            self.rows["ada"] = fault
        applied = self.apply(statement, values)
        if fault == "after":
            raise StorageUnavailable
        return (applied,)

    def apply(self, statement, values):
        if statement in (module._CLAIM, module._HOLD_FREE):
            name, row = values[0], (values[1], values[2] if statement is module._CLAIM else 0)
            condition = name not in self.rows
        elif statement is module._TAKE:
            name, row = values[3], (values[1], values[2])
            condition = self.rows.get(name) == values[4:]
        elif statement is module._HOLD:
            name, row = values[1], (values[0], 0)
            condition = self.rows.get(name) == values[2:]
        else:
            name, row = values[0], None
            held = self.rows.get(name)
            condition = held is not None and held[0] == values[1] and held[1] > 0
        if condition and row is None:
            del self.rows[name]
        elif condition:
            self.rows[name] = row
        return condition


@pytest.fixture
def table():
    return Usernames()


@pytest.fixture
def names(table):
    return CassandraNames(table)


@pytest.mark.parametrize("fault", ["before", "after"])
async def test_a_claim_whose_answer_was_lost_is_told_truly(names, table, fault):
    table.faults = [fault]
    assert await names.claim("ada", 1, 1_000)
    assert table.transactions == (2 if fault == "before" else 1)
    assert not await names.claim("ada", 2, 1_000)


@pytest.mark.parametrize("fault", ["before", "after"])
async def test_a_confirmation_whose_answer_was_lost_is_final(names, table, fault):
    await names.claim("ada", 1, 1_000)
    table.faults = [fault]
    await names.confirm("ada", 1)
    assert await names.lookup("ada") == 1


@pytest.mark.parametrize("fault", ["before", "after"])
async def test_a_release_whose_answer_was_lost_is_done(names, table, fault):
    await names.claim("ada", 1, 1_000)
    table.faults = [fault]
    await names.release("ada", 1)
    assert table.rows == {}


async def test_a_rival_who_was_quicker_has_the_name(names, table):
    table.faults = [(2, table.clock.unix_ms() + 1_000)]
    assert not await names.claim("ada", 1, 1_000)
    table.faults = []
    with pytest.raises(Conflict):
        await names.confirm("ada", 1)


async def test_an_engine_that_stays_silent_is_told_after_a_few_attempts(names, table):
    table.faults = ["before"] * 99
    with pytest.raises(StorageUnavailable):
        await names.claim("ada", 1, 1_000)
    assert table.transactions == MAX_ATTEMPTS
