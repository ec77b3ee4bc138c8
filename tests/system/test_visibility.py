"""What is removed or blocked is nowhere to be seen, and what is new is there for everybody, after a restart too."""

import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.people import People, Person, open_people
from tests.support.product import eventually, open_product

pytestmark = pytest.mark.asyncio(loop_scope="module")

#: API.md: gone from feeds and lists within two seconds.
GONE_WITHIN_S = 2.0


async def sightings(viewer: Person, author: Person, video_id: str) -> list[str]:
    """Every place where `viewer` still comes across a video."""
    places = {
        "for-you": "/feed?tab=foryou",
        "following": "/feed?tab=following",
        "the author's list": f"/user/{author.user_id}/videos",
        "one's likes": "/user/me/likes",
    }
    found = []
    for place, path in places.items():
        joint = "&" if "?" in path else "?"
        answer = await viewer.ask("GET", f"{path}{joint}limit=50")
        if answer.status == 404:
            continue
        if video_id in [each["video_id"] for each in answer.body["items"]]:
            found.append(place)
    some = await viewer.call("GET", f"/videos?ids={video_id}")
    if some["missing"] != [video_id]:
        found.append("videos by id")
    for method, path, body in (
        ("GET", f"/video/{video_id}", None),
        ("POST", f"/video/{video_id}/like", None),
        ("GET", f"/video/{video_id}/comments", None),
        ("POST", f"/video/{video_id}/comments", {"text": "still there?"}),
        ("POST", f"/video/{video_id}/share", None),
    ):
        answer = await viewer.ask(method, path, body)
        if answer.status != 404:
            found.append(f"{method} {path}: {answer.status}")
    views = {"views": [{"view_id": "x", "video_id": video_id, "watched_ms": 10}]}
    if (await viewer.call("POST", "/views", views))["accepted"]:
        found.append("views")
    return found


async def couple(people: People, clip: Path) -> tuple[Person, Person, str]:
    """An author, a follower who liked and commented, and the author's video."""
    author, viewer = await people.join("author"), await people.join("viewer")
    await viewer.call("POST", f"/user/{author.user_id}/follow")
    video_id = await author.publish(clip)
    await viewer.call("POST", f"/video/{video_id}/like")
    await viewer.call("POST", f"/video/{video_id}/comments", {"text": "nice"})
    return author, viewer, video_id


async def test_a_visible_video_is_seen_everywhere(people: People, clip: Path):
    author, viewer, video_id = await couple(people, clip)
    found = await sightings(viewer, author, video_id)
    assert len(found) == 11, found


async def test_a_removed_video_is_gone_everywhere_within_two_seconds(people: People, clip: Path):
    author, viewer, video_id = await couple(people, clip)
    video = await viewer.call("GET", f"/video/{video_id}")
    media = [video["media"]["base"] + video["media"][name] for name in ("mp4", "hls", "cover")]
    for url in media:
        served = await people.ask("GET", url, well_mannered=False)
        assert served.status == 200
    began = time.monotonic()
    assert (await author.ask("DELETE", f"/video/{video_id}")).status == 204
    assert (await author.ask("DELETE", f"/video/{video_id}")).status == 204, "again: the same"

    async def gone() -> bool:
        return not await sightings(viewer, author, video_id)

    await eventually(gone, within_s=GONE_WITHIN_S)
    assert time.monotonic() - began < GONE_WITHIN_S + 0.5

    async def unserved() -> bool:
        statuses = [(await people.ask("GET", url, well_mannered=False)).status for url in media]
        return all(status in (403, 404, 410) for status in statuses)

    await eventually(unserved, within_s=10, what="the media to be gone")

    async def uncounted() -> bool:
        counts = (await author.call("GET", "/user/me"))["counts"]
        return bool((counts["videos"], counts["likes_received"]) == (0, 0))

    await eventually(uncounted)


async def test_a_block_hides_both_from_each_other(people: People, clip: Path):
    author, viewer, video_id = await couple(people, clip)
    assert (await author.ask("POST", f"/user/{viewer.user_id}/block")).status == 204

    async def hidden() -> bool:
        return not await sightings(viewer, author, video_id)

    await eventually(hidden, within_s=GONE_WITHIN_S)
    assert (await viewer.ask("GET", f"/user/{author.user_id}")).status == 404
    assert (await viewer.ask("POST", f"/user/{author.user_id}/follow")).status == 404
    follows = await viewer.call("GET", f"/user/{viewer.user_id}/following")
    assert follows["items"] == [], "a block ends the follow"
    comments = await author.call("GET", f"/video/{video_id}/comments")
    assert comments["items"] == [], "nor does the blocker read who was blocked"
    async with author.socket() as socket:
        other = await people.join("other")
        await other.call("POST", f"/video/{video_id}/like")
        told = await socket.event("video.liked")
        assert told["data"]["actor"]["user_id"] == other.user_id

    assert (await author.ask("DELETE", f"/user/{viewer.user_id}/block")).status == 204

    async def seen_again() -> bool:
        return (await viewer.ask("GET", f"/video/{video_id}")).status == 200

    await eventually(seen_again)


