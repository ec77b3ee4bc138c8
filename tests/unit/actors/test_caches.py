"""`ReadCache`: one read however many ask, bounded, and never a value older than the last word about it."""

from __future__ import annotations

import asyncio

import pytest

from actors.caches import ReadCache
from actors.turn import Need, Turn
from sharding.errors import StorageUnavailable
from tests.unit.actors.faults import Held
from tests.unit.actors.virtual_time import settled


class Shop:
    """What the cache reads: a number for each name in stock."""

    def __init__(self):
        self.stock = {"apple": 1, "pear": 2}
        self.reads = []
        self.held = None
        self.closed = False

    async def read(self, keys):
        found = {key: self.stock[key] for key in keys if key in self.stock}
        self.reads.append(tuple(keys))
        if self.held is not None:
            await self.held()
        if self.closed:
            raise StorageUnavailable()
        return found


@pytest.fixture
def shop():
    return Shop()


@pytest.fixture
def cache(shop, tasks):
    return ReadCache("shop", 3, shop.read, tasks)


def start(coroutine):
    return asyncio.get_running_loop().create_task(coroutine)


def turn():
    return Turn(1, 0, {})


async def test_what_was_read_is_there(cache, shop):
    assert await cache.read(["apple"]) == {"apple": 1}
    assert cache.get("apple") == 1
    assert cache.entries(turn(), ["apple"]) == {"apple": 1}
    assert shop.reads == [("apple",)]


async def test_that_there_is_nothing_is_remembered_too(cache):
    assert await cache.read(["fig"]) == {}
    assert cache.knows("fig")
    assert cache.entries(turn(), ["fig"]) == {}


async def test_what_is_missing_is_needed_in_one_read(cache):
    await cache.read(["apple"])
    with pytest.raises(Need) as caught:
        cache.entries(turn(), ["apple", "pear", "fig", "pear"])
    assert caught.value.key == ("shop", ("pear", "fig"))
    assert await caught.value.load() == {"pear": 2}


async def test_however_many_ask_it_is_read_once(cache, shop):
    shop.held = Held()
    asking = [start(cache.read(["apple", "pear"])) for _ in range(5)]
    await settled()
    overlapping = start(cache.read(["pear", "fig"]))
    await settled()
    shop.held.let_go()
    assert await asyncio.gather(*asking) == [{"apple": 1, "pear": 2}] * 5
    assert await overlapping == {"pear": 2}
    assert shop.reads == [("apple", "pear"), ("fig",)]
    assert cache.statistics().reads == 2


async def test_what_was_spoiled_while_it_was_read_is_used_but_not_kept(cache, shop):
    shop.held = Held()
    early = start(cache.read(["apple"]))
    await shop.held.reached.wait()
    shop.stock["apple"] = 7
    cache.spoil("apple")
    shop.held.let_go()
    assert await early == {"apple": 1}
    assert not cache.knows("apple")
    assert await cache.read(["apple"]) == {"apple": 7}


async def test_who_asks_after_the_change_does_not_join_the_old_read(cache, shop):
    held = shop.held = Held()
    early = start(cache.read(["apple"]))
    await held.reached.wait()
    shop.stock["apple"] = 7
    cache.spoil("apple")
    shop.held = None
    late = start(cache.read(["apple"]))
    await settled()
    assert await late == {"apple": 7}
    held.let_go()
    assert await early == {"apple": 1}
    assert cache.get("apple") == 7, "the old value came last and must not win"


async def test_a_condition_spoils_entries_and_everything_that_is_being_read(cache, shop):
    await cache.read(["apple"])
    shop.held = Held()
    reading = start(cache.read(["pear"]))
    await shop.held.reached.wait()
    cache.spoil_where(lambda number: number == 1)
    shop.held.let_go()
    await reading
    assert (cache.knows("apple"), cache.knows("pear")) == (False, False)


async def test_a_condition_leaves_the_others(cache):
    await cache.read(["apple", "pear"])
    cache.spoil_where(lambda number: number == 1)
    assert (cache.knows("apple"), cache.get("pear")) == (False, 2)


async def test_the_least_recently_used_goes_first(cache, shop):
    shop.stock |= {"fig": 3, "plum": 4}
    await cache.read(["apple", "pear", "fig"])
    cache.get("apple")
    await cache.read(["plum"])
    assert [cache.knows(key) for key in ("apple", "pear", "fig", "plum")] == [
        True,
        False,
        True,
        True,
    ]
    assert (cache.statistics().entries, cache.statistics().evicted) == (3, 1)


async def test_a_failed_read_is_told_to_all_who_wait_and_not_remembered(cache, shop):
    shop.closed = True
    shop.held = Held()
    asking = [start(cache.read(["apple"])) for _ in range(3)]
    await shop.held.reached.wait()
    shop.held.let_go()
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(each) for each in outcomes] == [StorageUnavailable] * 3
    shop.closed = False
    assert await cache.read(["apple"]) == {"apple": 1}


async def test_a_reader_who_goes_away_does_not_end_the_read_of_others(cache, shop):
    shop.held = Held()
    first, second = start(cache.read(["apple"])), start(cache.read(["apple"]))
    await shop.held.reached.wait()
    first.cancel()
    shop.held.let_go()
    assert await second == {"apple": 1}
