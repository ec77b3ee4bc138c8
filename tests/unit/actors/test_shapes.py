"""What is glued or built by hand has exactly the shape that clients were promised."""

from __future__ import annotations

import types
import typing

import msgspec
import pytest

from actors import answers
from actors.messages import (
    CompleteUpload,
    EditVideo,
    FollowUser,
    GetFeed,
    GetUploadLimits,
    GetUser,
    GetVideo,
    GetVideos,
    LikeComment,
    LikeVideo,
    ListActivity,
    ListComments,
    ListFollows,
    ListLikes,
    ListNotifications,
    ListUserVideos,
    PostComment,
    ReportViews,
    ShareVideo,
    View,
)


def check(value, shape, where="answer"):
    """Every key of `shape` and no other, all the way down; what may be left out may be left out."""
    origin = typing.get_origin(shape)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            assert type(None) in typing.get_args(shape), where
            return
        (shape,) = [each for each in typing.get_args(shape) if each is not type(None)]
        origin = typing.get_origin(shape)
    if origin is tuple and typing.get_args(shape)[-1] is Ellipsis:
        for at, each in enumerate(value):
            check(each, typing.get_args(shape)[0], f"{where}[{at}]")
    elif isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        fields = msgspec.structs.fields(shape)
        known = {field.encode_name for field in fields}
        optional = shape.__struct_config__.omit_defaults
        needed = {f.encode_name for f in fields if f.required or not optional}
        assert needed <= set(value) <= known, f"{where}: {set(value) ^ known}"
        for field in fields:
            if field.encode_name in value:
                check(value[field.encode_name], field.type, f"{where}.{field.name}")
    else:
        assert msgspec.convert(value, shape, strict=True) is not msgspec.UNSET, where


def exact(data, shape):
    """`data` is this shape, and says nothing beyond it."""
    msgspec.json.decode(data, type=shape, strict=True)
    value = msgspec.json.decode(data)
    check(value, shape)
    return value


@pytest.fixture
async def story(stage):
    """Two people, a few videos, and everything that one can do to them."""
    ann, ben = await stage.person("ann"), await stage.person("ben")
    videos = [await ann.publish(f"clip {n} #cats") for n in range(4)]
    await ben.ask(FollowUser(user_id=ann.id, following=True))
    await ben.ask(LikeVideo(video_id=videos[0], liked=True))
    comment = await ben.read(PostComment(video_id=videos[0], text="hello"))
    await stage.calm()
    return ann, ben, videos, int(comment["comment_id"])


@pytest.mark.parametrize("tab", ["foryou", "following"])
async def test_a_glued_page_is_a_feed_and_nothing_beyond_it(story, tab):
    _, ben, _, _ = story
    page = exact(await ben.ask(GetFeed(tab=tab, limit=3)), answers.Feed)
    assert len(page["items"]) == 3
    assert all({"viewer", "reason", "preload"} <= set(item) for item in page["items"])
    again = exact(await ben.ask(GetFeed(tab=tab, cursor=page["next_cursor"])), answers.Feed)
    assert len(again["items"]) == 1


async def test_the_first_cards_of_a_page_come_with_what_to_load_first(stage, story):
    _, ben, _, _ = story
    page = await ben.feed(limit=4)
    assert page["preload"] == 3
    assert ["preload" in item for item in page["items"]] == [True, True, True, False]
    assert page["items"][0]["preload"] == {"file": "360p.mp4", "range": "bytes=0-499"}


async def test_an_empty_page_is_a_feed_too(stage):
    nobody = await stage.person()
    for tab in ("foryou", "following"):
        page = exact(await nobody.ask(GetFeed(tab=tab)), answers.Feed)
        assert (page["items"], page["next_cursor"], page["preload"]) == ([], None, 0)


async def test_a_glued_card_says_the_same_as_the_struct_it_stands_for(story):
    _, ben, videos, _ = story
    glued = await ben.ask(GetVideo(video_id=videos[0]))
    struct = msgspec.json.decode(glued, type=answers.Video, strict=True)
    assert msgspec.json.decode(answers.to_json(struct)) == msgspec.json.decode(glued)


async def test_every_answer_has_its_shape(story):
    ann, ben, videos, comment = story
    first = videos[0]
    uploaded = await ann.upload()
    asked = [
        (ben, GetVideo(video_id=first), answers.Video),
        (ben, GetVideos(video_ids=(first, 5), unknown=("x",)), answers.RenewedVideos),
        (ben, GetUser(user_id=ann.id), answers.User),
        (ben, GetUser(user_id=ben.id), answers.User),
        (ben, ListComments(video_id=first), answers.Comments),
        (ben, ListFollows(user_id=ann.id, direction="followers"), answers.People),
        (ben, ListFollows(user_id=ben.id, direction="following"), answers.People),
        (ben, ListUserVideos(user_id=ann.id), answers.Videos),
        (ben, ListLikes(), answers.Videos),
        (ben, ListActivity(), answers.Activities),
        (ann, ListNotifications(), answers.Notifications),
        (ann, GetUploadLimits(), answers.UploadLimits),
        (ben, LikeVideo(video_id=first, liked=True), answers.Liked),
        (ben, ShareVideo(video_id=first), answers.Shared),
        (ben, PostComment(video_id=first, text="x", parent_id=comment), answers.Comment),
        (ben, LikeComment(video_id=first, comment_id=comment, liked=True), answers.CommentLiked),
        (ben, FollowUser(user_id=ann.id, following=False), answers.Followed),
        (
            ben,
            ReportViews(views=(View(view_id="v", video_id=first),), unusable=1),
            answers.ViewsAccepted,
        ),
        (ann, EditVideo(video_id=first, caption="x"), answers.Video),
        (ann, CompleteUpload(video_id=uploaded, stored_bytes=1), answers.UploadAccepted),
    ]
    for person, message, shape in asked:
        exact(await person.ask(message), shape)


async def test_media_of_a_card_is_signed_for_six_hours(stage, story):
    _, ben, videos, _ = story
    media = (await ben.video(videos[0]))["media"]
    assert media["key"] == f"v/{videos[0]}/1"
    assert media["base"].startswith("https://media.example/")
    assert media["base"].endswith(f"/v/{videos[0]}/1/")
    expires_s = int(media["base"].split("/")[4])
    assert expires_s * 1000 - stage.clock.unix_ms() > 6 * 3_600_000
    stage.clock.pass_ms(3_600_000)
    assert (await ben.video(videos[0]))["media"]["base"] != media["base"]
