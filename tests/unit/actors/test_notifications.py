"""Notifications: grouped, numbered with the websocket's events, and unread until they were read."""

from __future__ import annotations

import pytest

from actors.messages import (
    BlockUser,
    FollowUser,
    LikeVideo,
    ListNotifications,
    PostComment,
    ReadNotifications,
)
from sharding.errors import InvalidCursor
from tests.unit.actors.virtual_time import settled


@pytest.fixture
async def ann(stage):
    return await stage.person("ann")


@pytest.fixture
async def video(stage, ann):
    return await ann.publish()


async def like(person, video, liked=True):
    await person.ask(LikeVideo(video_id=video, liked=liked))


async def told(person):
    """(kind, how many, who) of every notification, newest first."""
    page = await person.notifications()
    return [
        (item["type"], item["actor_count"], [actor["username"] for actor in item["actors"]])
        for item in page["items"]
    ]


async def test_likes_of_a_video_are_one_notification_that_names_the_last_three(stage, ann, video):
    for each in await stage.crowd(5):
        await like(each, video)
        await stage.calm(1.5)
    assert await told(ann) == [("like", 5, ["person5", "person4", "person3"])]


async def test_follows_of_a_day_are_one_notification(stage, ann):
    for each in await stage.crowd(2):
        await each.ask(FollowUser(user_id=ann.id, following=True))
        await stage.calm(1.5)
    assert await told(ann) == [("follow", 2, ["person2", "person1"])]
    stage.clock.pass_ms(86_400_000)
    late = await stage.person("late")
    await late.ask(FollowUser(user_id=ann.id, following=True))
    await stage.calm()
    assert await told(ann) == [("follow", 1, ["late"]), ("follow", 2, ["person2", "person1"])]


async def test_every_comment_is_a_notification_of_its_own(stage, ann, video):
    ben = await stage.person("ben")
    for _ in range(2):
        await ben.ask(PostComment(video_id=video, text="hello"))
    await stage.calm()
    assert await told(ann) == [("comment", 1, ["ben"])] * 2


async def test_an_answer_is_told_to_who_was_answered_and_to_the_author(stage, ann, video):
    ben, cleo = await stage.person("ben"), await stage.person("cleo")
    first = await ben.read(PostComment(video_id=video, text="first"))
    await stage.calm()
    await cleo.ask(PostComment(video_id=video, text="reply", parent_id=int(first["comment_id"])))
    await stage.calm()
    assert await told(ben) == [("comment", 1, ["cleo"])]
    assert await told(ann) == [("comment", 1, ["cleo"]), ("comment", 1, ["ben"])]


async def test_nobody_is_told_of_what_they_did_themselves(stage, ann, video):
    await like(ann, video)
    await ann.ask(PostComment(video_id=video, text="hello"))
    await stage.calm()
    assert await told(ann) == []
    assert (await ann.profile())["counts"]["likes_received"] == 1


async def test_nobody_is_told_of_those_whom_they_block(stage, ann, video):
    ben, cleo = await stage.person("ben"), await stage.person("cleo")
    await like(ben, video)
    await like(cleo, video)
    await stage.calm()
    await ann.ask(BlockUser(user_id=ben.id, blocked=True))
    await settled()
    assert await told(ann) == [("like", 2, ["cleo"])]


async def test_growing_makes_a_notification_new_again(stage, ann, video):
    ben, cleo = await stage.person("ben"), await stage.person("cleo")
    await like(ben, video)
    await ben.ask(FollowUser(user_id=ann.id, following=True))
    await stage.calm()
    page = await ann.notifications()
    assert ([item["type"] for item in page["items"]], page["unread"]) == (["follow", "like"], 2)
    await ann.ask(ReadNotifications(up_to_seq=page["items"][0]["seq"]))
    assert (await ann.notifications())["unread"] == 0
    await like(cleo, video)
    await stage.calm()
    page = await ann.notifications()
    assert [(item["type"], item["read"]) for item in page["items"]] == [
        ("like", False),
        ("follow", True),
    ]
    assert page["unread"] == 1


async def test_reading_up_to_a_number_leaves_what_is_newer_and_never_goes_back(stage, ann, video):
    ben = await stage.person("ben")
    for _ in range(3):
        await ben.ask(PostComment(video_id=video, text="hello"))
        await stage.calm(1.5)
    numbers = [item["seq"] for item in (await ann.notifications())["items"]]
    assert numbers == sorted(set(numbers), reverse=True)
    for up_to in (numbers[1], numbers[2], 0):
        await ann.ask(ReadNotifications(up_to_seq=up_to))
    assert (await ann.notifications())["unread"] == 1
    await stage.forget(ann)
    assert (await ann.notifications())["unread"] == 1


async def test_nobody_reads_what_has_not_happened_yet(stage, ann, video):
    await ann.ask(ReadNotifications(up_to_seq=2**53))
    await like(await stage.person(), video)
    await stage.calm()
    assert (await ann.notifications())["unread"] == 1


async def test_notifications_are_listed_in_pages(stage, ann, video):
    ben = await stage.person("ben")
    for _ in range(5):
        await ben.ask(PostComment(video_id=video, text="hello"))
    await stage.calm()
    page = await ann.notifications(limit=3)
    rest = await ann.notifications(limit=3, cursor=page["next_cursor"])
    numbers = [item["seq"] for item in page["items"] + rest["items"]]
    assert len(numbers) == 5
    assert numbers == sorted(set(numbers), reverse=True)
    assert rest["next_cursor"] is None
    with pytest.raises(InvalidCursor):
        await ben.ask(ListNotifications(cursor=page["next_cursor"]))


async def test_a_like_that_was_taken_back_leaves_the_count_right(stage, ann, video):
    ben = await stage.person("ben")
    await like(ben, video)
    await stage.calm()
    await like(ben, video, False)
    await stage.calm()
    assert (await ann.profile())["counts"]["likes_received"] == 0
