"""The for-you feed: a full page for everybody, nothing twice in a chain, and nothing that may not be seen."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from actors.messages import (
    BlockUser,
    DeleteVideo,
    FollowUser,
    GetFeed,
    LikeVideo,
    MarkNotInterested,
    ReportViews,
    View,
)
from sharding.errors import Gone, InvalidCursor
from tests.unit.actors.stage import ids, open_stage


@pytest.fixture
async def shelf(stage):
    """Six authors with five videos each."""
    authors = await stage.crowd(6)
    await stage.seed(authors, 5)
    return authors


@pytest.fixture
async def ann(stage, shelf):
    return await stage.person("ann")


VIEWS = itertools.count()


def view(video_id):
    """Another one each time, to the end."""
    viewing = View(view_id=f"view {next(VIEWS)}", video_id=video_id, watched_ms=10_000)
    return ReportViews(views=(viewing,))


def all_ids(pages):
    return [each for page in pages for each in ids(page)]


async def test_who_has_just_come_gets_a_full_page(ann):
    page = await ann.feed()
    assert len(page["items"]) == 10
    assert page["next_cursor"] is not None


@pytest.mark.parametrize("limit", [1, 7, 10, 50])
async def test_a_chain_shows_everything_once(ann, limit):
    shown = all_ids(await ann.chain(limit))
    assert len(shown) == len(set(shown)) == 30


async def test_one_author_does_not_fill_a_page(ann):
    pages = await ann.chain()
    for page in pages[:2]:
        authors = Counter(item["author"]["user_id"] for item in page["items"])
        assert max(authors.values()) <= 2


async def test_videos_are_shown_for_a_reason(ann):
    page = await ann.feed()
    assert {item["reason"]["source"] for item in page["items"]} <= {"trending", "fresh"}


async def test_ones_own_videos_come_last(stage, shelf):
    author = shelf[0]
    own = [item["viewer"]["own"] for page in await author.chain() for item in page["items"]]
    assert own == [False] * 25 + [True] * 5


async def test_ones_own_videos_come_last_also_where_others_are_few(stage):
    ann, ben = await stage.crowd(2)
    for _ in range(4):
        await ann.publish()
        await ben.publish()
    own = [item["viewer"]["own"] for item in (await ann.feed())["items"]]
    assert own == [False] * 4 + [True] * 4


async def test_the_same_cursor_gives_the_same_page(ann):
    first = await ann.feed()
    second = await ann.feed(first["next_cursor"])
    third = await ann.feed(second["next_cursor"])
    for cursor, page in ((first["next_cursor"], second), (second["next_cursor"], third)):
        again = await ann.feed(cursor)
        assert ids(again) == ids(page)
        assert again["req_id"] == page["req_id"]
    assert len({page["req_id"] for page in (first, second, third)}) == 3


async def test_the_same_cursor_gives_the_same_page_although_it_was_watched(ann):
    first = await ann.feed()
    second = await ann.feed(first["next_cursor"])
    for each in ids(second)[:3]:
        await ann.ask(view(each))
    assert ids(await ann.feed(first["next_cursor"])) == ids(second)


async def test_the_same_cursor_gives_the_same_page_after_the_actor_was_forgotten(stage, ann):
    first = await ann.feed()
    second = await ann.feed(first["next_cursor"])
    await stage.forget(ann)
    again = await ann.feed(first["next_cursor"])
    assert (ids(again), again["req_id"]) == (ids(second), second["req_id"])


async def test_a_chain_goes_on_after_the_actor_was_forgotten(stage, ann):
    first = await ann.feed()
    await stage.forget(ann)
    second = await ann.feed(first["next_cursor"])
    await stage.forget(ann)
    third = await ann.feed(second["next_cursor"])
    assert len({*ids(first), *ids(second), *ids(third)}) == 30


async def test_a_chain_goes_on_while_new_videos_come(stage, ann, shelf):
    first = await ann.feed()
    newest = await shelf[0].publish()
    rest, cursor = [], first["next_cursor"]
    while cursor is not None:
        await stage.clock.sleep(21)
        page = await ann.feed(cursor)
        rest += ids(page)
        cursor = page["next_cursor"]
    shown = ids(first) + rest
    assert len(shown) == len(set(shown)) == 31
    assert newest in rest


async def test_a_cursor_of_an_older_generation_is_gone(stage, ann, shelf):
    first = await ann.feed()
    await ann.feed(first["next_cursor"])
    for _ in range(2):
        await shelf[0].publish()
        await stage.clock.sleep(21)
        fresh = await ann.feed()
        await ann.feed(fresh["next_cursor"])
    with pytest.raises(Gone):
        await ann.feed(first["next_cursor"])


async def test_a_cursor_of_the_generation_before_is_still_good(stage, ann, shelf):
    first = await ann.feed()
    await shelf[0].publish()
    await stage.clock.sleep(21)
    await ann.feed()
    assert len(set(ids(first)) | set(ids(await ann.feed(first["next_cursor"])))) == 20


async def test_a_cursor_is_for_one_user_and_one_feed(stage, ann, shelf):
    cursor = (await ann.feed())["next_cursor"]
    with pytest.raises(InvalidCursor):
        await shelf[0].feed(cursor)
    with pytest.raises(InvalidCursor):
        await ann.following(cursor)
    with pytest.raises(InvalidCursor):
        await ann.feed(cursor[:-1])


async def test_a_page_of_an_actor_that_is_here_needs_no_waiting(stage, ann):
    page = await ann.feed()
    await stage.calm()
    for cursor in (None, page["next_cursor"]):
        assert stage.runtime.ask_nowait(ann.id, GetFeed(cursor=cursor), ann.family) is not None


async def test_what_a_later_page_followed_is_not_shown_in_a_new_chain(stage, ann, shelf):
    first = await ann.feed()
    second = await ann.feed(first["next_cursor"])
    new = await ann.chain()
    assert not set(ids(first)) & set(all_ids(new))
    assert set(ids(second)) <= set(all_ids(new))


async def test_what_was_watched_is_not_shown_in_a_new_chain(stage, ann):
    watched = ids(await ann.feed())[:4]
    for each in watched:
        await ann.ask(view(each))
    await stage.forget(ann)
    new = all_ids(await ann.chain())
    assert not set(watched) & set(new)
    assert len(new) == 26


async def test_a_new_chain_shows_what_is_new(stage, ann, shelf):
    await ann.feed()
    newest = await shelf[0].publish()
    await stage.clock.sleep(21)
    assert newest in ids(await ann.feed())


async def test_a_removed_video_disappears_at_once(stage, ann, shelf):
    first = await ann.feed()
    gone = ids(first)[0]
    author = next(each for each in shelf if str(each.id) == first["items"][0]["author"]["user_id"])
    second = await ann.feed(first["next_cursor"])
    await author.ask(DeleteVideo(video_id=gone))
    await stage.calm()
    assert gone not in ids(await ann.feed())
    assert gone not in all_ids(await ann.chain())
    assert ids(await ann.feed(first["next_cursor"])) == ids(second)


@pytest.mark.parametrize("blocking", [True, False], ids=["by the viewer", "by the author"])
@pytest.mark.parametrize("forgotten", [False, True], ids=["", "after a restart"])
async def test_a_blocked_author_disappears(stage, ann, shelf, blocking, forgotten):
    first = await ann.feed()
    second = await ann.feed(first["next_cursor"])
    author = shelf[0]
    assert str(author.id) in {item["author"]["user_id"] for item in second["items"]}
    one, other = (ann, author) if blocking else (author, ann)
    await one.ask(BlockUser(user_id=other.id, blocked=True))
    if forgotten:
        await stage.forget(ann)
    await stage.calm()
    again = await ann.feed(first["next_cursor"])
    for page in (again, await ann.feed(again["next_cursor"]), await ann.feed()):
        assert str(author.id) not in {item["author"]["user_id"] for item in page["items"]}
    assert len(ids(again)) == len(ids(second)) - sum(
        item["author"]["user_id"] == str(author.id) for item in second["items"]
    )


async def test_who_was_blocked_does_not_see_the_blocker_either(stage, ann, shelf):
    await shelf[0].ask(BlockUser(user_id=ann.id, blocked=True))
    await stage.calm()
    assert len(all_ids(await ann.chain())) == 25


@pytest.mark.parametrize("forgotten", [False, True], ids=["", "after a restart"])
async def test_what_one_does_not_want_is_not_shown_again(stage, ann, forgotten):
    first = await ann.feed()
    unwanted = ids(first)[0]
    await ann.ask(MarkNotInterested(video_id=unwanted))
    if forgotten:
        await stage.forget(ann)
    assert unwanted not in all_ids(await ann.chain())


@pytest.mark.parametrize("forgotten", [False, True], ids=["", "after a restart"])
async def test_a_page_never_lags_behind_what_its_viewer_did(stage, ann, forgotten):
    first = await ann.feed()
    item = first["items"][0]
    await ann.ask(LikeVideo(video_id=int(item["video_id"]), liked=True))
    await ann.ask(FollowUser(user_id=int(item["author"]["user_id"]), following=True))
    if forgotten:
        await stage.forget(ann)
    again = (await ann.feed())["items"][0]
    assert again["video_id"] == item["video_id"]
    assert again["viewer"] == {
        "liked": True,
        "own": False,
        "follow": "following",
        "can_comment": True,
    }


@pytest.mark.parametrize("forgotten", [False, True], ids=["", "after a restart"])
async def test_a_like_of_long_ago_still_shows(forgotten):
    async with open_stage(feed={"likes_held": 2}) as stage:
        ben, ann = await stage.crowd(2)
        videos = [await ben.publish() for _ in range(6)]
        for each in videos:
            await ann.ask(LikeVideo(video_id=each, liked=True))
        await stage.forget(ann)
        await ann.feed()
        if forgotten:
            await stage.forget(ann)
        assert [item["viewer"]["liked"] for item in (await ann.feed())["items"]] == [True] * 6


async def test_when_all_is_seen_the_oldest_comes_first(stage, ann):
    seen = []
    for page in await ann.chain(5):
        for each in ids(page):
            await ann.ask(view(each))
            seen.append(each)
    again = await ann.chain()
    assert all_ids(again) == seen
    assert {item["reason"]["source"] for page in again for item in page["items"]} == {"again"}


async def test_what_was_seen_again_comes_later_the_next_time(stage, ann):
    for page in await ann.chain(5):
        for each in ids(page):
            await ann.ask(view(each))
    first = await ann.feed(limit=10)
    for each in ids(first):
        await ann.ask(view(each))
    second = await ann.feed(first["next_cursor"], limit=10)
    await stage.forget(ann)
    await ann.stage.calm(21)
    new = all_ids(await ann.chain())
    assert not set(ids(first)) & set(new[:20])
    assert new[:10] == ids(second)


async def test_something_new_comes_before_what_is_shown_again(stage, ann, shelf):
    for page in await ann.chain():
        for each in ids(page):
            await ann.ask(view(each))
    await ann.feed()
    newest = await shelf[0].publish()
    page = await ann.feed()
    assert ids(page) == [newest]
    assert page["items"][0]["reason"]["source"] != "again"


async def test_videos_that_fell_off_the_shelf_are_found():
    async with open_stage(feed={"shelf": 5}) as stage:
        ben, ann = await stage.crowd(2)
        videos = [await ben.publish() for _ in range(12)]
        shown = all_ids(await ann.chain())
        for each in shown:
            await ann.ask(view(each))
        shown += all_ids(await ann.chain())
        assert set(shown) == set(videos)


async def test_a_card_that_changes_while_a_page_is_chosen_spoils_no_page(stage, ann, shelf):
    stage.library.cards.spoil_where(lambda card: True)
    changed = []

    async def change(video_ids):
        changed.append(video_ids[0])
        stage.library.cards.spoil(video_ids[0])

    stage.videos.after["videos"] = change
    page = await ann.feed()
    assert changed
    assert len(page["items"]) == 10
    assert not stage.alarms


async def test_taste_brings_more_of_what_was_watched_to_its_end(stage):
    authors = await stage.crowd(12)
    for n, each in enumerate(authors):
        await each.publish("look #cats" if n % 2 else "look #dogs")
    ann = await stage.person("ann")
    cat = next(
        int(item["video_id"]) for item in (await ann.feed())["items"] if "#cats" in item["caption"]
    )
    await ann.ask(view(cat))
    await ann.ask(LikeVideo(video_id=cat, liked=True))
    for n, each in enumerate(authors):
        await each.publish("again #cats" if n % 2 else "again #dogs")
    await stage.clock.sleep(21)
    page = (await ann.feed())["items"]
    liked = [item for item in page if item["reason"]["source"] == "affinity"]
    assert len(liked) >= 3
    assert all("#cats" in item["caption"] for item in liked)
    assert "#cats" in page[0]["caption"]
