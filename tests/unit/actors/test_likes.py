"""Likes, shares and what is not wanted: once each, at once for who does it, and counted right in the end."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.messages import (
    BlockUser,
    DeleteVideo,
    GetVideo,
    LikeVideo,
    ListActivity,
    ListLikes,
    MarkNotInterested,
    ShareVideo,
    SubmitReport,
)
from sharding.errors import InvalidCursor, NotFound, RateLimited
from tests.unit.actors.faults import Held
from tests.unit.actors.stage import ids, open_stage
from tests.unit.actors.virtual_time import VirtualLoop, settled


@pytest.fixture
async def ann(stage):
    return await stage.person("ann")


@pytest.fixture
async def video(stage, ann):
    return await ann.publish()


@pytest.fixture
async def ben(stage):
    return await stage.person("ben")


def like(video_id, liked=True):
    return LikeVideo(video_id=video_id, liked=liked)


async def test_a_like_is_seen_at_once_by_who_gave_it(ben, video):
    assert (await ben.video(video))["viewer"]["liked"] is False
    answer = await ben.read(like(video))
    assert answer == {"video_id": str(video), "liked": True, "likes": 1}
    assert (await ben.video(video))["viewer"]["liked"] is True


async def test_a_second_like_changes_nothing_and_is_answered_the_same(stage, ben, video):
    first = await ben.read(like(video))
    assert await ben.read(like(video)) == first
    await stage.calm()
    assert await ben.read(like(video)) == first
    assert (await stage.videos.tally(video)).likes == 1


async def test_a_second_like_waits_for_the_first_one_to_land(stage, ben, video):
    await ben.video(video)
    held = stage.facts.before["write"] = Held()
    first = ben.start(like(video))
    await held.reached.wait()
    second = ben.start(like(video))
    await stage.clock.sleep(1)
    assert not second.done()
    held.let_go()
    assert await first == await second


async def test_likes_are_counted_for_the_video_and_its_author(stage, ann, video):
    crowd = await stage.crowd(5)
    for each in crowd:
        await each.ask(like(video))
    await crowd[0].ask(like(video, False))
    await stage.calm()
    assert (await ann.video(video))["counts"]["likes"] == 4
    assert (await ann.profile())["counts"]["likes_received"] == 4


async def test_unliking_what_one_does_not_like_changes_nothing(stage, ben, video):
    assert (await ben.read(like(video, False)))["likes"] == 0
    await stage.calm()
    assert (await ben.video(video))["counts"]["likes"] == 0


async def test_a_like_survives_a_crash(stage, ben, video):
    held = stage.publishing.before["publish"] = Held()
    await ben.ask(like(video))
    await held.reached.wait()
    stage.bus.close()
    await stage.tasks.close()
    async with open_stage(stage.database, owner="n2", proven_dead="n1") as later:
        await later.calm()
        ben.stage = later
        seen = await ben.video(video)
        assert (seen["viewer"]["liked"], seen["counts"]["likes"]) == (True, 1)


async def test_a_quick_change_of_mind_ends_where_it_should(stage, ben, video):
    await ben.video(video)
    asking = [ben.start(like(video, n % 2 == 0)) for n in range(5)]
    await asyncio.gather(*asking)
    await stage.calm()
    assert (await ben.video(video))["viewer"]["liked"] is True
    assert (await stage.videos.tally(video)).likes == 1
    assert (await ben.video(video))["counts"]["likes"] == 1


async def test_what_cannot_be_seen_cannot_be_liked_or_shared(stage, ann, ben, video):
    hidden = await ann.upload()
    for gone in (hidden, stage.mint.mint()):
        for message in (
            like(gone),
            ShareVideo(video_id=gone),
            MarkNotInterested(video_id=gone),
            SubmitReport(target_kind="video", target_id=gone, reason="spam"),
        ):
            with pytest.raises(NotFound):
                await ben.ask(message)
    await ann.ask(BlockUser(user_id=ben.id, blocked=True))
    await settled()
    with pytest.raises(NotFound):
        await ben.ask(like(video))


async def test_every_share_counts(stage, ben, video):
    assert (await ben.read(ShareVideo(video_id=video, channel="sms")))["shares"] == 1
    await ben.ask(ShareVideo(video_id=video))
    await stage.calm()
    assert (await ben.video(video))["counts"]["shares"] == 2


async def test_a_share_that_is_repeated_under_its_key_counts_once(stage, ben, video):
    for _ in range(3):
        await ben.ask(ShareVideo(video_id=video), key=b"k")
    await stage.calm()
    assert (await ben.video(video))["counts"]["shares"] == 1


async def test_likes_are_listed_newest_first_without_what_is_gone(stage, ann, ben):
    videos = [await ann.publish() for _ in range(5)]
    for each in videos:
        await ben.ask(like(each))
        await stage.clock.sleep(0.01)
    await ben.ask(like(videos[0], False))
    await ann.ask(DeleteVideo(video_id=videos[2]))
    await stage.calm()
    page = await ben.read(ListLikes(limit=3))
    rest = await ben.read(ListLikes(limit=3, cursor=page["next_cursor"]))
    assert ids(page) + ids(rest) == [videos[4], videos[3], videos[1]]
    assert rest["next_cursor"] is None
    assert all(item["viewer"]["liked"] for item in page["items"])
    with pytest.raises(InvalidCursor):
        await ann.read(ListLikes(cursor=page["next_cursor"]))


async def test_ones_own_activity_is_listed_newest_first_by_kind(stage, ben, video):
    await ben.ask(like(video))
    await stage.clock.sleep(0.01)
    await ben.ask(ShareVideo(video_id=video))
    await stage.clock.sleep(0.01)
    await ben.ask(like(video, False))
    everything = await ben.read(ListActivity())
    assert [each["kind"] for each in everything["items"]] == ["share", "like"]
    likes = await ben.read(ListActivity(kinds=("like",)))
    assert [each["video_id"] for each in likes["items"]] == [str(video)]
    page = await ben.read(ListActivity(limit=1))
    with pytest.raises(InvalidCursor):
        await ben.read(ListActivity(kinds=("like",), cursor=page["next_cursor"]))
    rest = await ben.read(ListActivity(limit=1, cursor=page["next_cursor"]))
    assert [each["kind"] for each in rest["items"]] == ["like"]


async def test_who_likes_without_end_is_held_within_bounds_and_nothing_is_forgotten():
    async with open_stage(feed={"likes_held": 1}, limits={"likes_a_minute": 100_000}) as stage:
        ann, ben = await stage.crowd(2)
        await stage.seed([ann], 90)
        videos = [each.video_id for each in await stage.videos.recent(90)]
        for each in videos:
            await ben.ask(like(each))
        assert len(stage.user(ben).liked.ids) < len(videos)
        for each in videos:
            assert (await ben.read(GetVideo(video_id=each)))["viewer"]["liked"]
            assert not (await ben.read(like(each, False)))["liked"]
        await stage.calm()
        assert (await stage.people.tally(ann.id)).likes_received == 0
        assert stage.user(ann).counts.likes_received == 0


async def test_likes_have_a_limit_that_counts_only_changes():
    async with open_stage(limits={"likes_a_minute": 8}) as stage:
        ann, ben = await stage.crowd(2)
        videos = [await ann.publish() for _ in range(4)]
        for each in videos[:3]:
            await ben.ask(like(each))
            await ben.ask(like(each))
        with pytest.raises(RateLimited) as caught:
            await ben.ask(like(videos[3]))
        assert caught.value.executed is False
        await stage.clock.sleep(caught.value.retry_after_s)
        await ben.ask(like(videos[3]))


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.booleans()), max_size=14))
def test_counts_are_those_of_the_facts_whatever_was_liked_in_whatever_order(deeds):
    async def story():
        async with open_stage(feed={"likes_held": 1}) as stage:
            ann, *crowd = await stage.crowd(4)
            videos = [await ann.publish() for _ in range(2)]
            asking = [crowd[who].start(like(videos[what], liked)) for who, what, liked in deeds]
            await asyncio.gather(*asking)
            await stage.calm()
            last = {(who, what): liked for who, what, liked in deeds}
            for what, video in enumerate(videos):
                wanted = sum(liked for (_, which), liked in last.items() if which == what)
                assert (await stage.videos.tally(video)).likes == wanted
                assert (await ann.video(video))["counts"]["likes"] == wanted
            assert (await ann.profile())["counts"]["likes_received"] == sum(last.values())

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(story())
