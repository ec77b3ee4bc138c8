"""Comments: who may say, see and remove what, and how many there are."""

from __future__ import annotations

import asyncio

import pytest

from actors.messages import (
    BlockUser,
    DeleteComment,
    LikeComment,
    ListComments,
    PostComment,
)
from sharding.errors import Forbidden, InvalidCursor, NotFound, RateLimited
from tests.unit.actors.stage import open_stage
from tests.unit.actors.virtual_time import settled


@pytest.fixture
async def ann(stage):
    return await stage.person("ann")


@pytest.fixture
async def ben(stage):
    return await stage.person("ben")


@pytest.fixture
async def cleo(stage):
    return await stage.person("cleo")


@pytest.fixture
async def video(stage, ann):
    return await ann.publish()


async def post(person, video, text="hello", parent=None):
    answer = await person.read(PostComment(video_id=video, text=text, parent_id=parent))
    await person.stage.clock.sleep(0.002)
    return int(answer["comment_id"])


async def texts(person, video, parent=None):
    page = await person.read(ListComments(video_id=video, parent_id=parent))
    return [item["text"] for item in page["items"]]


def remove(video, comment):
    return DeleteComment(video_id=video, comment_id=comment)


async def likes(person, video, comment, liked=True):
    message = LikeComment(video_id=video, comment_id=comment, liked=liked)
    return (await person.read(message))["likes"]


async def test_a_comment_is_there_for_who_wrote_it_and_for_everyone(ben, cleo, video):
    answer = await ben.read(PostComment(video_id=video, text="hello"))
    assert answer["viewer"] == {"liked": False, "own": True}
    assert answer["author"]["username"] == "ben"
    (seen,) = (await cleo.read(ListComments(video_id=video)))["items"]
    assert seen == {**answer, "viewer": {"liked": False, "own": False}}


async def test_comments_are_listed_newest_first_in_pages(ben, cleo, video):
    for n in range(5):
        await post(ben, video, f"c{n}")
    page = await cleo.read(ListComments(video_id=video, limit=3))
    rest = await cleo.read(ListComments(video_id=video, limit=3, cursor=page["next_cursor"]))
    shown = [item["text"] for item in page["items"] + rest["items"]]
    assert shown == ["c4", "c3", "c2", "c1", "c0"]
    assert rest["next_cursor"] is None


async def test_a_cursor_is_for_one_reader_and_one_list(ann, ben, cleo, video):
    first, *_ = [await post(ben, video) for _ in range(3)]
    cursor = (await cleo.read(ListComments(video_id=video, limit=1)))["next_cursor"]
    for person, parent in ((ben, None), (cleo, first)):
        with pytest.raises(InvalidCursor):
            await person.ask(ListComments(video_id=video, parent_id=parent, cursor=cursor))


async def test_a_repeat_under_the_same_key_is_the_same_comment(ben, video):
    message = PostComment(video_id=video, text="hello")
    assert await ben.ask(message, key=b"k") == await ben.ask(message, key=b"k")
    assert await texts(ben, video) == ["hello"]


async def test_answers_hang_on_the_comment_that_began_the_thread(ben, cleo, video):
    first = await post(ben, video, "first")
    reply = await post(cleo, video, "reply", first)
    deeper = await ben.read(PostComment(video_id=video, text="deeper", parent_id=reply))
    assert deeper["parent_id"] == str(first)
    assert await texts(ben, video) == ["first"]
    assert await texts(ben, video, first) == ["deeper", "reply"]
    (seen,) = (await ben.read(ListComments(video_id=video)))["items"]
    assert seen["replies"] == 2


async def test_all_comments_and_answers_are_counted(stage, ben, cleo, video):
    first = await post(ben, video)
    await post(cleo, video, "reply", first)
    await stage.calm()
    assert (await ben.video(video))["counts"]["comments"] == 2


async def test_its_author_removes_a_comment(stage, ben, cleo, video):
    comment = await post(ben, video)
    await post(cleo, video, "stays")
    await ben.ask(remove(video, comment))
    assert await texts(cleo, video) == ["stays"]
    with pytest.raises(NotFound):
        await ben.ask(remove(video, comment))
    await stage.calm()
    assert (await ben.video(video))["counts"]["comments"] == 1


