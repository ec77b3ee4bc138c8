"""An account: who may speak for it, for how long, and who finds out that a token was stolen."""

from __future__ import annotations

import pytest

from actors.messages import (
    AttachSocket,
    Caller,
    ChangePassword,
    DeleteAccount,
    EditProfile,
    EndSession,
    FindCredential,
    GetFeed,
    GetUser,
    OpenSession,
    RefreshSession,
    Register,
    SetAvatar,
)
from sharding.errors import Conflict, NotFound, RateLimited, Unauthenticated
from tests.unit.actors.stage import open_stage

DAY_MS = 86_400_000


@pytest.fixture
async def ann(stage):
    return await stage.person("ann")


def register(family, username="ann"):
    return Register(
        username=username, display_name="Ann", password_hash="hash of ann", family_id=family
    )


async def refresh(person, number, family=None):
    return await person.ask(RefreshSession(family_id=family or person.family, number=number))


async def sign_in(person, version=1):
    granted = await person.ask(
        OpenSession(credential_version=version, family_id=person.stage.mint.mint())
    )
    return granted.family_id


async def is_alive(person, family):
    try:
        await person.ask(GetFeed(), session=family)
    except Unauthenticated:
        return False
    return True


async def test_who_registers_has_a_session_and_a_profile(ann):
    profile = await ann.profile()
    assert (profile["username"], profile["display_name"], profile["bio"]) == ("ann", "Ann", "")
    assert profile["viewer"]["own"] is True
    assert set(profile["counts"].values()) == {0}


async def test_registering_again_after_a_lost_answer_is_answered_the_same(ann):
    granted = await ann.ask(register(ann.family))
    assert (granted.family_id, granted.current) == (ann.family, 1)


async def test_an_account_is_made_once(stage, ann):
    with pytest.raises(Conflict):
        await ann.ask(register(stage.mint.mint()))


async def test_a_stranger_speaks_for_nobody(stage, ann):
    assert not await is_alive(ann, 0)
    assert not await is_alive(ann, stage.mint.mint())


async def test_nobody_signs_in_to_an_account_that_never_was(stage):
    for message in (FindCredential(), OpenSession(credential_version=0, family_id=5)):
        with pytest.raises(Unauthenticated):
            await stage.runtime.ask(stage.mint.mint(), message, Caller(op_id=b"x"))


async def test_signing_in_needs_the_version_that_was_verified(ann):
    found = await ann.ask(FindCredential())
    assert (found.password_hash, found.version) == ("hash of ann", 1)
    assert await is_alive(ann, await sign_in(ann))
    await ann.ask(ChangePassword(credential_version=1, password_hash="new"))
    with pytest.raises(Unauthenticated, match="changed meanwhile"):
        await sign_in(ann, version=1)
    found = await ann.ask(FindCredential())
    assert (found.password_hash, found.version) == ("new", 2)


async def test_a_refresh_gives_the_next_token_and_more_time(stage, ann):
    before = await refresh(ann, 1)
    stage.clock.pass_ms(DAY_MS)
    after = await refresh(ann, 2)
    assert (before.current, after.current) == (2, 3)
    assert after.expires_ms - before.expires_ms == DAY_MS
    assert after.user == b""


async def test_a_token_shown_again_within_a_minute_gives_the_same_successor(stage, ann):
    await refresh(ann, 1)
    stage.clock.pass_ms(60_000)
    assert (await refresh(ann, 1)).current == 2
    assert (await refresh(ann, 1)).current == 2
    assert (await refresh(ann, 2)).current == 3


async def test_a_token_shown_again_after_a_minute_ends_the_family(stage, ann):
    await refresh(ann, 1)
    stage.clock.pass_ms(60_001)
    with pytest.raises(Unauthenticated):
        await refresh(ann, 1)
    with pytest.raises(Unauthenticated):
        await refresh(ann, 2)
    assert not await is_alive(ann, ann.family)


async def test_a_token_whose_successor_was_used_ends_the_family(ann):
    await refresh(ann, 1)
    await refresh(ann, 2)
    with pytest.raises(Unauthenticated):
        await refresh(ann, 1)
    assert not await is_alive(ann, ann.family)


