"""The end of an account: nobody speaks for it any more, nothing of it is seen, and others' counts are right."""

from __future__ import annotations

import pytest

from actors.messages import (
    DeleteAccount,
    FindCredential,
    FollowUser,
    GetUser,
    GetVideo,
    LikeVideo,
    ListComments,
    ListFollows,
    ListUserVideos,
    OpenSession,
    PostComment,
    Register,
)
from actors.user.closing import STEP
from sharding.errors import Conflict, NotFound, Unauthenticated
from tests.unit.actors.stage import ids, open_stage


@pytest.fixture
async def story(stage):
    """Ann, who will leave, and Ben, who knows her in every way."""
    ann, ben = await stage.person("ann"), await stage.person("ben")
    hers, his = await ann.publish(), await ben.publish()
    waiting = await ann.upload()
    for one, other, video in ((ann, ben, his), (ben, ann, hers)):
        await one.ask(FollowUser(user_id=other.id, following=True))
        await one.ask(LikeVideo(video_id=video, liked=True))
        await one.ask(PostComment(video_id=video, text="hello"))
    await stage.calm()
    assert set((await ben.profile())["counts"].values()) == {1}
    await ann.ask(DeleteAccount(credential_version=1))
    return ann, ben, hers, his, waiting


async def test_sign_in_ends_at_once(story):
    ann, _, _, _, _ = story
    for message in (
        GetUser(user_id=ann.id),
        FindCredential(),
        OpenSession(credential_version=1, family_id=5),
    ):
        with pytest.raises(Unauthenticated):
            await ann.ask(message)


async def test_the_name_is_not_taken_again_by_the_same_actor(story):
    ann = story[0]
    with pytest.raises(Conflict):
        await ann.ask(
            Register(username="ann", display_name="", password_hash="", family_id=ann.family)
        )


async def test_what_they_made_is_gone(stage, story):
    ann, ben, hers, his, waiting = story
    await stage.calm(4)
    for message in (
        GetUser(user_id=ann.id),
        GetVideo(video_id=hers),
        GetVideo(video_id=waiting),
        ListUserVideos(user_id=ann.id),
    ):
        with pytest.raises(NotFound):
            await ben.ask(message)
    assert hers not in ids(await ben.feed())
    assert ids(await ben.following()) == []
    assert (await ben.read(ListComments(video_id=his)))["items"] == []
    assert (await ben.read(ListFollows(user_id=ben.id, direction="followers")))["items"] == []
    assert {f"v/{hers}/", f"a/{ann.id}/"} <= set(stage.blobs.discarded)


async def test_counts_of_those_who_stay_are_right(stage, story):
    _, ben, _, his, _ = story
    await stage.calm(4)
    assert (await ben.profile())["counts"] == {
        "followers": 0,
        "following": 0,
        "videos": 1,
        "likes_received": 0,
    }
    counts = (await ben.video(his))["counts"]
    assert (counts["likes"], counts["comments"]) == (0, 0)


async def test_leaving_goes_on_after_a_crash(story):
    ann, ben, _, his, _ = story
    async with open_stage(
        ben.stage.database, owner="n2", proven_dead="n1", blobs=ben.stage.blobs
    ) as later:
        await later.calm(4)
        ben.stage = later
        assert (await ben.profile())["counts"]["followers"] == 0
        assert (await ben.video(his))["counts"]["likes"] == 0
        with pytest.raises(NotFound):
            await ben.ask(GetUser(user_id=ann.id))


async def test_more_than_one_step_is_taken_for_much():
    async with open_stage(limits={"follows_a_minute": 600}) as stage:
        ann = await stage.person("ann")
        crowd = await stage.crowd(STEP + 5)
        for each in crowd:
            await each.ask(FollowUser(user_id=ann.id, following=True))
            await ann.ask(FollowUser(user_id=each.id, following=True))
        await stage.calm()
        await ann.ask(DeleteAccount(credential_version=1))
        await stage.calm(4)
        for each in crowd:
            counts = (await each.profile())["counts"]
            assert (counts["followers"], counts["following"]) == (0, 0)
