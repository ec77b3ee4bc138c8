"""Counts are sizes of facts: exact when all is quiet, also after events were repeated, lost or cut off."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.messages import (
    BlockUser,
    DeleteComment,
    DeleteVideo,
    FollowUser,
    LikeVideo,
    PostComment,
    ShareVideo,
)
from sharding.errors import KinoraError
from tests.unit.actors.faults import Failing
from tests.unit.actors.stage import open_stage
from tests.unit.actors.virtual_time import VirtualLoop


async def assert_exact(stage, people, videos):
    """What is shown are the sizes of what is stored."""
    for each in people:
        tally = await stage.people.tally(each.id)
        shown = (await each.profile())["counts"]
        assert shown == {name: getattr(tally, name) for name in shown}, each.name
    for video in videos:
        tally = await stage.videos.tally(video)
        try:
            shown = (await people[0].video(video))["counts"]
        except KinoraError:
            continue
        assert {name: shown[name] for name in ("likes", "comments", "shares")} == {
            name: getattr(tally, name) for name in ("likes", "comments", "shares")
        }


async def test_counts_are_right_when_everything_is_done_at_once(stage):
    people = await stage.crowd(6)
    videos = [await each.publish() for each in people[:3]]
    deeds = [
        person.start(message)
        for person in people
        for video in videos
        for message in (
            LikeVideo(video_id=video, liked=True),
            ShareVideo(video_id=video),
            PostComment(video_id=video, text="x"),
        )
    ]
    deeds += [
        one.start(FollowUser(user_id=other.id, following=True))
        for one in people
        for other in people
        if one is not other
    ]
    await asyncio.gather(*deeds)
    await stage.calm()
    assert (await people[0].video(videos[0]))["counts"]["likes"] == 6
    await assert_exact(stage, people, videos)


async def test_counts_are_right_although_stores_fail_now_and_then(stage):
    people = await stage.crowd(4)
    videos = [await people[0].publish()]
    stage.store.after["commit"] = Failing(3)
    stage.facts.after["write"] = Failing(4)
    stage.publishing.after["publish"] = Failing(5)
    for each in people:
        await each.ask(LikeVideo(video_id=videos[0], liked=True))
        await each.ask(PostComment(video_id=videos[0], text="x"))
    await stage.calm(5)
    await assert_exact(stage, people, videos)


async def test_events_that_were_lost_are_noticed_and_the_counts_mended(stage):
    people = await stage.crowd(4)
    video = await people[0].publish()
    lost = []

    async def lose(envelopes):
        lost.extend(envelopes)

    publish, stage.bus.publish = stage.bus.publish, lose
    await people[1].ask(LikeVideo(video_id=video, liked=True))
    await stage.calm()
    stage.bus.publish = publish
    assert len(lost) == 1
    await people[1].ask(ShareVideo(video_id=video))
    await stage.calm()
    assert stage.runtime.dirty
    while stage.runtime.dirty:
        await stage.node.sweep()
    await stage.calm()
    assert (await people[0].video(video))["counts"]["likes"] == 1


async def test_a_counter_that_is_wrong_is_mended_by_counting(stage):
    ann, ben = await stage.crowd(2)
    await ben.ask(FollowUser(user_id=ann.id, following=True))
    await stage.calm()
    user = stage.user(ann)
    user.counts = type(user.counts)(entity_id=ann.id, followers=7)
    await stage.node.recount(ann.id)
    assert (await ann.profile())["counts"]["followers"] == 1


people = st.integers(0, 2)
deeds = st.lists(
    st.tuples(
        st.sampled_from(["like", "unlike", "comment", "uncomment", "follow", "unfollow",
                         "block", "unblock", "share", "delete", "forget"]),
        people,
        people,
    ),
    max_size=20,
)  # fmt: skip


@settings(max_examples=10, deadline=None)
@given(deeds)
def test_counts_are_right_whatever_people_do(order):
    async def story():
        async with open_stage() as stage:
            crowd = await stage.crowd(3)
            videos = [await each.publish() for each in crowd]
            comments: list[tuple[int, int]] = []
            for act, one, other in order:
                await do(stage, crowd[one], act, crowd[other], videos[other], comments)
            await stage.calm()
            await stage.node.sweep()
            await stage.calm()
            await assert_exact(stage, crowd, videos)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(story())


async def do(stage, person, act, other, video, comments):
    try:
        match act:
            case "like" | "unlike":
                await person.ask(LikeVideo(video_id=video, liked=act == "like"))
            case "comment":
                parent = next((each for of, each in comments if of == video), None)
                said = await person.read(PostComment(video_id=video, text="x", parent_id=parent))
                comments.append((video, int(said["comment_id"])))
            case "uncomment" if comments:
                of, comment = comments[0]
                await person.ask(DeleteComment(video_id=of, comment_id=comment))
            case "follow" | "unfollow":
                await person.ask(FollowUser(user_id=other.id, following=act == "follow"))
            case "block" | "unblock":
                await person.ask(BlockUser(user_id=other.id, blocked=act == "block"))
            case "share":
                await person.ask(ShareVideo(video_id=video))
            case "delete":
                await person.ask(DeleteVideo(video_id=video))
            case "forget":
                await stage.forget(person)
    except KinoraError as refusal:
        if refusal.executed is not False:
            raise
