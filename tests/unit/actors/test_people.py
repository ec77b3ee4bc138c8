"""People: following, blocking, profiles, and lists of who knows whom."""

from __future__ import annotations

import pytest

from actors.messages import (
    BlockUser,
    FollowUser,
    GetUser,
    GetVideo,
    GetVideos,
    ListFollows,
    ListUserVideos,
    SubmitReport,
)
from sharding.errors import Conflict, InvalidCursor, NotFound, RateLimited, Unprocessable
from tests.unit.actors.stage import ids, open_stage
from tests.unit.actors.virtual_time import settled


@pytest.fixture
async def ann(stage):
    return await stage.person("ann")


@pytest.fixture
async def ben(stage):
    return await stage.person("ben")


def follow(person, following=True):
    return FollowUser(user_id=person.id, following=following)


def block(person, blocked=True):
    return BlockUser(user_id=person.id, blocked=blocked)


async def names(reader, of, direction, **more):
    page = await reader.read(ListFollows(user_id=of.id, direction=direction, **more))
    return [item["username"] for item in page["items"]]


async def counts(person):
    found = (await person.profile())["counts"]
    return found["followers"], found["following"]


async def test_a_follow_is_seen_from_both_sides(stage, ann, ben):
    answer = await ann.read(follow(ben))
    assert answer == {"user_id": str(ben.id), "follow": "following", "followers": 1}
    await stage.calm()
    assert (await counts(ann), await counts(ben)) == ((0, 1), (1, 0))
    seen = (await ann.profile(ben))["viewer"]
    assert (seen["follow"], seen["followed_by"]) == ("following", False)
    seen = (await ben.profile(ann))["viewer"]
    assert (seen["follow"], seen["followed_by"]) == ("none", True)


async def test_counts_of_others_are_those_that_they_see_themselves(stage, ann, ben):
    await ben.profile(ann)
    await ben.ask(follow(ann))
    await stage.calm()
    assert (await ben.profile(ann))["counts"] == (await ann.profile())["counts"]
    assert (await ben.profile(ann))["counts"]["followers"] == 1


async def test_following_twice_is_following_once(stage, ann, ben):
    for _ in range(2):
        assert (await ann.read(follow(ben)))["followers"] == 1
    await stage.calm()
    assert await counts(ben) == (1, 0)
    for _ in range(2):
        assert (await ann.read(follow(ben, False)))["follow"] == "none"
    await stage.calm()
    assert (await counts(ann), await counts(ben)) == ((0, 0), (0, 0))


@pytest.mark.parametrize("message", [follow, block])
async def test_nobody_follows_or_blocks_themselves(ann, message):
    with pytest.raises(Unprocessable):
        await ann.ask(message(ann))


@pytest.mark.parametrize("message", [follow, block])
async def test_nobody_follows_or_blocks_someone_who_is_not_there(stage, ann, message):
    ghost = type("Ghost", (), {"id": stage.mint.mint()})
    with pytest.raises(NotFound):
        await ann.ask(message(ghost))


async def test_one_may_follow_so_many():
    async with open_stage(feed={"max_following": 2}) as stage:
        ann, *others = await stage.crowd(4)
        for each in others[:2]:
            await ann.ask(follow(each))
        with pytest.raises(Conflict):
            await ann.ask(follow(others[2]))
        await ann.ask(follow(others[0], False))
        await ann.ask(follow(others[2]))


async def test_follows_have_a_limit():
    async with open_stage(limits={"follows_a_minute": 4}) as stage:
        ann, *others = await stage.crowd(4)
        await ann.ask(follow(others[0]))
        await ann.ask(follow(others[1]))
        with pytest.raises(RateLimited):
            await ann.ask(follow(others[2]))


