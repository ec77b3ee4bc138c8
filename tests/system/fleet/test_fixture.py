"""The fleet that the tests of this folder share: it does what they ask of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.fleet import Fleet, register
from tests.support.people import People

pytestmark = [pytest.mark.engines, pytest.mark.timeout(300)]


async def test_a_person_uploads_and_another_likes(fleet: Fleet, people: People, clip: Path):
    anna, boris = await register(people, 2)

    video = await anna.publish(clip)
    await boris.call("POST", f"/video/{video}/like")

    assert (await boris.call("GET", f"/video/{video}"))["viewer"]["liked"]


async def test_what_is_killed_frozen_or_stopped_becomes_well_again(fleet: Fleet):
    before = fleet.pid("media-0")
    fleet.kill("media-0")
    await fleet.healthy()
    assert fleet.pid("media-0") != before

    fleet.stop("media-0")
    assert not fleet.is_healthy()
    fleet.start("media-0")
    await fleet.healthy()

    fleet.hold_killed("media-0")
    fleet.mend()
    await fleet.healthy()


async def test_redis_can_be_wiped_while_it_stands(fleet: Fleet):
    fleet.wipe_redis()

    assert fleet.redis_is_whole()
    assert len(fleet.redis_names("master")) == 3
