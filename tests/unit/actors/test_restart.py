"""A node ends and another begins: what was answered is true for ever, and comfort is lost at most."""

from __future__ import annotations

import pytest

from actors.messages import FollowUser, LikeVideo, PostComment, ShareVideo
from sharding.errors import Gone, Unavailable
from tests.unit.actors.stage import ids, open_stage


@pytest.fixture
async def story(stage):
    """Ann, whom Ben follows and whose twelve videos he has begun to look through."""
    ann, ben = await stage.person("ann"), await stage.person("ben")
    await stage.seed([ann], 12)
    video = await ann.publish()
    await ben.ask(FollowUser(user_id=ann.id, following=True))
    await ben.ask(LikeVideo(video_id=video, liked=True))
    await ben.ask(PostComment(video_id=video, text="hello"))
    await stage.calm()
    return ann, ben, video


def go_on_at(stage, *people):
    for each in people:
        each.stage = stage


async def shown(ann, ben, video):
    """What facts say, through the eyes of both."""
    notifications = await ann.notifications()
    return {
        "ann": (await ann.profile())["counts"],
        "ben": (await ben.profile())["counts"],
        "viewer": (await ben.video(video))["viewer"],
        "video": (await ben.video(video))["counts"],
        "told": [(item["id"], item["actor_count"]) for item in notifications["items"]],
        "following": ids(await ben.following()),
    }


async def test_the_next_node_begins_at_once_where_a_node_was_stopped(stage, story):
    ann, ben, video = story
    first = await ben.feed(limit=5)
    second = await ben.feed(first["next_cursor"], limit=5)
    await ben.ask(ShareVideo(video_id=video), key=b"k")
    await ann.attach("a")
    await stage.calm()
    before = await shown(ann, ben, video)
    began = stage.clock.monotonic()
    await stage.node.stop()
    assert stage.clock.monotonic() - began < 1
    async with open_stage(stage.database, owner="n2") as later:
        go_on_at(later, ann, ben)
        assert await shown(ann, ben, video) == before
        assert ids(await ben.feed(first["next_cursor"], limit=5)) == ids(second)
        third = await ben.feed(second["next_cursor"], limit=5)
        assert len({*ids(first), *ids(second), *ids(third)}) == 13
        await ben.ask(ShareVideo(video_id=video), key=b"k")
        await later.calm()
        assert (await ben.video(video))["counts"]["shares"] == 1


async def test_a_node_that_was_stopped_does_not_come_back(stage, story):
    await stage.node.stop()
    await stage.clock.sleep(5)
    assert len(stage.runtime.owned) == 0
    assert all(fence.sealed for fence in await stage.store.fences())


async def test_a_node_that_lost_its_shards_bids_for_them_again(stage, story):
    ann, ben, video = story
    async with open_stage(stage.database, owner="n2", proven_dead="n1") as other:
        await other.node.stop()
    for person in (ann, ben):
        with pytest.raises(Unavailable):
            await person.ask(LikeVideo(video_id=video, liked=person is ann))
    await stage.calm(3)
    assert (await ben.video(video))["viewer"]["liked"] is True
    await ann.ask(LikeVideo(video_id=video, liked=True))
    await stage.calm()
    assert (await ben.video(video))["counts"]["likes"] == 2


async def test_without_the_state_of_shards_facts_are_as_they_were(stage, story):
    ann, ben, video = story
    first = await ben.feed(limit=5)
    place = await ann.attach("a")
    before = await shown(ann, ben, video)
    await stage.node.stop()
    await stage.database.write(lambda connection: connection.execute("DELETE FROM parts").rowcount)
    async with open_stage(stage.database, owner="n2") as later:
        go_on_at(later, ann, ben)
        assert await shown(ann, ben, video) == before
        with pytest.raises(Gone):
            await ben.feed(first["next_cursor"])
        assert len((await ben.feed())["items"]) == 10
        assert (await ann.attach("b", resume=place.seq)).resync
        await ben.ask(LikeVideo(video_id=video, liked=False))
        await later.calm()
        after = await shown(ann, ben, video)
        assert after["ann"] == {**before["ann"], "likes_received": 0}
