"""A cache or a bus that loses everything costs nobody a fact: all of it comes back from Cassandra, while serving."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sharding.shards import SHARD_COUNT, shard_of
from sharding.table import ShardTable
from tests.support.fleet import Fleet
from tests.support.people import People, Person
from tests.support.product import eventually

pytestmark = [pytest.mark.engines, pytest.mark.timeout(300)]

#: How long everything may take to be right again, in seconds: shards are bid for anew, counts are taken anew.
RIGHT_S = 40.0
#: How long an outbox may take to hand over what it has, in seconds.
HANDED_OVER_S = 1.0


@dataclass
class Story:
    """What three people did, and everything that must be true of it ever after."""

    author: Person
    fan: Person
    reader: Person
    video: str
    comment: str

    async def complaint(self) -> str | None:
        """What is not so now; None when everything is."""
        claims: dict[str, Any] = {
            "for you has it": await self._in_feed("foryou"),
            "the inbox has it": await self._in_feed("following"),
            "the like": (await self._seen())["viewer"]["liked"],
            "the number of likes": (await self._seen())["counts"]["likes"] == 2,
            "the number of comments": (await self._seen())["counts"]["comments"] == 1,
            "the number of shares": (await self._seen())["counts"]["shares"] == 1,
            "the comment": await self.reader.ids(f"/video/{self.video}/comments", key="comment_id")
            == [self.comment],
            "the list of likes": await self.fan.ids("/user/me/likes") == [self.video],
            "the follow": await self.fan.ids(f"/user/{self.fan.user_id}/following", key="user_id")
            == [self.author.user_id],
            "the follower": await self.author.ids(
                f"/user/{self.author.user_id}/followers", key="user_id"
            )
            == [self.fan.user_id],
            "the numbers of the author": await self._numbers()
            == {"followers": 1, "following": 0, "videos": 1, "likes_received": 2},
            "notifications": sorted(
                each["type"] for each in await self.author.items("/notifications")
            )
            == ["comment", "follow", "like"],
            "activity": sorted(
                each["kind"] for each in await self.fan.items(f"/user/{self.fan.user_id}/activity")
            )
            == ["comment", "follow", "like", "share"],
        }
        return next((name for name, holds in claims.items() if not holds), None)

    async def holds(self, within_s: float = RIGHT_S) -> None:
        """Everything is so, soon, with no help."""
        last: list[str | None] = [None]

        async def right() -> bool:
            try:
                last[0] = await self.complaint()
            except AssertionError as error:
                last[0] = str(error)
            return last[0] is None

        try:
            await eventually(right, within_s=within_s, every_s=0.3)
        except AssertionError:
            raise AssertionError(f"not so after {within_s:g} s: {last[0]}") from None

    async def _in_feed(self, tab: str) -> bool:
        page = await self.fan.call("GET", f"/feed?tab={tab}&limit=50")
        return self.video in [each["video_id"] for each in page["items"]]

    async def _seen(self) -> dict[str, Any]:
        found: dict[str, Any] = await self.fan.call("GET", f"/video/{self.video}")
        return found

    async def _numbers(self) -> Any:
        return (await self.reader.call("GET", f"/user/{self.author.user_id}"))["counts"]


@pytest.fixture
async def story(people: People, clip: Path) -> Story:
    tag = secrets.token_hex(3)
    author, fan, reader = [await people.join(f"{name}{tag}") for name in ("au", "fan", "re")]
    await fan.call("POST", f"/user/{author.user_id}/follow")
    video = await author.publish(clip)
    await fan.call("POST", f"/video/{video}/like")
    await reader.call("POST", f"/video/{video}/like")
    await fan.call("POST", f"/video/{video}/share")
    said = await fan.call("POST", f"/video/{video}/comments", {"text": "hello"})
    told = Story(author, fan, reader, video, said["comment_id"])
    await told.holds()
    return told


class Onlooker:
    """Somebody who reads all the time, and notes what came."""

    def __init__(self, person: Person) -> None:
        self._person = person
        self.served = 0
        self.refused: set[str] = set()

    async def look(self) -> None:
        while True:
            answer = await self._person.ask("GET", "/feed")
            if answer.status == 200:
                self.served += 1
            else:
                self.refused.add(f"{answer.status} executed {answer.body.get('executed')}")
            await asyncio.sleep(0.05)


@asynccontextmanager
async def onlooker(person: Person) -> AsyncIterator[Onlooker]:
    """One until the end of the block; an answer that breaks API.md is raised there."""
    looking = Onlooker(person)
    task = asyncio.ensure_future(looking.look())
    try:
        yield looking
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_wiped_redis_under_a_serving_fleet_is_filled_again_from_facts(
    fleet: Fleet, story: Story
):
    async with onlooker(story.reader) as meanwhile:
        await wiped(fleet)
        await story.holds()
    assert meanwhile.served
    assert meanwhile.refused <= {"503 executed False"}
    # And what people do goes on from there.
    await story.reader.call("DELETE", f"/video/{story.video}/like")
    await story.reader.call("POST", f"/video/{story.video}/like")
    await story.holds()


async def test_a_wiped_redis_and_all_nodes_killed_lose_no_fact(fleet: Fleet, story: Story):
    async with onlooker(story.reader) as meanwhile:
        for name in fleet.names("node"):
            await asyncio.to_thread(fleet.hold_killed, name)
        await asyncio.to_thread(fleet.wipe_redis)
        fleet.mend()
        await fleet.healthy()
        await story.holds()
    assert meanwhile.refused <= {"503 executed False"}
    await story.reader.call("DELETE", f"/video/{story.video}/like")
    await story.reader.call("POST", f"/video/{story.video}/like")
    await story.holds()


async def test_after_a_wipe_a_websocket_is_told_to_read_again_and_numbers_go_on_above(
    fleet: Fleet, story: Story
):
    async with story.author.socket() as socket:
        await story.reader.call("POST", f"/video/{story.video}/comments", {"text": "before"})
        seen = (await socket.event("comment.created"))["seq"]
        await wiped(fleet)

        async def said() -> bool:
            body = {"text": "after"}
            path = f"/video/{story.video}/comments"
            return (await story.fan.ask("POST", path, body)).status == 201

        await eventually(said, within_s=20, every_s=0.2, what="a comment to be taken")
        told = await socket.next(
            lambda frame: frame["op"] == "resync" or frame.get("type") == "comment.created", 20.0
        )
        assert told["seq"] > seen
    async with story.author.socket(resume=seen) as socket:
        assert socket.welcome["seq"] > seen
        # One way or the other it learns of what it missed.
        await socket.next(
            lambda frame: frame["op"] == "resync" or frame.get("type") == "comment.created", 10.0
        )


async def test_a_nats_that_lost_its_store_loses_no_fact(fleet: Fleet, story: Story):
    await asyncio.to_thread(fleet.hold_killed, "nats-1")
    # Taken while it is away, and told when it is back.
    await story.reader.call("DELETE", f"/video/{story.video}/like")
    lose_store(fleet)
    fleet.mend()
    await fleet.healthy()
    await story.reader.call("POST", f"/video/{story.video}/like")
    await story.holds()


async def test_what_lay_in_a_nats_that_lost_its_store_is_counted_again(
    fleet: Fleet, people: People, story: Story
):
    owner = node_of(fleet, story.video)
    tag = secrets.token_hex(3)
    late = await people.join(f"late{tag}")
    while node_of(fleet, late.user_id) == owner:
        late = await people.join(f"late{tag}")
    await late.call("GET", f"/video/{story.video}")
    await asyncio.to_thread(fleet.hold_killed, owner)
    # Nobody is there to hear of it: it lies in NATS.
    await late.call("POST", f"/video/{story.video}/like")
    await asyncio.sleep(HANDED_OVER_S)
    await asyncio.to_thread(fleet.hold_killed, "nats-1")
    lose_store(fleet)
    fleet.mend()
    await fleet.healthy()

    # The next that comes names one before it that never came.
    await late.call("POST", f"/video/{story.video}/share")

    async def counted() -> bool:
        seen = await late.call("GET", f"/video/{story.video}")
        return bool((seen["counts"]["likes"], seen["counts"]["shares"]) == (3, 2))

    await eventually(counted, within_s=RIGHT_S, every_s=0.3, what="three likes and two shares")


async def test_a_job_that_lay_in_a_nats_that_lost_its_store_is_done_all_the_same(
    fleet: Fleet, story: Story, clip: Path
):
    await asyncio.to_thread(fleet.stop, "media-0")
    video = await story.author.upload(clip)
    await story.author.wait_for(video, "uploaded")
    await asyncio.sleep(HANDED_OVER_S)
    await asyncio.to_thread(fleet.hold_killed, "nats-1")
    lose_store(fleet)
    fleet.mend()
    await fleet.healthy()
    async with asyncio.timeout(RIGHT_S):
        await story.author.wait_for(video)


def node_of(fleet: Fleet, entity: str) -> str:
    """The node that has somebody's, or a video's, actor."""
    table = ShardTable.seeded(sorted(fleet.names("node")))
    return table.homes[shard_of(int(entity))].node


async def wiped(fleet: Fleet) -> None:
    """Wipe Redis, and wait until every node has noticed and has bid for its shards anew."""
    await asyncio.to_thread(fleet.wipe_redis)
    ports = [fleet.redis_port(name) for name in fleet.redis_names("master")]

    async def bid_for() -> bool:
        sizes = [await asyncio.to_thread(fleet.redis, port, "DBSIZE") for port in ports]
        return sum(int((size or ":0")[1:]) for size in sizes) >= SHARD_COUNT

    await eventually(bid_for, within_s=20, every_s=0.1, what="all shards to be owned again")


def lose_store(fleet: Fleet) -> None:
    """Everything that NATS had on disk."""
    stores = [path for path in (fleet.folder.engines).glob("nats*/*") if path.is_dir()]
    assert stores
    for each in stores:
        shutil.rmtree(each)
