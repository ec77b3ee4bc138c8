"""Every test here runs in virtual time."""

from __future__ import annotations

import pytest

from actors.tasks import TaskSet
from tests.unit.actors.faults import Alarms
from tests.unit.actors.stage import open_stage
from tests.unit.actors.virtual_time import VirtualClock, VirtualLoop


def pytest_asyncio_loop_factories(config, item):
    return {"virtual": VirtualLoop}


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def alarms():
    return Alarms()


@pytest.fixture
async def tasks(alarms):
    tasks = TaskSet(alarms)
    yield tasks
    await tasks.close()


@pytest.fixture
async def stage():
    async with open_stage() as stage:
        yield stage
