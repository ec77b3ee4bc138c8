"""What every `ShardTableStore` promises (actors/ports/table.py)."""

from __future__ import annotations

import asyncio

from actors.ports.table import Member
from sharding.table import ShardTable
from tests.contracts.clock import until


def member(name="node-1", incarnation="a", started_ms=1):
    return Member(
        name=name, incarnation=incarnation, address="unix:/run/node", started_ms=started_ms
    )


class Watcher:
    """Keeps what it was told."""

    def __init__(self):
        self.sightings = []

    def __call__(self, sighting):
        self.sightings.append(sighting)

    @property
    def members(self):
        return dict(self.sightings[-1].members) if self.sightings else None

    @property
    def table(self):
        return self.sightings[-1].table if self.sightings else None


async def test_the_first_seed_is_the_one_in_force(holders):
    first, second = holders
    one, other = ShardTable.seeded(["a", "b"]), ShardTable.seeded(["c"])
    assert await first.seed(one) == one
    assert await second.seed(other) == one
    assert await first.seed(other) == one


async def test_seeds_at_the_same_time_lead_to_one_table(holders):
    tables = [ShardTable.seeded([name]) for name in "abcd"]
    found = await asyncio.gather(*(holders[n % 2].seed(table) for n, table in enumerate(tables)))
    assert len({repr(table) for table in found}) == 1


async def test_who_watches_is_told_of_what_was_there_before(holders):
    first, second = holders
    table = await first.seed(ShardTable.seeded(["a"]))
    await first.announce(member())
    watcher = Watcher()
    second.watch(watcher)
    await until(lambda: watcher.members == {"node-1": member()} and watcher.table == table)


async def test_who_watches_is_told_of_every_change(holders):
    first, second = holders
    watchers = Watcher(), Watcher()
    first.watch(watchers[0])
    second.watch(watchers[1])
    await until(lambda: all(each.sightings for each in watchers))
    assert watchers[1].table is None
    table = await first.seed(ShardTable.seeded(["a"]))
    await until(lambda: all(each.table == table for each in watchers))
    await second.announce(member())
    await until(lambda: all(each.members == {"node-1": member()} for each in watchers))
    await second.withdraw(member())
    await until(lambda: all(each.members == {} for each in watchers))
    assert watchers[0].table == table


async def test_a_restarted_node_is_seen_as_its_newest_start(holders):
    first, second = holders
    watcher = Watcher()
    second.watch(watcher)
    await first.announce(member(incarnation="a", started_ms=1))
    await second.announce(member(incarnation="b", started_ms=2))
    await until(lambda: watcher.members == {"node-1": member(incarnation="b", started_ms=2)})


async def test_a_late_goodbye_leaves_the_newer_incarnation(holders):
    first, second = holders
    watcher = Watcher()
    second.watch(watcher)
    await first.announce(member(incarnation="a", started_ms=1))
    await second.announce(member(incarnation="b", started_ms=2))
    await first.withdraw(member(incarnation="a", started_ms=1))
    await first.withdraw(member(incarnation="a", started_ms=1))
    await until(lambda: watcher.members == {"node-1": member(incarnation="b", started_ms=2)})


async def test_a_goodbye_of_nobody_is_fine(holders):
    await holders[0].withdraw(member(name="never seen"))


async def test_any_name_of_a_node_is_fine(holders):
    first, second = holders
    watcher = Watcher()
    second.watch(watcher)
    for name in ("node.eu-1", "node eu*1>", "knoten-ä"):
        await first.announce(member(name=name))
        await until(lambda name=name: name in (watcher.members or {}))
