"""Websockets: what a client missed it gets, in order and once, or is told that it cannot."""

from __future__ import annotations

import msgspec
import pytest

from actors.messages import (
    AttachSocket,
    DetachSocket,
    EndSession,
    FollowUser,
    LikeVideo,
    PostComment,
)
from actors.user import sockets
from sharding.errors import RateLimited, Unauthenticated
from tests.unit.actors.faults import Held
from tests.unit.actors.stage import open_stage
from tests.unit.actors.virtual_time import settled


@pytest.fixture
async def ann(stage):
    return await stage.person("ann")


@pytest.fixture
async def video(stage, ann):
    return await ann.publish()


@pytest.fixture
async def ben(stage):
    return await stage.person("ben")


async def comment(person, video, text="hello"):
    await person.ask(PostComment(video_id=video, text=text))
    await settled()


def numbers(attached):
    return [msgspec.json.decode(frame)["seq"] for frame in attached.missed]


async def test_events_are_numbered_and_come_in_order(ann, ben, video):
    place = await ann.attach("a")
    assert (place.resumed, place.resync, place.missed) == (False, False, ())
    for n in range(3):
        await comment(ben, video, f"c{n}")
    events = ann.events("a")
    assert [each["data"]["text"] for each in events] == ["c0", "c1", "c2"]
    assert [each["type"] for each in events] == ["comment.created"] * 3
    seqs = [each["seq"] for each in events]
    assert seqs == sorted(set(seqs))
    assert place.seq < seqs[0]
    assert seqs[-1] < 2**53


async def test_every_open_websocket_gets_every_event(ann, ben, video):
    await ann.attach("a")
    await ann.attach("b")
    await comment(ben, video)
    assert ann.events("a") == ann.events("b") != []


async def test_who_comes_back_gets_what_was_missed_and_nothing_else(ann, ben, video):
    await ann.attach("a")
    await comment(ben, video, "seen")
    last = ann.events("a")[-1]["seq"]
    await ann.ask(DetachSocket(connection="a"))
    await comment(ben, video, "missed 1")
    await comment(ben, video, "missed 2")
    assert [each["data"]["text"] for each in ann.events("a")] == ["seen"]
    again = await ann.attach("b", resume=last)
    assert (again.resumed, again.resync) == (True, False)
    texts = [msgspec.json.decode(frame)["data"]["text"] for frame in again.missed]
    assert texts == ["missed 1", "missed 2"]
    later = await ann.attach("c", resume=again.seq)
    assert (later.resumed, later.missed) == (True, ())


async def test_what_was_missed_is_still_there_after_the_actor_was_forgotten(stage, ann, ben, video):
    place = await ann.attach("a")
    await ann.ask(DetachSocket(connection="a"))
    await comment(ben, video, "missed")
    await stage.forget(ann)
    again = await ann.attach("b", resume=place.seq)
    assert again.resumed
    assert len(again.missed) == 1


async def test_what_was_missed_is_still_there_after_a_crash(stage, ann, ben, video):
    place = await ann.attach("a")
    await comment(ben, video, "missed")
    await stage.calm()
    stage.bus.close()
    await stage.tasks.close()
    async with open_stage(stage.database, owner="n2", proven_dead="n1") as later:
        ann.stage = later
        again = await ann.attach("b", resume=place.seq)
        assert len(again.missed) == 1


@pytest.mark.parametrize("resume", [0, 2**53])
async def test_who_comes_from_another_time_is_told_to_read_again(ann, resume):
    place = await ann.attach("a", resume=resume)
    assert (place.resumed, place.resync, place.missed) == (False, True, ())


@pytest.mark.parametrize(("bound", "most"), [("KEPT", 5), ("KEPT_BYTES", 2_000)])
async def test_who_missed_more_than_is_kept_reads_again(
    stage, ann, ben, video, monkeypatch, bound, most
):
    monkeypatch.setattr(sockets, bound, most)
    place = await ann.attach("a")
    for n in range(12):
        await comment(ben, video, f"c{n}")
    await stage.calm()
    user = stage.user(ann)
    sent = [each["seq"] for each in ann.events("a")]
    ring = [seq for seq, _ in user.ring]
    assert ring == sent[-len(ring) :]
    assert 0 < len(ring) <= 5
    assert user.ring_bytes == sum(len(frame) for _, frame in user.ring) <= sockets.KEPT_BYTES
    kept = await stage.store.load(stage.runtime.cells[ann.id].shard.number, ann.id)
    assert sum(name.startswith("e:") for name in kept) == len(ring)
    assert (await ann.attach("b", resume=place.seq)).resync
    assert (await ann.attach("c", resume=sent[-len(ring) - 2])).resync
    again = await ann.attach("d", resume=sent[-len(ring) - 1])
    assert again.resumed
    assert numbers(again) == ring


