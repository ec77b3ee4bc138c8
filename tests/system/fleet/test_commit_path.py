"""The path of a commit, cut between any two of its steps, on Redis Cluster, Cassandra and NATS.

    turn -> commit (Redis) -> rows (Cassandra) -> reply, event (NATS)

An owner is held at a point and killed there, or wakes there too late; whoever comes next finishes what was
promised. What was acknowledged is there, once; what was refused with `executed: false` is not.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from actors.messages import FollowUser, LikeVideo, ListComments, PostComment
from actors.ports.clock import SystemClock
from ops.engines.ports import LOOPBACK
from sharding.errors import KinoraError, Overloaded, Unavailable
from sharding.shards import shard_of
from storage.cassandra.schema import migrate
from storage.cassandra.settings import CassandraSettings
from storage.redis.settings import RedisSettings
from tests.contracts.nats import nats_settings, remove_streams
from tests.contracts.redis import wipe
from tests.support.product import eventually
from tests.support.real_stage import Place, open_real_node
from tests.support.toxics import link
from tests.unit.actors.faults import Held

pytestmark = [
    pytest.mark.engines,
    pytest.mark.timeout(120),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest.fixture(scope="module")
def keyspace(engines):
    settings = CassandraSettings(
        contact_points=engines.cassandra(),
        keyspace=f"kinora_path_{secrets.token_hex(4)}",
        request_timeout_s=10.0,
        connect_timeout_s=10.0,
        schema_timeout_s=60.0,
    )
    asyncio.run(migrate(settings, SystemClock()))
    return settings


@pytest.fixture
async def place(engines, keyspace):
    """Nobody else's keys and streams."""
    prefix = f"kinora-path-{secrets.token_hex(6)}:"
    redis = RedisSettings(nodes=engines.redis(), prefix=prefix)
    found = Place(redis=redis, cassandra=keyspace, nats=nats_settings(engines.nats()))
    yield found
    await wipe(redis.nodes, prefix)
    await remove_streams(found.nats)


@pytest.fixture(scope="module")
def proxy(engines):
    with engines.own_toxiproxy() as running:
        yield running.addresses[0]


@pytest.fixture
def to_cassandra(engines, proxy, place):
    """The same place, and the one way from there to Cassandra."""
    upstream = place.cassandra.contact_points[0]
    way = link(proxy, f"{LOOPBACK}:{engines.free_ports(1)[0]}", upstream)
    settings = replace(
        place.cassandra,
        contact_points=(way.listen,),
        address_map=(f"{upstream}={way.listen}",),
        reconnect_longest_s=0.5,
    )
    return replace(place, cassandra=settings), way


@pytest.fixture
def to_nats(engines, proxy, place):
    """The same place, and the one way from there to NATS."""
    upstream = place.nats.servers[0].removeprefix("nats://")
    way = link(proxy, f"{LOOPBACK}:{engines.free_ports(1)[0]}", upstream)
    return replace(place, nats=replace(place.nats, servers=(f"nats://{way.listen}",))), way


async def test_a_crash_between_commit_and_fact_loses_nothing_and_does_nothing_twice(place):
    async with open_real_node(place, "a") as a:
        author, ann = await a.person("author"), await a.person("ann")
        video = await a.video(author)
        held = a.facts.before["write"] = Held()
        asking = ann.start(LikeVideo(video_id=video, liked=True), key=b"k")
        await held.reached.wait()
        assert await a.likes(video) == 0
        asking.cancel()
    async with open_real_node(place, "b", dead=("a",)) as b:
        ann = b.here(ann)
        assert (await ann.video(video))["viewer"]["liked"]
        assert await b.likes(video) == 1
        # Asked again under its key, it is the same like.
        assert (await ann.read(LikeVideo(video_id=video, liked=True), key=b"k"))["liked"]
        await counts_are(b, video, 1)


async def test_a_crash_between_fact_and_reply_answers_the_repeat_with_what_was_done(place):
    async with open_real_node(place, "a") as a:
        author, ann = await a.person("author"), await a.person("ann")
        video = await a.video(author)
        held = a.facts.after["write"] = Held()
        asking = ann.start(PostComment(video_id=video, text="once"), key=b"k")
        await held.reached.wait()
        assert not asking.done()
        asking.cancel()
    async with open_real_node(place, "b", dead=("a",)) as b:
        ann = b.here(ann)
        again = await ann.read(PostComment(video_id=video, text="once"), key=b"k")
        found = await ann.read(ListComments(video_id=video))
        assert [each["comment_id"] for each in found["items"]] == [again["comment_id"]]


async def test_a_paused_owner_that_wakes_after_a_takeover_commits_nothing(place):
    quick = {"lease_ms": 1_500}
    async with open_real_node(place, "a", runtime=quick) as a:
        author, ann = await a.person("author"), await a.person("ann")
        video = await a.video(author)
        pause(a)
        held = a.store.before["commit"]
        asking = ann.start(LikeVideo(video_id=video, liked=True))
        await held.reached.wait()
        async with open_real_node(place, "b", runtime=quick) as b:
            await eventually(
                lambda: owns_all(b), within_s=20, what="the shards to be taken when leases are over"
            )
            wake(a)
            with pytest.raises(Unavailable) as caught:
                await asking
            assert caught.value.executed is None
            assert not (await b.here(ann).video(video))["viewer"]["liked"]
            assert await b.likes(video) == 0
            assert shard_of(ann.id) not in a.runtime.owned


