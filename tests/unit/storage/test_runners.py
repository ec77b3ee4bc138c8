"""Effects run whole or not at all, share a commit, and keep out of each other's way."""

from __future__ import annotations

import asyncio
import threading

import pytest

from actors.ports.clock import SystemClock
from sharding.errors import StorageUnavailable
from storage.embedded.database import MEMORY, open_database
from storage.embedded.runners import InlineRunner
from storage.embedded.thread_runner import ThreadRunner, ThreadSettings


def put(key, value="x"):
    return lambda connection: (
        connection.execute("INSERT INTO meta (key, value) VALUES (?, ?)", (key, value)).rowcount
    )


def keys(connection):
    found = connection.execute("SELECT key FROM meta WHERE key LIKE 'k%' ORDER BY key")
    return [key for (key,) in found]


class Oops(Exception):
    pass


def failing(effect):
    def run(connection):
        effect(connection)
        raise Oops

    return run


def threads(**settings):
    return ThreadRunner(SystemClock(), ThreadSettings(**settings))


@pytest.fixture(params=["inline", "inline-file", "threads-memory", "threads-file"])
async def database(request, tmp_path):
    runner = InlineRunner() if request.param.startswith("inline") else threads()
    path = tmp_path / "k.db" if request.param.endswith("file") else MEMORY
    async with open_database(path, runner) as database:
        yield database


class Held:
    """An effect that keeps the writer busy until it is let go."""

    def __init__(self):
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, connection):
        self.begun.set()
        self.go.wait(10)


async def test_a_write_is_seen_by_the_next_read(database):
    await database.write(put("k1"))
    assert await database.read(keys) == ["k1"]


async def test_an_effect_that_raises_is_undone_and_says_so_itself(database):
    with pytest.raises(Oops):
        await database.write(failing(put("k1")))
    await database.write(put("k2"))
    assert await database.read(keys) == ["k2"]


async def test_one_that_raises_is_undone_alone(database):
    effects = [put(f"k{n}") if n % 2 else failing(put(f"k{n}")) for n in range(8)]
    results = await asyncio.gather(*map(database.write, effects), return_exceptions=True)
    assert [isinstance(result, Oops) for result in results] == [True, False] * 4
    assert await database.read(keys) == ["k1", "k3", "k5", "k7"]


async def test_a_reading_effect_cannot_write_for_good(database):
    try:
        await database.read(put("k1"))
    except Exception:
        pass
    assert await database.read(keys) == []


async def test_numbers_prove_what_was_touched(database):
    before = database.statistics()
    await database.write(put("k1"))
    await database.read(keys)
    after = database.statistics()
    assert (after.writes - before.writes, after.reads - before.reads) == (1, 1)
    assert after.waiting == 0


async def test_a_closed_database_refuses_and_did_nothing(tmp_path):
    for runner in (InlineRunner(), threads()):
        async with open_database(tmp_path / "k.db", runner) as database:
            pass
        for call in (database.write(put("k")), database.read(keys)):
            with pytest.raises(StorageUnavailable) as refused:
                await call
            assert refused.value.executed is False


async def test_what_waits_while_the_writer_is_busy_shares_one_commit(tmp_path):
    async with open_database(tmp_path / "k.db", threads()) as database:
        held = Held()
        first = asyncio.ensure_future(database.write(held))
        await asyncio.to_thread(held.begun.wait)
        rest = asyncio.gather(*(database.write(put(f"k{n}")) for n in range(100)))
        await asyncio.sleep(0)
        before = database.statistics()
        assert before.waiting == 101
        held.go.set()
        await first
        await rest
        assert database.statistics().batches - before.batches == 2
        assert len(await database.read(keys)) == 100


async def test_a_batch_is_bounded(tmp_path):
    async with open_database(tmp_path / "k.db", threads(max_batch=10)) as database:
        held = Held()
        first = asyncio.ensure_future(database.write(held))
        await asyncio.to_thread(held.begun.wait)
        rest = asyncio.gather(*(database.write(put(f"k{n}")) for n in range(25)))
        await asyncio.sleep(0)
        before = database.statistics().batches
        held.go.set()
        await asyncio.gather(first, rest)
        assert database.statistics().batches - before == 4


async def test_a_full_queue_refuses_and_did_nothing(tmp_path):
    async with open_database(tmp_path / "k.db", threads(max_waiting_writes=2)) as database:
        held = Held()
        first = asyncio.ensure_future(database.write(held))
        second = asyncio.ensure_future(database.write(put("k1")))
        await asyncio.to_thread(held.begun.wait)
        with pytest.raises(StorageUnavailable) as refused:
            await database.write(put("k2"))
        assert refused.value.executed is False
        held.go.set()
        await asyncio.gather(first, second)
        assert await database.read(keys) == ["k1"]


