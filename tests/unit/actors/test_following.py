"""The following feed: complete, newest first, and true at every moment, whatever its inbox forgot."""

from __future__ import annotations

import pytest

from actors.messages import BlockUser, DeleteVideo, FollowUser
from tests.unit.actors.faults import Held
from tests.unit.actors.stage import ids, open_stage
from tests.unit.actors.virtual_time import settled


@pytest.fixture
async def small():
    """Inboxes hold six videos, and whoever has more than two followers is loud."""
    async with open_stage(feed={"inbox": 6, "push_bound": 2}) as stage:
        yield stage


def follow(person, following=True):
    return FollowUser(user_id=person.id, following=following)


async def all_ids(person, limit=3):
    return [each for page in await person.chain(limit, "following") for each in ids(page)]


async def published(authors, rounds):
    """Videos, newest first."""
    return [await each.publish() for _ in range(rounds) for each in authors][::-1]


async def test_who_follows_nobody_gets_an_empty_page(stage):
    ann, ben = await stage.crowd(2)
    await ben.publish()
    page = await ann.following()
    assert (page["items"], page["next_cursor"]) == ([], None)


@pytest.mark.parametrize("asked_before", [False, True], ids=["read from facts", "pushed"])
@pytest.mark.parametrize("limit", [1, 3, 5, 50])
async def test_everything_is_there_once_newest_first_beyond_the_inbox(small, limit, asked_before):
    ann, *authors = await small.crowd(3)
    for each in authors:
        await ann.ask(follow(each))
    if asked_before:
        await ann.following()
    videos = await published(authors, 10)
    assert await all_ids(ann, limit) == videos


async def test_every_card_says_why_it_is_there(stage):
    ann, ben = await stage.crowd(2)
    await ann.ask(follow(ben))
    await ben.publish()
    (item,) = (await ann.following())["items"]
    assert item["reason"] == {"source": "following"}
    assert item["viewer"]["follow"] == "following"


async def test_the_same_cursor_gives_the_same_page_though_new_videos_came(small):
    ann, ben = await small.crowd(2)
    await ann.ask(follow(ben))
    videos = await published([ben], 9)
    first = await ann.following(limit=3)
    second = await ann.following(first["next_cursor"], limit=3)
    newest = await ben.publish()
    again = await ann.following(first["next_cursor"], limit=3)
    assert (ids(again), again["req_id"]) == (videos[3:6], second["req_id"])
    assert ids(await ann.following(limit=3)) == [newest, *videos[:2]]


@pytest.mark.parametrize("moment", ["before", "between pages", "always"])
async def test_no_page_depends_on_the_inbox(small, moment):
    ann, *authors = await small.crowd(3)
    for each in authors:
        await ann.ask(follow(each))
    await ann.following()
    videos = await published(authors, 5)
    shown: list[int] = []
    cursor = None
    while True:
        if moment == "always" or moment == ("between pages" if shown else "before"):
            small.user(ann).inbox = None
        page = await ann.following(cursor, limit=4)
        shown += ids(page)
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert shown == videos


async def test_an_unfollow_shows_at_once(stage):
    ann, ben, cleo = await stage.crowd(3)
    for each in (ben, cleo):
        await ann.ask(follow(each))
    of_ben, of_cleo = await ben.publish(), await cleo.publish()
    assert ids(await ann.following()) == [of_cleo, of_ben]
    await ann.ask(follow(cleo, False))
    assert ids(await ann.following()) == [of_ben]


async def test_a_follow_shows_at_once(stage):
    ann, ben = await stage.crowd(2)
    video = await ben.publish()
    assert ids(await ann.following()) == []
    await ann.ask(follow(ben))
    assert ids(await ann.following()) == [video]


async def test_a_page_that_is_asked_for_again_leaves_out_who_is_not_followed_any_more(stage):
    ann, ben, cleo = await stage.crowd(3)
    for each in (ben, cleo):
        await ann.ask(follow(each))
    videos = await published([ben, cleo], 3)
    first = await ann.following(limit=2)
    assert ids(await ann.following(first["next_cursor"], limit=2)) == videos[2:4]
    await ann.ask(follow(cleo, False))
    again = await ann.following(first["next_cursor"], limit=2)
    assert ids(again) == [videos[3]]
    assert ids(await ann.following(again["next_cursor"], limit=2)) == [videos[5]]


