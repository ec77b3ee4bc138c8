"""A master of Redis that comes back empty, or a second behind, or not; with its owner, and without.

The cluster is the test's own. A node of it is put back by its append-only file, as a machine is that lost
what it had not synced: nothing here pretends.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil

import msgspec
import pytest

from actors.messages import FollowUser, LikeVideo, ListComments, ListFollows, PostComment
from actors.ports.clock import SystemClock
from ops.engines.redis import RedisShape
from storage.cassandra.schema import migrate
from storage.cassandra.settings import CassandraSettings
from storage.redis.settings import RedisSettings
from storage.redis.tags import slot_of
from tests.contracts.nats import nats_settings, remove_streams
from tests.integration.redis.conftest import mend, slots
from tests.support.product import eventually
from tests.support.real_stage import SHARDS, Place, open_real_node

pytestmark = [
    pytest.mark.engines,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="module"),
]

#: Everybody lives in this shard, and so behind one master.
SHARD = SHARDS[0]

#: How long a log that is synced every second may lag behind, in seconds.
SYNCED_S = 1.5


class Cluster:
    """Six nodes that may be hurt."""

    def __init__(self, running):
        self.running = running

    def pair(self):
        """The processes that hold the shard: its master, and the master's replica."""
        address = next(each for each in self.running.processes if each.alive).address
        (row,) = [row for row in slots(address) if row[0] <= slot_of(SHARD) <= row[1]]
        return [self.running.at(f"{host.decode()}:{port}") for host, port, *_ in row[2:]]

    def copy(self, folder):
        """What both of them have on disk now."""
        shutil.rmtree(folder, ignore_errors=True)
        pair = self.pair()
        for each in pair:
            shutil.copytree(each.launch.cwd / "appendonlydir", folder / each.launch.name)
        return pair

    def back(self, pair, folder=None):
        """Kill both, and start them with a copy of that, or with nothing."""
        for each in pair:
            each.kill()
        for each in pair:
            log = each.launch.cwd / "appendonlydir"
            shutil.rmtree(log)
            if folder is not None:
                shutil.copytree(folder / each.launch.name, log)
        for each in pair:
            each.restart(wait=False)
        mend(self.running)


@pytest.fixture(scope="module")
def cluster(engines):
    with engines.own_redis_cluster(RedisShape(node_timeout_ms=1_000)) as running:
        mend(running)
        yield Cluster(running)


@pytest.fixture(scope="module")
def keyspace(engines):
    settings = CassandraSettings(
        contact_points=engines.cassandra(),
        keyspace=f"kinora_masters_{secrets.token_hex(4)}",
        request_timeout_s=10.0,
        connect_timeout_s=10.0,
        schema_timeout_s=60.0,
    )
    asyncio.run(migrate(settings, SystemClock()))
    return settings


@pytest.fixture
async def place(engines, cluster, keyspace):
    redis = RedisSettings(
        nodes=cluster.running.addresses, prefix=f"kinora-path-{secrets.token_hex(6)}:"
    )
    found = Place(redis=redis, cassandra=keyspace, nats=nats_settings(engines.nats()))
    yield found
    await remove_streams(found.nats)


async def deeds(node, author, ann, video):
    """One of each kind of thing that people do."""
    await ann.ask(LikeVideo(video_id=video, liked=True), key=b"like")
    await ann.ask(FollowUser(user_id=author.id, following=True))
    await ann.ask(PostComment(video_id=video, text="hello"), key=b"comment")


async def are_there(node, author, ann, video):
    """All of them, once, and everybody is shown the right numbers in the end."""
    author, ann = node.here(author), node.here(ann)
    assert (await ann.video(video))["viewer"]["liked"]
    comments = (await ann.read(ListComments(video_id=video)))["items"]
    assert [each["text"] for each in comments] == ["hello"]
    listing = ListFollows(user_id=ann.id, direction="following")
    assert [int(each["user_id"]) for each in (await ann.read(listing))["items"]] == [author.id]

    async def agree():
        (record,) = await node.videos.videos((video,))
        profile = await author.profile()
        told = (await author.notifications())["items"]
        return (
            (record.counts.likes, record.counts.comments) == (1, 1)
            and profile["counts"]["followers"] == 1
            and sorted(each["type"] for each in told) == ["comment", "follow", "like"]
        )

    await eventually(agree, within_s=20, every_s=0.2, what="counts and notifications")


async def test_a_master_that_comes_back_empty_loses_no_fact(place, cluster):
    async with open_real_node(place, "a", runtime={"sweep_s": 0.5}) as a:
        author, ann = await a.person("author", SHARD), await a.person("ann", SHARD)
        video = await a.video(author, SHARD)
        await deeds(a, author, ann, video)
        await eventually(lambda: a.runtime.quiet, what="quiet")
        epoch = a.runtime.owned[SHARD].epoch
        await asyncio.to_thread(cluster.back, cluster.pair())
        await eventually(
            lambda: SHARD in a.runtime.owned and a.runtime.owned[SHARD].epoch > epoch,
            within_s=20,
            what="the shard to be bid for anew",
        )
        await are_there(a, author, ann, video)