async def test_readers_are_bounded_too(tmp_path):
    runner = threads(readers=1, max_waiting_reads=1)
    async with open_database(tmp_path / "k.db", runner) as database:
        held = Held()
        first = asyncio.ensure_future(database.read(held))
        await asyncio.to_thread(held.begun.wait)
        with pytest.raises(StorageUnavailable):
            await database.read(keys)
        held.go.set()
        await first


async def test_a_caller_that_left_before_the_writer_came_is_skipped(tmp_path):
    async with open_database(tmp_path / "k.db", threads()) as database:
        held = Held()
        first = asyncio.ensure_future(database.write(held))
        await asyncio.to_thread(held.begun.wait)
        left = asyncio.ensure_future(database.write(put("k1")))
        await asyncio.sleep(0)
        left.cancel()
        held.go.set()
        await first
        await database.write(put("k2"))
        assert await database.read(keys) == ["k2"]


async def test_closing_finishes_what_was_handed_in(tmp_path):
    async with open_database(tmp_path / "k.db", threads()) as database:
        held = Held()
        first = asyncio.ensure_future(database.write(held))
        rest = asyncio.gather(*(database.write(put(f"k{n}")) for n in range(5)))
        await asyncio.to_thread(held.begun.wait)
        held.go.set()
    await asyncio.gather(first, rest)
    async with open_database(tmp_path / "k.db", InlineRunner()) as database:
        assert len(await database.read(keys)) == 5


async def test_a_reader_sees_one_moment_while_others_write(tmp_path):
    async with open_database(tmp_path / "k.db", threads()) as database:
        begun, go = threading.Event(), threading.Event()

        def twice(connection):
            before = keys(connection)
            begun.set()
            go.wait(10)
            return before == keys(connection)

        reading = asyncio.ensure_future(database.read(twice))
        await asyncio.to_thread(begun.wait)
        await database.write(put("k1"))
        go.set()
        assert await reading


@pytest.mark.parametrize("beside", [0, 20])
async def test_a_full_disk_is_said_and_survived(tmp_path, beside):
    async with open_database(tmp_path / "k.db", threads()) as database:
        limit = await database.write(
            lambda connection: connection.execute("PRAGMA page_count").fetchone()[0]
        )

        def bound(connection):
            connection.execute(f"PRAGMA max_page_count={limit + 2}")

        await database.write(bound)
        results = await asyncio.gather(
            database.write(put("k1", "x" * 1_000_000)),
            *(database.write(put(f"k-{n}")) for n in range(beside)),
            return_exceptions=True,
        )
        assert isinstance(results[0], StorageUnavailable)
        assert all(isinstance(each, int | StorageUnavailable) for each in results)
        done = {f"k-{n}" for n, each in enumerate(results[1:]) if each == 1}
        await database.write(put("k2"))
        assert set(await database.read(keys)) == {*done, "k2"}


class Delay:
    """A delay that lets go one call at a time, and may raise."""

    def __init__(self):
        self.gates = asyncio.Semaphore(0)
        self.errors = {}
        self.calls = 0

    async def __call__(self):
        self.calls += 1
        if error := self.errors.get(self.calls):
            raise error
        await self.gates.acquire()


@pytest.fixture
async def slow():
    delay = Delay()
    delay.gates = asyncio.Semaphore(2)
    async with open_database(MEMORY, InlineRunner(delay)) as database:
        yield database, delay


async def peek(database, delay):
    delay.gates.release()
    delay.gates.release()
    return await database.read(keys)


@pytest.mark.parametrize(("released", "happened"), [(0, []), (1, ["k1"])])
async def test_inline_a_cancelled_caller_had_its_effect_exactly_if_it_was_past_it(
    slow, released, happened
):
    database, delay = slow
    writing = asyncio.ensure_future(database.write(put("k1")))
    for _ in range(released):
        delay.gates.release()
    for _ in range(5):
        await asyncio.sleep(0)
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    assert await peek(database, delay) == happened


@pytest.mark.parametrize(("call", "happened"), [(3, []), (4, ["k1"])])
async def test_inline_a_lost_call_did_nothing_and_a_lost_answer_did(slow, call, happened):
    database, delay = slow
    delay.errors[call] = StorageUnavailable()
    delay.gates.release()
    with pytest.raises(StorageUnavailable):
        await database.write(put("k1"))
    if call == 3:
        await delay.gates.acquire()
    assert await peek(database, delay) == happened