async def test_lists_of_people_are_newest_first_in_pages(stage, ann, ben):
    crowd = await stage.crowd(3)
    for each in crowd:
        await each.ask(follow(ann))
        await ann.ask(follow(each))
        await stage.clock.sleep(0.01)
    newest_first = [each.name for each in crowd][::-1]
    cursor = None
    for direction in ("followers", "following"):
        page = await ben.read(ListFollows(user_id=ann.id, direction=direction, limit=2))
        cursor = page["next_cursor"]
        rest = await names(ben, ann, direction, cursor=cursor)
        assert [item["username"] for item in page["items"]] + rest == newest_first
    with pytest.raises(InvalidCursor):
        await names(ben, ben, "following", cursor=cursor)
    with pytest.raises(InvalidCursor):
        await names(ann, ann, "following", cursor=cursor)


async def test_a_block_ends_follows_both_ways(stage, ann, ben):
    await ann.ask(follow(ben))
    await ben.ask(follow(ann))
    await stage.calm()
    await ann.ask(block(ben))
    await stage.calm()
    assert (await counts(ann), await counts(ben)) == ((0, 0), (0, 0))
    assert await names(ann, ann, "followers") == await names(ben, ben, "following") == []
    await ann.ask(block(ben, False))
    await stage.calm()
    assert (await counts(ann), await counts(ben)) == ((0, 0), (0, 0))


async def test_a_block_hides_both_from_each_other(stage, ann, ben):
    hers, his = await ann.publish(), await ben.publish()
    await ben.profile(ann)
    await ann.ask(block(ben))
    await settled()
    for person, message in (
        (ben, GetUser(user_id=ann.id)),
        (ben, GetVideo(video_id=hers)),
        (ben, ListUserVideos(user_id=ann.id)),
        (ben, ListFollows(user_id=ann.id, direction="followers")),
        (ben, follow(ann)),
        (ann, GetVideo(video_id=his)),
        (ann, ListUserVideos(user_id=ben.id)),
        (ann, follow(ben)),
    ):
        with pytest.raises(NotFound):
            await person.ask(message)
    renewed = await ben.read(GetVideos(video_ids=(hers, his)))
    assert (ids(renewed), renewed["missing"]) == ([his], [str(hers)])


async def test_whom_one_blocks_can_be_looked_at_and_unblocked(stage, ann, ben):
    await ann.ask(block(ben))
    assert (await ann.profile(ben))["viewer"]["blocked"] is True
    for _ in range(2):
        await ann.ask(block(ben, False))
    await settled()
    assert (await ann.profile(ben))["viewer"]["blocked"] is False
    await ben.ask(follow(ann))


async def test_a_block_is_still_known_after_everyone_slept(stage, ann, ben):
    video = await ann.publish()
    await ann.ask(block(ben))
    await stage.forget(ann, ben)
    with pytest.raises(NotFound):
        await ben.ask(GetVideo(video_id=video))
    assert (await ann.profile(ben))["viewer"]["blocked"] is True


async def test_blocked_people_are_not_in_lists(stage, ann, ben):
    cleo = await stage.person("cleo")
    for each in (ann, ben):
        await each.ask(follow(cleo))
    await ann.ask(block(ben))
    await settled()
    assert await names(ann, cleo, "followers") == ["ann"]
    assert await names(ben, cleo, "followers") == ["ben"]
    assert set(await names(cleo, cleo, "followers")) == {"ann", "ben"}


async def test_videos_of_a_person_are_listed_newest_first(stage, ann, ben):
    videos = [await ann.publish() for _ in range(4)]
    await ann.upload()
    page = await ben.read(ListUserVideos(user_id=ann.id, limit=3))
    rest = await ben.read(ListUserVideos(user_id=ann.id, limit=3, cursor=page["next_cursor"]))
    assert ids(page) + ids(rest) == videos[::-1]
    assert rest["next_cursor"] is None


@pytest.mark.parametrize("kind", ["video", "user"])
async def test_a_report_is_kept_and_names_something_that_is_there(stage, ann, ben, kind):
    video = await ann.publish()
    target = video if kind == "video" else ann.id
    report = SubmitReport(target_kind=kind, target_id=target, reason="spam")
    assert await ben.ask(report) == b"{}"
    missing = SubmitReport(target_kind=kind, target_id=stage.mint.mint(), reason="spam")
    with pytest.raises(NotFound):
        await ben.ask(missing)
