"""Processes of one installation over a NATS that is shared, or over one that a test may kill."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from actors.ports.clock import SystemClock
from actors.tasks import TaskSet
from storage.nats.opening import Nats, open_nats
from tests.contracts.nats import nats_settings, open_test_nats


@pytest.fixture
async def tasks():
    def alarm(name, error):
        raise AssertionError(f"task {name!r} failed") from error

    tasks = TaskSet(alarm)
    yield tasks
    await tasks.close()


@pytest.fixture
async def stack():
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def process(engines, stack, tasks):
    """Opens one more process of the same installation, with settings of its own."""
    shared = nats_settings(engines.nats())
    opened: list[Nats] = []

    async def open_process(**settings):
        mine = nats_settings(shared.servers[0], shared.prefix, **settings)
        opening = open_test_nats(mine, tasks, remove=not opened)
        opened.append(await stack.enter_async_context(opening))
        return opened[-1]

    return open_process


@pytest.fixture
def server(engines):
    """A NATS that a test may kill."""
    with engines.own_nats() as running:
        yield running.processes[0]


@pytest.fixture
def impatient(server):
    """Settings under which an outage is noticed soon."""
    return nats_settings(
        f"nats://{server.address}",
        timeout_s=0.5,
        connect_timeout_s=0.5,
        ping_every_s=0.3,
        reconnect_first_s=0.05,
        reconnect_longest_s=0.2,
        member_beat_s=0.1,
        member_gone_s=0.6,
        job_lease_s=1.0,
        job_look_every_s=0.1,
        close_timeout_s=0.5,
    )


@pytest.fixture
async def fragile(impatient, stack, tasks):
    """Opens a process over the NATS that a test may kill; does not wait for it."""

    async def open_process(origin="one"):
        opening = open_nats(impatient, SystemClock(), tasks, origin=origin)
        return await stack.enter_async_context(opening)

    return open_process
