"""What every `PeopleFacts` promises (actors/ports/facts.py)."""

from __future__ import annotations

import pytest

from actors.rows import BlockRow, CountsRow
from tests.contracts.make import credential, like, media_row, playing, session, stamped, user, video
from tests.contracts.make import follow_row as follow


def block(blocker_id, blocked_id, blocked=True):
    return BlockRow(blocker_id=blocker_id, blocked_id=blocked_id, blocked=blocked)


async def test_an_account_has_its_living_sessions_newest_last(facts):
    await facts.writer.write(
        stamped(
            user(1),
            credential(1),
            session(1, 30),
            session(1, 10),
            session(1, 20, ended=True),
            session(2, 40),
        )
    )
    account = await facts.people.account(1)
    assert (account.user, account.credential) == (user(1), credential(1))
    assert [each.family_id for each in account.sessions] == [10, 30]


async def test_there_is_no_account_of_somebody_unknown(facts):
    assert await facts.people.account(1) is None


async def test_a_deleted_person_still_has_an_account_and_a_profile(facts):
    await facts.writer.write(stamped(user(1, deleted=True), credential(1)))
    assert (await facts.people.account(1)).user.deleted
    assert [profile.user.deleted for profile in await facts.people.profiles([1])] == [True]


async def test_profiles_are_those_that_exist_with_counts_of_zero_before_the_first(facts):
    await facts.writer.write(stamped(user(1), user(2), CountsRow(entity_id=2, followers=7)))
    profiles = await facts.people.profiles([3, 2, 1])
    assert {profile.user.user_id: profile.counts.followers for profile in profiles} == {1: 0, 2: 7}
    assert list(await facts.people.profiles([])) == []


async def test_following_leaves_out_what_ended_and_keeps_its_limit(facts):
    await facts.writer.write(
        stamped(follow(1, 2), follow(1, 3), follow(1, 4, following=False), follow(9, 5))
    )
    assert set(await facts.people.following(1, 10)) == {2, 3}
    assert len(await facts.people.following(1, 1)) == 1


@pytest.mark.parametrize("direction", ["following", "followers"])
async def test_follows_go_from_the_newest_backwards_in_both_directions(facts, direction):
    def other(row):
        return row.followee_id if direction == "following" else row.follower_id

    def row(number, at_ms, **more):
        pair = (1, number) if direction == "following" else (number, 1)
        return follow(pair[0], pair[1], at_ms=at_ms, **more)

    await facts.writer.write(
        stamped(row(2, 10), row(3, 20), row(4, 20), row(5, 30), row(6, 40, following=False))
    )
    page = await facts.people.follows(1, direction=direction, before=None, limit=2)
    assert [other(each) for each in page] == [5, 4]
    rest = await facts.people.follows(1, direction=direction, before=(20, 4), limit=9)
    assert [other(each) for each in rest] == [3, 2]


@pytest.mark.parametrize("direction", ["following", "followers"])
async def test_a_follow_given_again_stands_once_at_its_newer_time(facts, direction):
    other = (1, 2) if direction == "following" else (2, 1)
    await facts.writer.write(stamped(follow(*other, at_ms=1)))
    await facts.writer.write(stamped(follow(*other, at_ms=2, following=False)))
    assert list(await facts.people.follows(1, direction=direction, before=None, limit=9)) == []
    await facts.writer.write(stamped(follow(*other, at_ms=3)))
    page = await facts.people.follows(1, direction=direction, before=None, limit=9)
    assert list(page) == [follow(*other, at_ms=3)]


async def test_many_ties_are_found_whatever_their_number(facts):
    others = range(2, 30)
    await facts.writer.write(
        stamped(
            *(follow(1, n, at_ms=n) for n in others),
            *(follow(n, 1, at_ms=n) for n in others),
            *(block(1, n) for n in others),
        )
    )
    newest = list(others)[::-1]
    for direction, column in (("following", "followee_id"), ("followers", "follower_id")):
        page = await facts.people.follows(1, direction=direction, before=None, limit=20)
        assert [getattr(row, column) for row in page] == newest[:20]
    assert sorted(await facts.people.following(1, 99)) == list(others)
    assert sorted(await facts.people.follows_among([*others, 99], 1)) == list(others)
    assert sorted((await facts.people.blocks(1))[0]) == list(others)
    assert (await facts.people.tally(1)).followers == len(others)


async def test_blocks_are_told_from_both_sides(facts):
    await facts.writer.write(
        stamped(block(1, 2), block(1, 3, blocked=False), block(4, 1), block(5, 6))
    )
    blocked, blockers = await facts.people.blocks(1)
    assert (list(blocked), list(blockers)) == ([2], [4])


async def test_a_tally_counts_only_videos_that_play_and_likes_of_those(facts):
    await facts.writer.write(
        stamped(
            follow(2, 1),
            follow(3, 1),
            follow(4, 1, following=False),
            follow(1, 2),
            *playing(10),
            *playing(11),
            video(12, removed=True),
            media_row(12),
            video(13),
            media_row(13, status="processing"),
            *playing(14, author_id=2),
            like(2, 10),
            like(3, 10),
            like(4, 10, liked=False),
            like(2, 11),
            like(2, 12),
            like(2, 14),
        )
    )
    tally = await facts.people.tally(1)
    assert (tally.followers, tally.following) == (2, 1)
    assert (tally.videos, tally.likes_received) == (2, 3)


async def test_a_tally_of_nothing_is_zero(facts):
    tally = await facts.people.tally(1)
    assert (tally.followers, tally.following, tally.videos, tally.likes_received) == (0, 0, 0, 0)


async def test_a_sweep_over_everyone_goes_upwards_in_bites(facts):
    await facts.writer.write(stamped(user(3), user(1), user(2, deleted=True), user(5)))
    assert list(await facts.people.everyone(0, 2)) == [1, 2]
    assert list(await facts.people.everyone(2, 9)) == [3, 5]
