"""With one thing down, what does not need it serves; what does says truthfully whether it was done.

The claims stand in `ops/docs/stability.md`: every row of its table is one test here, read from there.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from sharding.shards import shard_of
from sharding.table import ShardTable
from storage.redis.tags import slot_of
from tests.integration.redis.conftest import slots
from tests.support.fleet import Fleet
from tests.support.fleet_calls import CALLS, Outcome, agrees, found_town, outcome
from tests.support.people import People, Person
from tests.support.product import eventually

pytestmark = [pytest.mark.engines, pytest.mark.timeout(300)]

PAGE = Path(__file__).parents[3] / "ops" / "docs" / "stability.md"
#: How long something is down, in seconds: shorter than the deadline of a call, so that what waits is served in
#: the end. Where nothing is to wait for it, it stays away until everything was answered.
OUTAGE_S = 3.0
AWAY_S = 30.0
#: How long a master of Redis and its replica are away together, in seconds: several leases.
PAIR_AWAY_S = 35.0
#: How long the last answers and all traces may take after it, in seconds.
AFTER_S = 30.0


def node_of(fleet: Fleet, person: Person) -> str:
    """The node that has somebody's actor."""
    table = ShardTable.seeded(sorted(fleet.names("node")))
    return table.homes[shard_of(int(person.user_id))].node


def master_of(fleet: Fleet, person: Person) -> str:
    """The node of Redis that somebody's shard is written at."""
    port = fleet.redis_port(fleet.redis_names("master")[0])
    slot = slot_of(shard_of(int(person.user_id)))
    (row,) = [row for row in slots(f"127.0.0.1:{port}") if row[0] <= slot <= row[1]]
    return named(fleet, row[2])


def named(fleet: Fleet, node: Sequence[Any]) -> str:
    """The name of a node in an answer of the cluster; by its id, for it may announce a proxy's port."""
    for name in fleet.names("redis"):
        told = fleet.redis(fleet.redis_port(name), "CLUSTER", "MYID") or ""
        if node[2].decode() in told:
            return name
    raise AssertionError(f"no node of Redis is {node}")


def replica_of(fleet: Fleet, master: str) -> str:
    """The node of Redis that stands behind that one."""
    rows = slots(f"127.0.0.1:{fleet.redis_port(master)}")
    return next(named(fleet, row[3]) for row in rows if named(fleet, row[2]) == master)


def harmed(fleet: Fleet, what: str, anna: Person) -> tuple[str, ...]:
    """The processes that a row of the table is about."""
    match what:
        case "one Redis master":
            return (master_of(fleet, anna),)
        case "all of Redis":
            return fleet.names("redis")
        case "the node of its users":
            return (node_of(fleet, anna),)
        case "the other node":
            return tuple(each for each in fleet.names("node") if each != node_of(fleet, anna))
        case "one gateway":
            return fleet.names("gateway")[:1]
        case "media worker":
            return fleet.names("media")
        case _:
            return fleet.names(what.lower())


async def neighbours(fleet: Fleet, people: People) -> list[Person]:
    """Two people on one node and behind one master of Redis, and one on another node."""
    tag = secrets.token_hex(3)
    anna = await people.join(f"anna{tag}")
    near, far = await people.join(f"near{tag}"), await people.join(f"far{tag}")
    while (node_of(fleet, near), master_of(fleet, near)) != (
        node_of(fleet, anna),
        master_of(fleet, anna),
    ):
        near = await people.join(f"near{tag}")
    while node_of(fleet, far) == node_of(fleet, anna):
        far = await people.join(f"far{tag}")
    return [anna, near, far]


def rows() -> dict[str, dict[str, set[str]]]:
    """The table: by what is down, by call, the outcomes that are allowed."""
    lines = [line.split("|")[1:-1] for line in PAGE.read_text().splitlines() if line[:2] == "| "]
    cells = [[cell.strip() for cell in line] for line in lines]
    head = next(row for row in cells if row[0] == "down")
    return {
        row[0]: {
            name: set(cell.split(" or ")) for name, cell in zip(head[1:], row[1:], strict=True)
        }
        for row in cells
        if len(row) == len(head) and row is not head
    }