@pytest.mark.parametrize("blocking", [True, False], ids=["by the viewer", "by the author"])
async def test_a_block_shows_at_once(stage, blocking):
    ann, ben = await stage.crowd(2)
    await ann.ask(follow(ben))
    video = await ben.publish()
    assert ids(await ann.following()) == [video]
    one, other = (ann, ben) if blocking else (ben, ann)
    await one.ask(BlockUser(user_id=other.id, blocked=True))
    await settled()
    assert ids(await ann.following()) == []


async def test_a_removed_video_disappears(stage):
    ann, ben = await stage.crowd(2)
    await ann.ask(follow(ben))
    videos = await published([ben], 3)
    await ann.following()
    await ben.ask(DeleteVideo(video_id=videos[1]))
    await stage.calm()
    assert ids(await ann.following()) == [videos[0], videos[2]]


async def test_a_push_while_the_inbox_is_read_is_not_lost(stage):
    ann, ben = await stage.crowd(2)
    await ann.ask(follow(ben))
    old = await ben.publish()
    stage.user(ann).inbox = None
    held = stage.videos.after["by_authors"] = Held()
    reading = ann.start_reading()
    await held.reached.wait()
    stage.videos.before.clear()
    new = await ben.publish()
    held.let_go()
    await reading
    assert stage.user(ann).inbox == sorted(stage.user(ann).inbox, reverse=True)
    assert ids(await ann.following()) == [new, old]


async def test_what_is_published_before_a_follow_has_landed_is_not_missing(stage):
    ann, ben = await stage.crowd(2)
    old = await ben.publish()
    held = stage.facts.before["write"] = Held()
    following = ann.start(follow(ben))
    await held.reached.wait()
    stage.facts.heal()
    # Another phone of Ann's reads; then Ben's followers are read, and Ann is not among them yet.
    assert ids(await ann.following()) == [old]
    new = await ben.publish()
    held.let_go()
    await following
    await stage.calm()
    assert ids(await ann.following()) == [new, old]


async def test_a_follower_who_sleeps_is_not_woken_and_misses_nothing(stage):
    ann, ben = await stage.crowd(2)
    await ann.ask(follow(ben))
    await stage.forget(ann)
    loads = stage.runtime.statistics().activations
    video = await ben.publish()
    await stage.calm()
    assert stage.runtime.statistics().activations == loads + 1, "only the video's own actor"
    assert ids(await ann.following()) == [video]


async def test_loud_authors_are_pulled_by_whoever_reads(small):
    star, quiet, *fans = await small.crowd(5)
    for fan in fans:
        await fan.ask(follow(star))
        await fan.ask(follow(quiet, fan is fans[0]))
        await fan.following()
    await small.calm()
    videos = await published([star, quiet], 2)
    assert small.library.loud == {star.id}
    assert {video for _, video in small.user(fans[0]).inbox} == {videos[0], videos[2]}
    assert await all_ids(fans[0]) == videos
    assert await all_ids(fans[1]) == [videos[1], videos[3]]


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_however_much_loud_authors_publish_nothing_is_missing(small, limit):
    star, quiet, *fans = await small.crowd(5)
    for fan in fans:
        await fan.ask(follow(star))
    await fans[0].ask(follow(quiet))
    await fans[0].following()
    await small.calm()
    videos = await published([star, star, quiet], 5)
    assert await all_ids(fans[0], limit) == videos


async def test_open_websockets_hear_of_new_videos(stage):
    ann, ben = await stage.crowd(2)
    await ann.ask(follow(ben))
    await ann.attach("a")
    await ben.publish()
    await stage.calm()
    (event,) = ann.events("a")
    assert (event["type"], event["data"]) == ("feed.new", {"tab": "following", "count": 1})