async def test_an_event_is_pushed_only_after_its_commit(stage, ann, ben, video):
    await ann.attach("a")
    await comment(ben, video)
    sent = len(ann.events("a"))
    held = stage.store.before["commit"] = Held()
    asking = ben.start(PostComment(video_id=video, text="held"))
    await held.reached.wait()
    await settled()
    assert len(ann.events("a")) == sent
    held.let_go()
    await asking
    await stage.calm()
    assert len(ann.events("a")) == sent + 1


async def test_likes_of_a_video_are_one_event_a_second(stage, ann, video):
    await ann.attach("a")
    for each in await stage.crowd(6):
        await each.ask(LikeVideo(video_id=video, liked=True))
    await stage.calm()
    events = ann.events("a")
    assert [each["type"] for each in events] == ["video.liked"]
    assert events[0]["data"]["likes"] == 6
    assert events[0]["data"]["actor"]["username"] == "person6"


async def test_likes_that_wait_for_their_second_survive_a_crash(stage, ann, ben, video):
    place = await ann.attach("a")
    await ben.ask(LikeVideo(video_id=video, liked=True))
    await settled()
    assert ann.events("a") == []
    stage.bus.close()
    await stage.tasks.close()
    async with open_stage(stage.database, owner="n2", proven_dead="n1") as later:
        ann.stage = later
        await ann.attach("b", resume=place.seq)
        await later.calm()
        assert [each["type"] for each in ann.events("b")] == ["video.liked"]


async def test_a_new_follower_is_an_event(stage, ann, ben):
    await ann.attach("a")
    await ben.ask(FollowUser(user_id=ann.id, following=True))
    await settled()
    (event,) = ann.events("a")
    assert event["type"] == "user.followed"
    assert event["data"]["actor"]["username"] == "ben"


async def test_numbers_are_shared_with_notifications(stage, ann, ben, video):
    await ann.attach("a")
    await comment(ben, video)
    seqs = {each["seq"] for each in ann.events("a")}
    told = {item["seq"] for item in (await ann.notifications())["items"]}
    assert seqs
    assert told
    assert not seqs & told


async def test_the_end_of_a_session_ends_its_websockets(stage, ann):
    await ann.attach("a")
    await ann.ask(EndSession(family_id=ann.family))
    assert stage.sockets.ended == ["a"]
    with pytest.raises(Unauthenticated):
        await ann.attach("b")


async def test_one_user_has_so_many_websockets():
    async with open_stage(limits={"sockets": 2}) as stage:
        ann = await stage.person()
        await ann.attach("a")
        await ann.attach("b")
        await ann.attach("b")
        with pytest.raises(RateLimited):
            await ann.attach("c")
        await ann.ask(DetachSocket(connection="a"))
        await ann.attach("c")


async def test_who_has_a_websocket_is_kept_in_memory(stage, ann):
    await ann.attach("a")
    await stage.calm()
    assert not stage.runtime.cells.passivate(ann.id)
    await ann.ask(DetachSocket(connection="a"))
    assert stage.runtime.cells.passivate(ann.id)


async def test_nobody_listens_without_a_session(ann):
    with pytest.raises(Unauthenticated):
        await ann.ask(AttachSocket(connection="x", resume=None), session=5)


async def test_numbering_goes_on_above_the_old_numbers_when_all_is_lost(stage, ann, ben, video):
    place = await ann.attach("a")
    await owner_dies(stage)
    await stage.database.write(lambda connection: connection.execute("DELETE FROM parts"))
    async with open_stage(stage.database, owner="n2", proven_dead="n1") as later:
        ann.stage = ben.stage = later
        told = await ann.attach("b", resume=place.seq)
        assert told.resync
        assert told.seq > place.seq
        await comment(ben, video)
        (event,) = ann.events("b")
        assert event["seq"] > told.seq


async def test_a_new_owner_gives_no_number_twice_though_the_store_fell_behind(
    stage, ann, ben, video
):
    place = await ann.attach("a")
    behind = await stage.database.read(
        lambda connection: connection.execute("SELECT * FROM parts").fetchall()
    )
    await comment(ben, video)
    await comment(ben, video)
    seen = [event["seq"] for event in ann.events("a")]
    await owner_dies(stage)

    def fall_behind(connection):
        connection.execute("DELETE FROM parts")
        connection.executemany("INSERT INTO parts VALUES (?, ?, ?, ?)", behind)

    await stage.database.write(fall_behind)
    async with open_stage(stage.database, owner="n2", proven_dead="n1") as later:
        ann.stage = ben.stage = later
        await ann.attach("b", resume=place.seq)
        await comment(ben, video)
        (event,) = ann.events("b")
        assert event["seq"] > max(seen)
        # Who had seen the lost ones misses nothing of what came after.
        missed = await ann.attach("c", resume=max(seen))
        assert missed.resumed
        assert len(missed.missed) == 1


async def owner_dies(stage):
    """And a while passes, in which nobody owns its shards."""
    stage.bus.close()
    await stage.tasks.close()
    await stage.database.write(
        lambda connection: connection.execute("UPDATE fences SET epoch = epoch + 10000")
    )