async def test_rows_of_a_paused_owner_that_land_late_do_not_undo_newer_ones(place):
    quick = {"lease_ms": 1_500}
    async with open_real_node(place, "a", runtime=quick) as a:
        author, ann = await a.person("author"), await a.person("ann")
        video = await a.video(author)
        pause(a, "write")
        held = a.facts.before["write"]
        asking = ann.start(LikeVideo(video_id=video, liked=True))
        await held.reached.wait()
        async with open_real_node(place, "b", runtime=quick) as b:
            await eventually(lambda: owns_all(b), within_s=20, what="a takeover")
            # What it had committed has landed through its successor, and is then taken back.
            assert (await b.here(ann).video(video))["viewer"]["liked"]
            await b.here(ann).ask(LikeVideo(video_id=video, liked=False))
            wake(a)
            await asyncio.gather(asking, return_exceptions=True)
            await eventually(lambda: not a.runtime.owned, within_s=20, what="a to notice")
            assert await b.likes(video) == 0
            assert not await b.deeds.liked_among(ann.id, (video,))
            await counts_are(b, video, 0)


async def test_rows_wait_for_a_cassandra_that_is_away_and_what_is_beyond_the_bound_is_refused(
    to_cassandra,
):
    place, way = to_cassandra
    bound = 6
    async with open_real_node(place, "a", runtime={"node_backlog": bound}) as a:
        author = await a.person("author")
        people = [await a.person() for _ in range(bound + 4)]
        video = await a.video(author)
        for each in people:
            assert not (await each.video(video))["viewer"]["liked"]
        assert (await author.feed())["items"]
        await eventually(lambda: a.runtime.quiet, within_s=10, what="quiet")
        way.cut()
        asking = []
        for each in people:
            asking.append(each.start(LikeVideo(video_id=video, liked=True)))
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.5)
        waiting, refused = asking[:bound], asking[bound:]
        assert not any(each.done() for each in waiting)
        for each in refused:
            with pytest.raises(Overloaded) as caught:
                await each
            assert caught.value.executed is False
        # Pages that need nothing from it are served meanwhile.
        assert (await author.feed())["items"]
        way.heal()
        assert all(msgspec.json.decode(each)["liked"] for each in await asyncio.gather(*waiting))
        assert await a.likes(video) == bound
        late = {each.id for each in people[bound:]}
        assert not [each for each in late if await a.deeds.liked_among(each, (video,))]
        await counts_are(a, video, bound)


async def test_past_the_bound_of_its_outbox_a_node_refuses_and_then_tells_everything(to_nats):
    place, way = to_nats
    bound = 6
    async with open_real_node(place, "a", runtime={"node_backlog": bound}) as a:
        author = await a.person("author")
        people = [await a.person() for _ in range(bound + 2)]
        video = await a.video(author)
        for each in people:
            await each.video(video)
        await eventually(lambda: a.runtime.quiet, within_s=10, what="quiet")
        way.cut()
        outcomes: list[Any] = []
        for each in people:
            liking = each.ask(LikeVideo(video_id=video, liked=True))
            outcomes += await asyncio.gather(liking, return_exceptions=True)
        # They are facts before they are told: whoever is acknowledged need not wait for NATS.
        assert not [each for each in outcomes[:bound] if isinstance(each, KinoraError)]
        assert [each.executed for each in outcomes[bound:]] == [False, False]
        assert await a.likes(video) == bound
        way.heal()
        await counts_are(a, video, bound)
        assert a.runtime.statistics().gaps == 0


async def test_what_a_dead_owner_could_not_tell_while_nats_was_away_its_successor_tells(to_nats):
    place, way = to_nats
    async with open_real_node(place, "a") as a:
        author, ann = await a.person("author"), await a.person("ann")
        video = await a.video(author)
        way.cut()
        await ann.ask(LikeVideo(video_id=video, liked=True))
        await ann.ask(FollowUser(user_id=author.id, following=True))
        assert await a.counted(video) == 0
    way.heal()
    async with open_real_node(place, "b", dead=("a",)) as b:
        await counts_are(b, video, 1)

        async def told():
            kinds = [each["type"] for each in (await b.here(author).notifications())["items"]]
            return sorted(kinds) == ["follow", "like"]

        await eventually(told, within_s=10, what="the author to be told of both")


def pause(node, *last):
    """Hold an owner before its next commit, or before its next rows, and let no lease be renewed."""
    node.store.before["renew"] = Held()
    if "write" in last:
        node.facts.before["write"] = Held()
    else:
        node.store.before["commit"] = Held()


def wake(node):
    """Let it go on from where it was."""
    for each in [*node.store.before.values(), *node.facts.before.values()]:
        each.let_go()


async def owns_all(node):
    await node.runtime.recovered()
    return len(node.runtime.owned) == len(node.node._wanted)


async def counts_are(node, video, likes):
    """What everybody is shown agrees with the facts, in the end."""

    async def agree():
        return await node.counted(video) == likes == await node.likes(video)

    await eventually(agree, within_s=15, what=f"{likes} likes to be counted")
