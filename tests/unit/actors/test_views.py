"""Views: each counted once, whatever way and however often it is reported."""

from __future__ import annotations

import pytest

from actors.messages import BlockUser, GetVideos, ReportViews, View
from sharding.errors import RateLimited
from tests.unit.actors.stage import ids, open_stage
from tests.unit.actors.virtual_time import settled


@pytest.fixture
async def ann(stage):
    return await stage.person("ann")


@pytest.fixture
async def ben(stage):
    return await stage.person("ben")


@pytest.fixture
async def video(stage, ann):
    return await ann.publish()


def view(name, video_id, watched_ms=3_000, **more):
    return View(view_id=name, video_id=video_id, watched_ms=watched_ms, **more)


async def report(person, *views, unusable=0):
    answer = await person.read(ReportViews(views=views, unusable=unusable))
    return answer["accepted"], answer["dropped"]


async def views_of(stage, person, video):
    await stage.calm()
    return (await person.video(video))["counts"]["views"]


async def test_a_view_is_counted_once_by_its_name(stage, ben, video):
    assert await report(ben, view("a", video), view("a", video), view("b", video)) == (3, 0)
    assert await report(ben, view("a", video)) == (1, 0)
    assert await views_of(stage, ben, video) == 2


async def test_a_view_is_counted_once_also_after_the_actor_was_forgotten(stage, ben, video):
    await report(ben, view("a", video))
    await stage.forget(ben)
    await report(ben, view("a", video))
    assert await views_of(stage, ben, video) == 1


async def test_views_of_two_people_may_have_one_name(stage, ann, ben, video):
    await report(ann, view("a", video))
    await report(ben, view("a", video))
    assert await views_of(stage, ben, video) == 2


async def test_what_cannot_be_used_is_dropped_and_the_rest_counts(stage, ann, ben, video):
    hidden = await ann.upload()
    outcome = await report(
        ben,
        view("a", video),
        view("b", hidden),
        view("c", stage.mint.mint()),
        view("d", video, watched_ms=-1),
        unusable=2,
    )
    assert outcome == (1, 5)
    assert await views_of(stage, ben, video) == 1


async def test_views_of_a_blocker_are_dropped(ann, ben, video):
    await ann.ask(BlockUser(user_id=ben.id, blocked=True))
    await settled()
    assert await report(ben, view("a", video)) == (0, 1)


async def test_names_are_remembered_up_to_a_bound():
    async with open_stage(feed={"view_fingerprints": 3}) as stage:
        ann, ben = await stage.crowd(2)
        video = await ann.publish()
        for n in range(6):
            await report(ben, view(f"v{n}", video))
        assert len(stage.user(ben).viewed) == 3
        await report(ben, view("v5", video))
        assert await views_of(stage, ben, video) == 6


async def test_reports_have_a_limit():
    async with open_stage(limits={"view_batches_a_minute": 4}) as stage:
        ann = await stage.person()
        await report(ann)
        await report(ann)
        with pytest.raises(RateLimited):
            await report(ann)


async def test_what_is_skipped_is_liked_less_than_what_is_watched(stage, ann, ben):
    skipped, watched = await ann.publish("#dogs"), await ann.publish("#cats")
    await report(ben, view("a", skipped, watched_ms=500), view("b", watched, completed=True))
    assert stage.user(ben).taste.leading_tags(8) == ["cats"]


async def test_a_cached_feed_is_renewed_in_its_order(stage, ann, ben):
    first, second = await ann.publish(), await ann.publish()
    hidden = await ann.upload()
    message = GetVideos(video_ids=(second, hidden, first), unknown=("nonsense",))
    renewed = await ben.read(message)
    assert ids(renewed) == [second, first]
    assert renewed["missing"] == [str(hidden), "nonsense"]