async def test_a_token_that_was_never_given_out_ends_the_family(ann):
    with pytest.raises(Unauthenticated):
        await refresh(ann, 7)
    assert not await is_alive(ann, ann.family)


async def test_the_end_of_a_family_is_remembered(stage, ann):
    other = await sign_in(ann)
    with pytest.raises(Unauthenticated):
        await refresh(ann, 7)
    await stage.forget(ann)
    assert not await is_alive(ann, ann.family)
    assert await is_alive(ann, other)


async def test_a_session_ends_when_it_was_not_refreshed_for_sixty_days(stage, ann):
    stage.clock.pass_ms(60 * DAY_MS)
    with pytest.raises(Unauthenticated, match="has ended"):
        await refresh(ann, 1)


async def test_signing_out_ends_one_session_and_may_be_repeated(ann):
    other = await sign_in(ann)
    for _ in range(2):
        await ann.ask(EndSession(family_id=other))
    assert not await is_alive(ann, other)
    assert await is_alive(ann, ann.family)


async def test_another_password_ends_all_other_sessions_and_their_websockets(stage, ann):
    other = await sign_in(ann)
    await ann.ask(AttachSocket(connection="mine", resume=None))
    await ann.ask(AttachSocket(connection="theirs", resume=None), session=other)
    await ann.ask(ChangePassword(credential_version=1, password_hash="new"))
    assert await is_alive(ann, ann.family)
    assert not await is_alive(ann, other)
    assert stage.sockets.ended == ["theirs"]


async def test_a_password_that_changed_meanwhile_is_not_changed_again(ann):
    await ann.ask(ChangePassword(credential_version=1, password_hash="new"))
    for message in (
        ChangePassword(credential_version=1, password_hash="newer"),
        DeleteAccount(credential_version=1),
    ):
        with pytest.raises(Conflict):
            await ann.ask(message)


async def test_the_oldest_session_ends_when_there_are_too_many():
    async with open_stage(limits={"sessions": 3}) as stage:
        ann = await stage.person("ann")
        later = [await sign_in(ann) for _ in range(3)]
        assert not await is_alive(ann, ann.family)
        assert [await is_alive(ann, each) for each in later] == [True] * 3


async def test_a_profile_is_changed_for_everyone(stage, ann):
    ben = await stage.person("ben")
    assert (await ben.profile(ann))["display_name"] == "Ann"
    await ann.ask(EditProfile(display_name="Anna"))
    await ann.ask(EditProfile(bio="hello"))
    await stage.calm()
    seen = await ben.profile(ann)
    assert (seen["display_name"], seen["bio"]) == ("Anna", "hello")


async def test_a_new_name_shows_on_cards_that_were_made_before(stage, ann):
    ben = await stage.person("ben")
    video = await ann.publish()
    assert (await ben.video(video))["author"]["display_name"] == "Ann"
    await ann.ask(EditProfile(display_name="Anna"))
    await stage.calm()
    assert (await ben.video(video))["author"]["display_name"] == "Anna"


async def test_a_picture_is_signed_and_its_predecessor_discarded(stage, ann):
    await ann.ask(SetAvatar(name=f"a/{ann.id}/1.jpg"))
    url = (await ann.profile())["avatar_url"]
    assert url.startswith("https://media.example/")
    assert url.endswith(f"/a/{ann.id}/1.jpg")
    await ann.ask(SetAvatar(name=None))
    await stage.calm()
    assert (await ann.profile())["avatar_url"] is None
    assert stage.blobs.discarded == [f"a/{ann.id}/1.jpg"]


async def test_edits_have_a_limit():
    async with open_stage(limits={"edits_a_minute": 8}) as stage:
        ann = await stage.person("ann")
        for n in range(3):
            await ann.ask(EditProfile(bio=f"{n}"))
        with pytest.raises(RateLimited) as caught:
            await ann.ask(EditProfile(bio="3"))
        assert 0 < (caught.value.retry_after_s or 0) < 60
        assert (await ann.profile())["bio"] == "2"


async def test_someone_who_never_was_has_no_profile(stage, ann):
    with pytest.raises(NotFound):
        await ann.ask(GetUser(user_id=stage.mint.mint()))
