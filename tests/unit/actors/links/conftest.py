"""A link that is connected to a scripted node, in virtual time."""

from __future__ import annotations

import pytest

from tests.unit.actors.links.house import House
from tests.unit.actors.links.wires import Wired
from tests.unit.actors.virtual_time import settled


@pytest.fixture
async def wired(clock, tasks):
    wired = Wired(clock)
    tasks.spawn(wired.link.run(), name="link")
    await settled(20)
    assert wired.link.up
    return wired


@pytest.fixture
def house(clock, tasks, alarms):
    return House(clock, tasks, alarms)