async def test_what_is_not_interesting_does_not_come_again(people: People, clip: Path):
    author, viewer, video_id = await couple(people, clip)
    answer = await viewer.ask("POST", f"/video/{video_id}/not-interested")
    assert answer.status == 204
    assert video_id not in await viewer.ids("/feed?tab=foryou", limit=50)
    assert (await viewer.ask("GET", f"/video/{video_id}")).status == 200
    assert author.user_id != viewer.user_id


async def test_a_closed_account_takes_its_things_along(people: People, clip: Path):
    author, viewer, video_id = await couple(people, clip)
    wrong = await author.ask("DELETE", "/user/me", {"password": "not the password"})
    assert wrong.status in (401, 403)
    closed = await author.ask("DELETE", "/user/me", {"password": author.password})
    assert closed.status == 202
    assert (await author.ask("GET", "/user/me")).status == 401

    async def gone() -> bool:
        return not await sightings(viewer, author, video_id)

    await eventually(gone)
    assert (await viewer.ask("GET", f"/user/{author.user_id}")).status == 404


async def test_a_new_user_gets_a_full_page_as_soon_as_there_are_videos(tmp_path: Path, clip: Path):
    async with open_product(tmp_path / "data") as fresh, open_people(fresh.ports.url) as everybody:
        first = await everybody.join("first")
        empty = await first.call("GET", "/feed")
        assert (empty["items"], empty["next_cursor"]) == ([], None)
        authors = [await everybody.join("author") for _ in range(3)]
        uploads = [(each, await each.upload(clip)) for each in authors for _ in range(4)]
        for author, video_id in uploads:
            await author.wait_for(video_id)

        async def full_page() -> bool:
            newcomer = await everybody.join("newcomer")
            page = await newcomer.call("GET", "/feed?limit=10")
            return len(page["items"]) == 10 and page["next_cursor"] is not None

        await eventually(full_page, within_s=2)
        assert len((await first.call("GET", "/feed?limit=10"))["items"]) == 10


async def test_a_restart_keeps_everything_and_the_cursor_goes_on(tmp_path: Path, clip: Path):
    data = tmp_path / "data"
    async with open_product(data) as before, open_people(before.ports.url) as everybody:
        author, viewer = await everybody.join("author"), await everybody.join("viewer")
        await viewer.call("POST", f"/user/{author.user_id}/follow")
        videos = [await author.upload(clip, f"clip {number}") for number in range(8)]
        for video_id in videos:
            await author.wait_for(video_id)
        first = await viewer.call("GET", "/feed?limit=3")
        second = await viewer.call("GET", f"/feed?limit=3&cursor={quote(first['next_cursor'])}")
        following = await viewer.ids("/feed?tab=following")
        await viewer.call("POST", f"/video/{videos[0]}/like")
        said = await viewer.call("POST", f"/video/{videos[0]}/comments", {"text": "kept"})
        deed = {"text": "only once"}
        once = await viewer.call("POST", f"/video/{videos[1]}/comments", deed, key="once")
        async with author.socket() as socket:
            seq = socket.welcome["seq"]
        old = await everything(author, viewer, videos)
    async with open_product(data) as after, open_people(after.ports.url) as everybody:
        author.people = viewer.people = everybody
        assert await everything(author, viewer, videos) == old
        cursor = quote(first["next_cursor"])
        again = await viewer.call("GET", f"/feed?limit=3&cursor={cursor}")
        assert ids(again) == ids(second), "the page of a cursor is the page that it was"
        assert again["req_id"] == second["req_id"]
        chain = ids(first) + ids(second)
        token = second["next_cursor"]
        while token is not None:
            page = await viewer.call("GET", f"/feed?limit=3&cursor={quote(token)}")
            chain += ids(page)
            token = page["next_cursor"]
        assert sorted(chain) == sorted(videos), "the chain goes on, without repeats, to its end"
        assert await viewer.ids("/feed?tab=following") == following
        comments = await viewer.call("GET", f"/video/{videos[0]}/comments")
        assert [each["comment_id"] for each in comments["items"]] == [said["comment_id"]]
        repeat = await viewer.call("POST", f"/video/{videos[1]}/comments", deed, key="once")
        assert repeat["comment_id"] == once["comment_id"]
        async with author.socket(resume=seq) as socket:
            assert socket.welcome["resumed"] is True


def ids(page: dict[str, Any]) -> list[str]:
    return [each["video_id"] for each in page["items"]]


async def everything(author: Person, viewer: Person, videos: list[str]) -> dict[str, Any]:
    """What GET says of everything that does not depend on the time or the port."""
    said: dict[str, Any] = {}
    for video_id in videos:
        video = await viewer.call("GET", f"/video/{video_id}")
        kept = ("video_id", "caption", "created_at", "published_at", "viewer", "duration_s")
        said[video_id] = {name: video[name] for name in kept}
    for person in (author, viewer):
        me = await person.call("GET", "/user/me")
        said[person.name] = {name: me[name] for name in ("user_id", "username", "created_at")}
        said[f"{person.name} did"] = await person.call("GET", f"/user/{person.user_id}/activity")
    return said