async def test_a_master_that_comes_back_behind_is_told_again_by_its_owner(place, cluster, tmp_path):
    async with open_real_node(place, "a") as a:
        author, ann = await a.person("author", SHARD), await a.person("ann", SHARD)
        video = await a.video(author, SHARD)
        await eventually(lambda: a.runtime.quiet, what="quiet")
        await asyncio.sleep(SYNCED_S)
        pair = cluster.copy(tmp_path / "logs")
        await deeds(a, author, ann, video)
        await eventually(lambda: a.runtime.quiet, what="quiet")
        await asyncio.to_thread(cluster.back, pair, tmp_path / "logs")
        # The next commit finds out.
        await ann.ask(LikeVideo(video_id=video, liked=False))
        await ann.ask(LikeVideo(video_id=video, liked=True))
        assert a.runtime.statistics().replayed > 0
        assert a.runtime.statistics().shards_lost == 0
        # Answers kept for repeats are there as well.
        await ann.ask(PostComment(video_id=video, text="hello"), key=b"comment")
        await are_there(a, author, ann, video)


async def test_owner_and_master_that_die_together_and_come_back_behind_lose_nothing_acknowledged(
    place, cluster, tmp_path
):
    async with open_real_node(place, "a") as a:
        author, ann = await a.person("author", SHARD), await a.person("ann", SHARD)
        video = await a.video(author, SHARD)
        await eventually(lambda: a.runtime.quiet, what="quiet")
        await asyncio.sleep(SYNCED_S)
        pair = cluster.copy(tmp_path / "logs")
        await deeds(a, author, ann, video)
        await eventually(lambda: a.runtime.quiet, what="quiet")
    await asyncio.to_thread(cluster.back, pair, tmp_path / "logs")
    async with open_real_node(place, "b", dead=("a",), runtime={"sweep_s": 0.5}) as b:
        await are_there(b, author, ann, video)


async def test_counts_that_fell_behind_with_owner_and_master_are_taken_anew(
    place, cluster, tmp_path
):
    async with open_real_node(place, "a") as a:
        author, ann = await a.person("author", SHARD), await a.person("ann", SHARD)
        ben, cid = await a.person("ben", SHARD), await a.person("cid", SHARD)
        video = await a.video(author, SHARD)
        await ben.ask(LikeVideo(video_id=video, liked=True))
        await eventually(lambda: a.runtime.quiet, what="quiet")
        await asyncio.sleep(SYNCED_S)
        pair = cluster.copy(tmp_path / "logs")
        await ann.ask(LikeVideo(video_id=video, liked=True))
        await eventually(lambda: a.runtime.quiet, what="quiet")
        assert await a.counted(video) == 2
    await asyncio.to_thread(cluster.back, pair, tmp_path / "logs")
    async with open_real_node(place, "b", dead=("a",), runtime={"sweep_s": 0.5}) as b:
        await b.here(cid).ask(LikeVideo(video_id=video, liked=True))

        async def agree():
            return await b.counted(video) == 3 == await b.likes(video)

        await eventually(agree, within_s=20, every_s=0.2, what="three likes to be counted")


async def test_numbers_of_events_only_grow_though_owner_and_master_fell_behind(
    place, cluster, tmp_path
):
    async with open_real_node(place, "a") as a:
        author, ann = await a.person("author", SHARD), await a.person("ann", SHARD)
        ben = await a.person("ben", SHARD)
        video = await a.video(author, SHARD)
        await author.attach("phone")
        await ann.ask(PostComment(video_id=video, text="before"))
        await eventually(lambda: len(author.events("phone")) == 1, what="the first event")
        await asyncio.sleep(SYNCED_S)
        pair = cluster.copy(tmp_path / "logs")
        for word in ("seen", "seen too"):
            await ann.ask(PostComment(video_id=video, text=word))
        await eventually(lambda: len(author.events("phone")) == 3, what="three events")
        last = author.events("phone")[-1]["seq"]
    await asyncio.to_thread(cluster.back, pair, tmp_path / "logs")
    async with open_real_node(place, "b", dead=("a",)) as b:
        author = b.here(author)
        for word in ("new", "newer"):
            await b.here(ben).ask(PostComment(video_id=video, text=word))
        await eventually(lambda: b.runtime.quiet, what="quiet")
        attached = await author.attach("phone", resume=last)
        # Either it gets what it missed, or it is told to read again: never silently behind.
        missed = [msgspec.json.decode(each) for each in attached.missed]
        assert attached.resync or [each["data"]["text"] for each in missed] == ["new", "newer"]
        assert all(each["seq"] > last for each in missed)
        assert attached.seq > last


async def test_a_master_that_fails_over_costs_nothing_that_was_acknowledged(place, cluster):
    async with open_real_node(place, "a") as a:
        author, ann = await a.person("author", SHARD), await a.person("ann", SHARD)
        video = await a.video(author, SHARD)
        master, _ = cluster.pair()
        master.kill()
        await deeds(a, author, ann, video)
        assert a.runtime.statistics().shards_lost == 0
        await are_there(a, author, ann, video)
        master.restart(wait=False)
        await asyncio.to_thread(mend, cluster.running)
