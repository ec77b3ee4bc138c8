"""Minter numbers on a real Cassandra: many processes that start at once each get their own."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from actors.ports.clock import SystemClock
from actors.tasks import TaskSet
from storage.cassandra.minters import MinterLost, lease_minter
from storage.cassandra.session import Cassandra
from tests.contracts.cassandra import open_keyspace
from tests.contracts.clock import until

pytestmark = pytest.mark.engines


class SameDice(random.Random):
    """Names each holder otherwise, and yet makes all of them want the same numbers first."""

    def shuffle(self, numbers):
        numbers.sort()


@pytest.fixture(scope="module")
def keyspace(engines):
    with open_keyspace(engines.cassandra()) as keyspace:
        yield keyspace


async def test_many_who_start_at_once_hold_numbers_of_their_own(keyspace):
    cassandra = keyspace.emptied(SystemClock())
    tasks = TaskSet(lambda name, error: None)
    leases = await asyncio.gather(
        *(lease_minter(cassandra, tasks, SameDice(n), lost=lambda: None) for n in range(8))
    )
    numbers = [lease.number for lease in leases]
    assert len(set(numbers)) == len(numbers)
    assert all(0 <= number < 1024 for number in numbers)
    assert all(lease.held for lease in leases)
    assert await tasks.close() == len(numbers)


async def test_a_holder_is_told_when_the_number_is_someone_elses(keyspace):
    clock = SystemClock()
    keyspace.emptied(clock)
    short = Cassandra(keyspace.driver, clock, replace(keyspace.settings, minter_lease_s=1))
    told, alarms = [], []
    tasks = TaskSet(lambda name, error: alarms.append(error))
    lease = await lease_minter(short, tasks, random.Random(1), lost=lambda: told.append(True))
    # What a paused process finds: its lease lapsed, and somebody else was given the number.
    keyspace.driver.execute(
        f"UPDATE {keyspace.settings.keyspace}.minters SET holder = 'you' WHERE number = %s"
        " IF EXISTS",
        (lease.number,),
        timeout_s=10.0,
    )
    await until(lambda: told)
    await until(lambda: alarms)
    assert isinstance(alarms[0], MinterLost)
    await tasks.close()