async def test_the_author_of_the_video_removes_any_comment(ann, ben, video):
    comment = await post(ben, video)
    await ann.ask(remove(video, comment))
    assert await texts(ben, video) == []
    with pytest.raises(NotFound):
        await ben.ask(remove(video, comment))


async def test_nobody_else_removes_a_comment(ben, cleo, video):
    comment = await post(ben, video)
    with pytest.raises(Forbidden):
        await cleo.ask(remove(video, comment))
    assert await texts(cleo, video) == ["hello"]


async def test_with_a_comment_its_answers_go(stage, ann, ben, cleo, video):
    first = await post(ben, video, "first")
    await post(cleo, video, "reply", first)
    await ann.ask(remove(video, first))
    with pytest.raises(NotFound):
        await texts(cleo, video, first)
    await stage.calm()
    assert (await ben.video(video))["counts"]["comments"] == 0


async def test_a_comment_that_two_remove_at_once_is_counted_out_once(stage, ann, ben, video):
    comment = await post(ben, video)
    await post(ben, video, "stays")
    await stage.calm()
    asking = [each.start(remove(video, comment)) for each in (ann, ben)]
    await asyncio.gather(*asking, return_exceptions=True)
    await stage.calm()
    await stage.node.sweep()
    await stage.calm()
    assert (await ben.video(video))["counts"]["comments"] == 1


async def test_comments_are_liked_once_by_each(ann, ben, cleo, video):
    comment = await post(ben, video)
    assert await likes(ann, video, comment) == 1
    assert await likes(ann, video, comment) == 1
    assert await likes(cleo, video, comment) == 2
    assert await likes(cleo, video, comment, False) == 1
    (seen,) = (await ann.read(ListComments(video_id=video)))["items"]
    assert (seen["likes"], seen["viewer"]["liked"]) == (1, True)


async def test_a_quick_change_of_mind_about_a_comment_ends_where_it_should(ben, cleo, video):
    comment = await post(ben, video)
    asking = [
        cleo.start(LikeComment(video_id=video, comment_id=comment, liked=liked))
        for liked in (True, False)
    ]
    await asyncio.gather(*asking)
    (seen,) = (await cleo.read(ListComments(video_id=video)))["items"]
    assert (seen["likes"], seen["viewer"]["liked"]) == (0, False)


async def test_what_is_not_there_cannot_be_answered_liked_or_removed(stage, ann, ben, video):
    other = await ann.publish()
    comment = await post(ben, video)
    for video_id, comment_id in (
        (video, stage.mint.mint()),
        (other, comment),
        (stage.mint.mint(), comment),
    ):
        for message in (
            PostComment(video_id=video_id, text="x", parent_id=comment_id),
            LikeComment(video_id=video_id, comment_id=comment_id, liked=True),
            remove(video_id, comment_id),
            ListComments(video_id=video_id, parent_id=comment_id),
        ):
            with pytest.raises(NotFound):
                await ben.ask(message)


async def test_who_is_blocked_is_neither_heard_nor_answered(stage, ann, ben, cleo, video):
    comment = await post(ben, video)
    await cleo.ask(BlockUser(user_id=ben.id, blocked=True))
    await settled()
    assert await texts(cleo, video) == []
    with pytest.raises(NotFound):
        await post(cleo, video, "answer", comment)
    assert await texts(ann, video) == ["hello"]
    await ann.ask(BlockUser(user_id=ben.id, blocked=True))
    await settled()
    with pytest.raises(NotFound):
        await post(ben, video)


async def test_comments_have_a_limit():
    async with open_stage(limits={"comments_a_minute": 8}) as stage:
        ann, ben = await stage.crowd(2)
        video = await ann.publish()
        for _ in range(3):
            await post(ben, video)
        with pytest.raises(RateLimited):
            await post(ben, video)
        assert len(await texts(ben, video)) == 3
