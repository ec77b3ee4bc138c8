"""What comes over a websocket of the whole product, after a loss of the connection too."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from gateway.settings import GatewaySettings
from ops.processes import Serving
from tests.support.people import People, Person, Socket, open_people
from tests.support.product import eventually, open_product

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True, slots=True)
class Scene:
    """An author with one video, and somebody who watches."""

    author: Person
    viewer: Person
    video_id: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(people: People, clip: Path) -> Scene:
    author, viewer = await people.join("author"), await people.join("viewer")
    return Scene(author, viewer, await author.publish(clip))


async def test_likes_are_told_to_the_author_once_a_second_with_the_last_count(
    people: People, scene: Scene
):
    fans = [await people.join("fan") for _ in range(4)]
    async with scene.author.socket() as socket:
        for fan in fans:
            await fan.call("POST", f"/video/{scene.video_id}/like")

        async def all_told() -> dict[str, object]:
            event = await socket.event("video.liked")
            return event if event["data"]["likes"] == 4 else {}

        last = await eventually(all_told, within_s=8)
        assert last["data"]["actor"]["user_id"] == fans[-1].user_id
        told = [frame for frame in socket.heard if frame.get("type") == "video.liked"]
    assert len(told) <= 2, "four likes at once are at most the first and the sum of the rest"
    for fan in fans:
        await fan.call("DELETE", f"/video/{scene.video_id}/like")


async def test_a_comment_and_a_follower_are_told_to_the_author(scene: Scene):
    async with scene.author.socket(ticket=True) as socket:
        said = await scene.viewer.call(
            "POST", f"/video/{scene.video_id}/comments", {"text": "hello"}
        )
        told = await socket.event("comment.created")
        assert told["data"]["comment_id"] == said["comment_id"]
        assert told["data"]["text"] == "hello"
        await scene.viewer.call("POST", f"/user/{scene.author.user_id}/follow")
        follower = await socket.event("user.followed")
        assert follower["data"]["actor"]["user_id"] == scene.viewer.user_id
        assert told["seq"] < follower["seq"]
    await scene.viewer.call("DELETE", f"/user/{scene.author.user_id}/follow")


async def test_progress_is_told_without_a_number_and_readiness_with_one(
    people: People, longer_clip: Path
):
    author, fan = await people.join("author"), await people.join("fan")
    await fan.call("POST", f"/user/{author.user_id}/follow")
    async with author.socket() as socket, fan.socket() as other:
        video_id = await author.upload(longer_clip)
        ready = await socket.event("video.ready", within_s=60)
        assert ready["data"]["video_id"] == video_id
        assert ready["seq"] > 0
        progress = [each for each in socket.heard if each.get("type") == "upload.progress"]
        assert progress
        assert all("seq" not in each for each in progress)
        shares = [each["data"]["progress"] for each in progress]
        assert shares == sorted(shares)
        assert (await other.event("feed.new"))["data"]["tab"] == "following"


async def test_a_resumed_socket_gets_what_it_missed_in_order(scene: Scene):
    path = f"/video/{scene.video_id}/comments"
    async with scene.author.socket() as socket:
        first = (await scene.viewer.call("POST", path, {"text": "0"}))["comment_id"]
        seen = (await socket.event("comment.created"))["seq"]
    missed = [
        (await scene.viewer.call("POST", path, {"text": str(each)}))["comment_id"]
        for each in (1, 2, 3)
    ]
    await eventually(lambda: _has_unread(scene.author, 4))
    async with scene.author.socket(resume=seen) as socket:
        assert socket.welcome["resumed"] is True
        told = [(await socket.event("comment.created")) for _ in missed]
        assert [each["data"]["comment_id"] for each in told] == missed
        numbers = [each["seq"] for each in told]
        assert numbers == sorted(set(numbers))
        assert numbers[0] > seen
        later = await scene.viewer.call("POST", path, {"text": "4"})
        live = await socket.event("comment.created")
        assert live["data"]["comment_id"] == later["comment_id"]
        assert live["seq"] > numbers[-1]
    assert first not in missed


async def _has_unread(person: Person, many: int) -> bool:
    return bool((await person.call("GET", "/notifications"))["unread"] >= many)


async def test_who_was_away_too_long_is_told_to_read_again(scene: Scene):
    async with scene.author.socket(resume=1) as socket:
        assert socket.welcome["resumed"] is False
        resync = await socket.next(lambda frame: frame["op"] == "resync")
        assert resync["seq"] == socket.welcome["seq"]


async def test_a_like_over_the_socket_is_the_like_of_http(scene: Scene):
    async with scene.viewer.socket() as socket:
        liked = await socket.command("like", "a", video_id=scene.video_id)
        assert liked == {
            "op": "ack", "id": "a", "video_id": scene.video_id, "liked": True, "likes": 1,
        }  # fmt: skip
        video = await scene.viewer.call("GET", f"/video/{scene.video_id}")
        assert video["viewer"]["liked"] is True
    async with scene.viewer.socket() as socket:
        again = await socket.command("like", "a", video_id=scene.video_id)
        assert again == liked, "the same id after a reconnect is the same command"
        gone = await socket.command("unlike", "b", video_id=scene.video_id)
        assert (gone["liked"], gone["likes"]) == (False, 0)
        assert (await socket.command("like", "c", video_id="1"))["code"] == "not_found"
        assert await socket.command("ping", "d") == {"op": "ack", "id": "d"}


async def test_views_over_the_socket_and_over_http_are_counted_once(scene: Scene):
    views = [
        {"view_id": f"v{each}", "video_id": scene.video_id, "watched_ms": 900} for each in range(3)
    ]
    async with scene.viewer.socket() as socket:
        told = await socket.command("view", "views-1", views=views)
        assert (told["accepted"], told["dropped"]) == (3, 0)
    async with scene.viewer.socket() as socket:
        assert await socket.command("view", "views-1", views=views) == told
    await scene.viewer.call("POST", "/views", {"views": views})

    async def counted() -> bool:
        seen = await scene.viewer.call("GET", f"/video/{scene.video_id}")
        assert seen["counts"]["views"] <= 3
        return bool(seen["counts"]["views"] == 3)

    await eventually(counted)


async def test_signing_out_ends_the_socket_of_that_session_alone(people: People):
    person = await people.join("leaver")
    other = await person.sign_in()
    async with person.socket() as kept, other.socket() as ended:
        answer = await people.ask("POST", "/auth/logout", {"refresh_token": other.refresh})
        assert answer.status == 204
        assert await ended.closed(within_s=5) == 4401
        assert (await kept.command("ping", "x"))["op"] == "ack"


async def test_a_new_password_ends_all_other_sockets(people: People):
    person = await people.join("changer")
    other = await person.sign_in()
    async with person.socket() as kept, other.socket() as ended:
        body = {"old": person.password, "new": "another long password"}
        assert (await person.ask("POST", "/auth/password", body)).status == 204
        assert await ended.closed(within_s=5) == 4401
        assert (await kept.command("ping", "x"))["op"] == "ack"
    assert (await other.ask("GET", "/user/me")).status == 401


async def test_the_ninth_socket_of_a_person_is_one_too_many(people: People):
    person = await people.join("many")
    most = GatewaySettings().max_sockets_per_user
    async with asyncio.TaskGroup() as group:
        opened = [group.create_task(_open(person)) for _ in range(most)]
    sockets = [each.result() for each in opened]
    extra = await people.http.ws_connect(f"{people.url}/ws", headers=person.bearer)
    await extra.receive()
    assert extra.close_code == 4429
    assert (await sockets[0].command("ping", "x"))["op"] == "ack"
    for socket in sockets:
        await socket.leave()

    async def let_in() -> bool:
        try:
            async with person.socket():
                return True
        except AssertionError:
            return False

    await eventually(let_in)


async def _open(person: Person) -> Socket:
    wire = await person.people.http.ws_connect(f"{person.people.url}/ws", headers=person.bearer)
    socket = Socket(wire)
    await socket.say({"op": "hello", "resume": None})
    await socket.next(lambda frame: frame["op"] == "welcome")
    return socket


async def test_who_does_not_say_hello_is_sent_away(people: People):
    person = await people.join("silent")
    wire = await people.http.ws_connect(f"{people.url}/ws", headers=person.bearer)
    await wire.send_str("[]")
    await wire.receive()
    assert wire.close_code == 4400


async def test_a_ticket_opens_one_socket(people: People):
    person = await people.join("ticket")
    ticket = (await person.call("POST", "/ws/ticket"))["ticket"]
    wire = await people.http.ws_connect(f"{people.url}/ws?ticket={ticket}")
    await wire.close()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await people.http.ws_connect(f"{people.url}/ws?ticket={ticket}")
    assert refused.value.status == 401


@pytest_asyncio.fixture(loop_scope="module")
async def leaving(tmp_path: Path) -> AsyncIterator[Serving]:
    async with open_product(tmp_path / "data") as running:
        yield running


async def test_at_the_end_every_socket_is_sent_elsewhere(leaving: Serving):
    async with open_people(leaving.ports.url) as everybody:
        person = await everybody.join("last")
        async with person.socket() as socket:
            drained = asyncio.create_task(leaving.server.drain())
            goodbye = await socket.next(lambda frame: frame["op"] == "goaway")
            assert 1_000 <= goodbye["retry_ms"] <= 30_000
            assert await socket.closed(within_s=5) == 1012
        assert await drained == 0, "nobody had to be cut off"
