"""Tasks and lines: nothing outlives its owner, no failure is silent, and no task waits for nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from actors.line import Line
from actors.tasks import TaskSet
from tests.unit.actors.faults import Held
from tests.unit.actors.virtual_time import settled


async def test_a_task_that_fails_is_told_by_its_name(tasks, alarms):
    async def fail():
        raise KeyError("lost")

    tasks.spawn(fail(), name="finder")
    await settled()
    assert [(name, repr(error)) for name, error in alarms] == [("finder", "KeyError('lost')")]
    assert len(tasks) == 0


async def test_a_task_that_is_cancelled_is_no_failure(tasks, alarms):
    tasks.spawn(asyncio.sleep(9), name="sleeper").cancel()
    await settled()
    assert not alarms


async def test_closing_ends_what_runs_and_waits_for_it(alarms):
    tasks, ended = TaskSet(alarms), []

    async def tidy_up():
        try:
            await asyncio.sleep(1_000)
        finally:
            await asyncio.sleep(1)
            ended.append(True)

    tasks.spawn(tidy_up(), name="tidy")
    await settled()
    assert await tasks.close() == 1
    assert ended == [True]
    assert len(tasks) == 0


async def test_after_closing_nothing_is_begun(alarms):
    tasks = TaskSet(alarms)
    await tasks.close()
    work: Any = asyncio.sleep(1)
    with pytest.raises(RuntimeError, match="no task 'late'"):
        tasks.spawn(work, name="late")
    assert work.cr_frame is None, "it was closed, so nobody is told that it was never awaited"


async def test_a_line_does_its_work_in_order_and_one_at_a_time(tasks):
    done, at_work = [], 0

    async def work(item):
        nonlocal at_work
        at_work += 1
        assert at_work == 1
        await asyncio.sleep(10 - item)
        at_work -= 1
        done.append(item)

    line = Line("l", work, tasks)
    for item in range(5):
        line.put(item)
    await asyncio.sleep(100)
    assert done == list(range(5))


async def test_an_idle_line_has_no_task(tasks):
    held = Held()
    line = Line("l", held, tasks)
    assert (line.idle, len(tasks)) == (True, 0)
    line.put(1)
    line.put(2)
    await held.reached.wait()
    assert (line.idle, len(tasks), len(line)) == (False, 1, 1)
    held.let_go()
    await settled()
    assert (line.idle, len(tasks), len(line)) == (True, 0, 0)


async def test_a_line_goes_on_after_a_failure(tasks, alarms):
    done = []

    async def work(item):
        if item == "bad":
            raise ValueError
        done.append(item)

    line = Line("l", work, tasks)
    line.put("bad")
    await settled()
    assert [name for name, _ in alarms] == ["l"]
    line.put("good")
    await settled()
    assert done == ["good"]
