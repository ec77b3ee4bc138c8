"""A store that comes back with less than it had acknowledged, or with nothing, or not at all."""

from __future__ import annotations

import asyncio

import pytest

from sharding.errors import StorageUnavailable, Unavailable
from sharding.shards import shard_of
from storage.embedded.database import MEMORY, open_database
from storage.embedded.runners import InlineRunner
from tests.unit.actors.faults import Failing, Held
from tests.unit.actors.toy import Listen, Say, open_toys
from tests.unit.actors.virtual_time import settled

ANN = 1
SHARD = shard_of(ANN)

_TABLES = ("parts", "answers", "intents", "outbox", "links")


@pytest.fixture
async def database():
    async with open_database(MEMORY, InlineRunner()) as database:
        yield database


async def copied(database):
    """The state of Ann's shard as a copy that falls behind has it."""

    def effect(connection):
        tables = {
            table: connection.execute(f"SELECT * FROM {table} WHERE shard = ?", (SHARD,)).fetchall()
            for table in _TABLES
        }
        sequence = connection.execute(
            "SELECT sequence, timestamp_high FROM fences WHERE shard = ?", (SHARD,)
        ).fetchone()
        return tables, sequence

    return await database.read(effect)


async def put_back(database, copy):
    """What a fail-over to that copy does."""
    tables, (sequence, high) = copy

    def effect(connection):
        for table, rows in tables.items():
            connection.execute(f"DELETE FROM {table} WHERE shard = ?", (SHARD,))
            for row in rows:
                marks = ",".join("?" * len(row))
                connection.execute(f"INSERT INTO {table} VALUES ({marks})", row)
        connection.execute(
            "UPDATE fences SET sequence = ?, timestamp_high = ? WHERE shard = ?",
            (sequence, high, SHARD),
        )

    await database.write(effect)


async def wipe(database):
    """An empty store in its place."""

    def effect(connection):
        for table in _TABLES:
            connection.execute(f"DELETE FROM {table}")
        connection.execute(
            "UPDATE fences SET epoch = 0, owner = '', lease_until_ms = 0, sealed = 1,"
            " sequence = 0, timestamp_high = 0"
        )

    await database.write(effect)


async def test_the_owner_offers_again_what_a_store_that_is_behind_has_lost(database):
    async with open_toys(ANN, owner="a", database=database) as a:
        await a.ask(ANN, Say(word="one"))
        copy = await copied(database)
        await a.ask(ANN, Say(word="two"), key=b"k")
        await a.ask(ANN, Say(word="three"))
        await put_back(database, copy)
        assert await a.ask(ANN, Say(word="four")) == b"one two three four"
        assert a.runtime.statistics().replayed == 2
        assert a.runtime.statistics().shards_lost == 0
        # Answers kept for repeats came back as well.
        assert await a.ask(ANN, Say(word="two"), key=b"k") == b"one two"
    async with open_toys(ANN, owner="b", database=database, start=False) as b:
        await b.own(ANN, proven_dead="a")
        assert await b.words(ANN) == "one two three four"


async def test_what_the_owner_does_not_remember_any_more_costs_it_the_shard(database):
    async with open_toys(ANN, owner="a", database=database, recent_s=5.0) as a:
        await a.ask(ANN, Say(word="one"))
        copy = await copied(database)
        await a.ask(ANN, Say(word="two"))
        await a.clock.sleep(6)
        await a.runtime.keep()
        a.runtime.tick()
        await put_back(database, copy)
        with pytest.raises(Unavailable) as caught:
            await a.ask(ANN, Say(word="three"))
        assert caught.value.executed is None
        assert a.runtime.statistics().shards_lost == 1
        await a.own(ANN, proven_dead="a")
        assert await a.words(ANN) == "one"


async def test_remembering_is_bounded_in_bytes(database):
    async with open_toys(ANN, owner="a", database=database, recent_bytes=2_000) as a:
        copy = await copied(database)
        for _ in range(9):
            await a.ask(ANN, Say(word="x" * 300))
        await put_back(database, copy)
        with pytest.raises(Unavailable):
            await a.ask(ANN, Say(word="more"))


async def test_an_owner_whose_store_was_wiped_writes_nothing_more_and_bids_anew(database):
    async with open_toys(ANN, owner="a", database=database) as a:
        await a.ask(ANN, Say(word="one"))
        epoch = a.runtime.owned[SHARD].epoch
        a.runtime.dirty.clear()
        await wipe(database)
        with pytest.raises(Unavailable) as caught:
            await a.ask(ANN, Say(word="two"))
        assert caught.value.executed is None
        assert SHARD not in a.runtime.owned
        assert await a.own(ANN) == [SHARD]
        assert a.runtime.owned[SHARD].epoch > epoch
        # Counts of a shard whose state is gone are taken anew.
        assert a.runtime.dirty == {SHARD}
        assert await a.words(ANN) == ""


async def test_nobody_is_answered_once_the_lease_is_over_and_the_store_is_silent(database):
    async with open_toys(ANN, owner="a", database=database, lease_ms=3_000) as a:
        await a.ask(ANN, Say(word="one"))
        a.store.before["renew"] = Failing(99)
        await a.clock.sleep(2.9)
        await a.runtime.keep()
        assert await a.words(ANN) == "one"
        await a.clock.sleep(0.2)
        await a.runtime.keep()
        assert a.runtime.ask_nowait(ANN, Listen(), 0) is None
        with pytest.raises(Unavailable) as caught:
            await a.words(ANN)
        assert caught.value.executed is False
        assert a.runtime.statistics().shards_unsure == 1
        a.store.heal()
        await a.runtime.keep()
        assert await a.words(ANN) == "one"


async def test_shards_of_a_machine_that_answers_are_had_though_another_is_silent(database):
    far = next(each for each in range(2, 9_999) if shard_of(each) // 16 != SHARD // 16)
    async with open_toys(ANN, owner="a", database=database, start=False) as a:

        async def silent(shards, *more):
            if SHARD in shards:
                raise StorageUnavailable()

        a.store.before["fences"] = silent
        assert await a.own(ANN, far) == [shard_of(far)]
        with pytest.raises(StorageUnavailable):
            await a.own(ANN)


async def test_websockets_of_an_actor_that_is_thrown_away_are_attached_again(database):
    async with open_toys(ANN, owner="a", database=database) as a:
        await a.words(ANN)
        a.runtime.cells[ANN].actor.connections = ("phone",)
        await wipe(database)
        with pytest.raises(Unavailable):
            await a.ask(ANN, Say(word="one"))
        assert a.sockets.detached == ["phone"]


async def test_a_shard_is_renewed_though_its_neighbour_lies_on_a_machine_that_is_silent(database):
    near = next(
        each
        for each in range(2, 99_999)
        if shard_of(each) // 16 == SHARD // 16 and shard_of(each) != SHARD
    )
    async with open_toys(ANN, near, owner="a", database=database, lease_ms=3_000) as a:
        await a.words(ANN)
        await a.words(near)
        held = Held()

        async def silent(shards, **more):
            if SHARD in shards:
                await held()

        a.store.before["renew"] = silent
        for _ in range(5):
            renewing = asyncio.get_running_loop().create_task(a.runtime.keep())
            await settled()
            await renewing
            await a.clock.sleep(0.9)
        assert await a.words(near) == ""
        with pytest.raises(Unavailable):
            await a.words(ANN)
        held.let_go()
        await settled()
        await a.runtime.keep()
        assert await a.words(ANN) == ""
