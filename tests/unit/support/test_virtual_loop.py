"""Virtual time, the seeded order of what asyncio leaves open, and processes that die between two lines."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.virtual_loop import (
    LIFE,
    START_MS,
    Deadlock,
    Life,
    VirtualClock,
    VirtualTimeLoop,
)


def run(main, seed=1):
    loop = VirtualTimeLoop(seed)
    try:
        return loop.run_until_complete(main(loop))
    finally:
        loop.close()


def test_hours_pass_at_once():
    async def main(loop):
        clock = VirtualClock(loop, skew_ms=5)
        await clock.sleep(7200.0)
        return clock.monotonic(), clock.unix_ms()

    assert run(main) == (7200.0, START_MS + 5 + 7_200_000)


def test_timeouts_and_cancellation_are_those_of_asyncio():
    async def main(loop):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3.0):
                await loop.create_future()
        task = asyncio.create_task(asyncio.sleep(100.0))
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return loop.time()

    assert run(main) == 4.0


def test_what_is_ready_runs_first_in_first_out():
    async def main(loop):
        order: list[int] = []
        for number in range(20):
            loop.call_soon(order.append, number)
        await asyncio.sleep(1.0)
        return order

    assert run(main) == list(range(20))


def test_timers_of_one_instant_run_in_an_order_that_the_seed_decides():
    async def main(loop):
        order: list[int] = []
        for number in range(20):
            loop.call_later(1.0, order.append, number)
        await asyncio.sleep(2.0)
        return order

    assert run(main, 1) == run(main, 1)
    assert run(main, 1) != run(main, 2)
    assert sorted(run(main, 2)) == list(range(20))


def test_a_deadlock_names_who_waits():
    async def main(loop):
        await loop.create_future()

    with pytest.raises(Deadlock, match="main"):
        run(main)


def process(loop, work):
    life = Life("it")
    token = LIFE.set(life)
    task = loop.create_task(work)
    LIFE.reset(token)
    return life, task


def test_the_dead_run_neither_except_nor_finally():
    async def main(loop):
        done = []

        async def work():
            try:
                done.append("begun")
                await asyncio.sleep(1.0)
                done.append("slept")
                await asyncio.create_task(asyncio.sleep(1.0))
            except BaseException:
                done.append("except")
                raise
            finally:
                done.append("finally")

        life, _ = process(loop, work())
        await asyncio.sleep(1.5)
        loop.kill(life)
        await asyncio.sleep(10.0)
        seen = list(done)
        life.bury()
        return seen

    assert run(main) == ["begun", "slept"]


def test_the_frozen_go_on_where_they_were():
    async def main(loop):
        done = []

        async def work():
            for number in range(4):
                await asyncio.sleep(1.0)
                done.append((number, loop.time()))

        life, task = process(loop, work())
        await asyncio.sleep(1.5)
        loop.freeze(life)
        await asyncio.sleep(10.0)
        loop.thaw(life)
        await task
        return done

    assert run(main) == [(0, 1.0), (1, 11.5), (2, 12.5), (3, 13.5)]


def test_a_callback_that_fails_is_written_down():
    async def main(loop):
        def fail():
            raise RuntimeError("no")

        loop.call_soon(fail)
        await asyncio.sleep(0.1)
        return loop.broken

    assert "no" in run(main)[0]