@pytest.mark.parametrize("row", rows())
async def test_with_this_down_every_call_does_what_the_table_says(
    fleet: Fleet, people: People, clip: Path, row: str
):
    anna, reader, boris = await neighbours(fleet, people)
    what, _, how = row.partition(", ")
    expected = rows()[row]
    waits = any("delayed" in words for words in expected.values())
    async with AsyncExitStack() as stack:
        town = await found_town(stack, anna, reader, boris, clip)
        down = harmed(fleet, what, anna)
        assert down
        harm = fleet.pause if how == "frozen" else fleet.hold_killed
        over = asyncio.Event()
        for name in down:
            await asyncio.to_thread(harm, name)
        calls = {
            name: asyncio.ensure_future(outcome(call(town), over)) for name, call in CALLS.items()
        }
        await asyncio.wait(calls.values(), timeout=OUTAGE_S if waits else AWAY_S)
        over.set()
        fleet.mend()
        async with asyncio.timeout(AFTER_S):
            found = {name: await call for name, call in calls.items()}
        print_row(row, found)
        await fleet.healthy()
        for name, each in found.items():
            await agrees(town, name, each)
        wrong = {n: each for n, each in found.items() if each.word not in expected[n]}
        assert not wrong, wrong
        await all_served(town)


async def test_nobody_is_answered_for_longer_than_a_lease_without_redis(
    fleet: Fleet, people: People
):
    (anna,) = [await people.join(f"lease{secrets.token_hex(3)}")]
    assert (await anna.ask("GET", "/feed")).status == 200
    for name in fleet.names("redis"):
        await asyncio.to_thread(fleet.pause, name)
    try:
        assert (await anna.ask("GET", "/feed")).status == 200

        async def refused() -> bool:
            answer = await anna.ask("GET", "/feed")
            assert answer.status == 200 or answer.body["executed"] is False
            return answer.status == 503

        # Somebody else might own these users by now.
        await eventually(refused, within_s=12, every_s=0.2, what="feeds to be refused")
    finally:
        fleet.mend()

    async def served() -> bool:
        return (await anna.ask("GET", "/feed")).status == 200

    await eventually(served, within_s=20, every_s=0.2, what="feeds to be served again")


async def test_people_behind_other_masters_are_served_while_one_of_them_and_its_replica_are_away(
    fleet: Fleet, people: People, clip: Path
):
    tag = secrets.token_hex(3)
    crowd = [await people.join(f"p{tag}") for _ in range(12)]
    gone = master_of(fleet, crowd[0])
    others = [each for each in crowd if master_of(fleet, each) != gone]
    assert {node_of(fleet, each) for each in others} == set(fleet.names("node"))
    video = await others[0].publish(clip)
    for each in others:
        await each.call("GET", f"/video/{video}")
    answers: list[str] = []
    for name in (gone, replica_of(fleet, gone)):
        await asyncio.to_thread(fleet.pause, name)
    end = time.monotonic() + PAIR_AWAY_S
    try:
        while time.monotonic() < end:
            for each in others:
                for method, path in (("GET", "/feed"), ("POST", f"/video/{video}/like")):
                    answer = await each.ask(method, path)
                    if answer.status != 200:
                        answers.append(f"{method} {answer.status} {answer.body['detail']}")
            await asyncio.sleep(0.5)
    finally:
        fleet.mend()
    assert not answers


async def all_served(town):
    """It has recovered by itself: everything is served again."""
    for name, call in CALLS.items():
        if name in ("register", "bytes", "plays", "event"):
            continue

        async def works(call=call):
            return (await outcome(call(town), asyncio.Event())).word == "served"

        await eventually(works, within_s=10, every_s=0.2, what=f"{name} to be served again")


def print_row(row: str, found: dict[str, Outcome]) -> None:
    """For whoever looks why."""
    print(f"\n{row}")
    for name, each in found.items():
        print(f"  {name:10} {each.word:8} {each.took_s:6.2f} s  {each.said}")
