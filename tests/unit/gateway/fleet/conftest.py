"""Every test here runs in virtual time, as those of the links do."""

from __future__ import annotations

import pytest

from actors.tasks import TaskSet
from tests.unit.actors.faults import Alarms
from tests.unit.actors.virtual_time import VirtualClock, VirtualLoop


def pytest_asyncio_loop_factories(config, item):
    return {"virtual": VirtualLoop}


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
async def tasks():
    alarms = Alarms()
    tasks = TaskSet(alarms)
    yield tasks
    await tasks.close()
    assert not alarms
