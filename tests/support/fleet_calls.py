"""Each kind of call, made while something of the fleet is down, and what became of it.

An outcome is what the client knows: *served*; *delayed*, where the answer came once the fault was over;
*refused*, a 503 or 504 that says `executed: false`; *unknown*, any other answer or none. Whoever made the
calls looks afterwards whether what was refused is really not there.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import aiohttp

from tests.support.people import People, Person, Reply, Socket
from tests.support.product import eventually

Word = Literal["served", "delayed", "refused", "unknown"]

_COUNT = itertools.count(1)


@dataclass(slots=True)
class Outcome:
    """What one call came to."""

    word: Word
    #: Seconds until there was an answer.
    took_s: float
    said: str


@dataclass(slots=True)
class Town:
    """Somebody whose calls are made, somebody else, and what both look at; all of it awake."""

    people: People
    #: Who writes; and who only reads, and lives where Anna does.
    anna: Person
    reader: Person
    #: Whose videos those are, and who is followed.
    boris: Person
    #: A video of Boris that plays, and one of Anna.
    video: str
    own: str
    #: Announced by Anna: two that wait for their bytes, and one whose bytes are stored.
    waiting: Mapping[str, Any]
    late: Mapping[str, Any]
    stored: Mapping[str, Any]
    #: What Anna may still announce today.
    remaining: int
    clip: bytes
    #: Where the edge has a piece of media, and where it has it not yet.
    warm_url: str
    cold_url: str
    socket: Socket
    #: What was written: the names of comments, accounts and captions that are looked for afterwards.
    mark: str = field(default_factory=lambda: f"mark{next(_COUNT)}_{time.time_ns() % 10**9}")

    # The calls.

    async def feed(self) -> Reply:
        return await self.reader.ask("GET", "/feed")

    async def profile(self) -> Reply:
        return await self.reader.ask("GET", "/user/me")

    async def comments(self) -> Reply:
        return await self.reader.ask("GET", f"/video/{self.video}/comments")

    async def like(self) -> Reply:
        return await self.anna.ask("POST", f"/video/{self.video}/like")

    async def comment(self) -> Reply:
        return await self.anna.ask("POST", f"/video/{self.video}/comments", {"text": self.mark})

    async def follow(self) -> Reply:
        return await self.anna.ask("POST", f"/user/{self.boris.user_id}/follow")

    async def register(self) -> Reply:
        body = {"username": self.mark, "password": self.anna.password}
        return await self.people.ask("POST", "/auth/register", body)

    async def login(self) -> Reply:
        return await self.people.ask("POST", "/auth/login", self.anna.credentials)

    async def refresh(self) -> Reply:
        answer = await self.people.ask(
            "POST", "/auth/refresh", {"refresh_token": self.anna.refresh}
        )
        if answer.status == 200:
            self.anna.take(answer)
        return answer

    async def announce(self) -> Reply:
        body = {
            "caption": self.mark,
            "size_bytes": len(self.clip),
            "content_type": "video/mp4",
        }
        return await self.anna.ask("POST", "/upload/video", body)

    async def upload_bytes(self) -> Reply:
        return await send_bytes(self.people, self.waiting["upload"], self.clip)

    async def complete(self) -> Reply:
        return await self.anna.ask("POST", f"/upload/video/{self.stored['video_id']}/complete")

    async def cached_media(self) -> Reply:
        return await self._piece(self.warm_url)

    async def other_media(self) -> Reply:
        return await self._piece(self.cold_url)

    async def plays(self) -> None:
        """A file that is sent, as often as it needs, is stored, found, encoded, and plays."""
        path = f"/upload/video/{self.late['video_id']}"

        async def ready() -> bool:
            try:
                seen = await self.anna.ask("GET", path)
                if seen.status == 200 and seen.body["status"] == "awaiting_upload":
                    await send_bytes(self.people, self.late["upload"], self.clip)
                return seen.status == 200 and bool(seen.body["status"] == "ready")
            except aiohttp.ClientError:
                return False

        await eventually(ready, within_s=60, every_s=0.3, what="an upload to play")

    async def event(self) -> None:
        """What Boris says under Anna's video reaches her, on this websocket or on the next."""
        said = f"to {self.mark}"
        path = f"/video/{self.own}/comments"

        async def taken() -> bool:
            # Under one key, until it is taken; an app does the same.
            answer = await self.boris.ask("POST", path, {"text": said}, key=self.mark)
            return answer.status == 201

        await eventually(taken, within_s=60, every_s=0.2, what="a comment to be taken")
        socket, resume = self.socket, self.socket.welcome["seq"]
        async with AsyncExitStack() as stack, asyncio.timeout(60):
            while not await _hears(socket, said):
                try:
                    socket = await stack.enter_async_context(self.anna.socket(resume=resume))
                except (aiohttp.ClientError, AssertionError):
                    await asyncio.sleep(0.2)

    async def _piece(self, url: str) -> Reply:
        return await self.people.ask(
            "GET", url, headers={"Range": "bytes=0-99"}, well_mannered=False
        )

    # What is there afterwards.

    async def has_like(self) -> bool:
        return bool((await self.anna.call("GET", f"/video/{self.video}"))["viewer"]["liked"])

    async def has_comment(self) -> bool:
        items = await self.anna.items(f"/video/{self.video}/comments")
        return [each["text"] for each in items].count(self.mark) == 1

    async def has_follow(self) -> bool:
        found = await self.anna.call("GET", f"/user/{self.boris.user_id}")
        return bool(found["viewer"]["follow"] == "following")

    async def has_register(self) -> bool:
        body = {"username": self.mark, "password": self.anna.password}
        return (await self.people.ask("POST", "/auth/login", body)).status == 200

    async def has_announce(self) -> bool:
        now = await self.anna.call("GET", "/upload/limits")
        return bool(now["remaining_today"] == self.remaining - 1)


#: The calls, by the name of their column.
CALLS: Mapping[str, Callable[[Town], Awaitable[Reply | None]]] = {
    "feed": Town.feed,
    "profile": Town.profile,
    "comments": Town.comments,
    "like": Town.like,
    "comment": Town.comment,
    "follow": Town.follow,
    "register": Town.register,
    "login": Town.login,
    "refresh": Town.refresh,
    "announce": Town.announce,
    "bytes": Town.upload_bytes,
    "complete": Town.complete,
    "plays": Town.plays,
    "cached": Town.cached_media,
    "media": Town.other_media,
    "event": Town.event,
}
#: Whether what a call wrote is there.
TRACES: Mapping[str, Callable[[Town], Awaitable[bool]]] = {
    "like": Town.has_like,
    "comment": Town.has_comment,
    "follow": Town.has_follow,
    "register": Town.has_register,
    "announce": Town.has_announce,
}


async def _hears(socket: Socket, said: str) -> bool:
    """Whether a websocket tells of a comment before it ends."""
    try:
        await socket.next(
            lambda frame: frame.get("type") == "comment.created" and frame["data"]["text"] == said,
            30.0,
        )
    except (AssertionError, aiohttp.ClientError):
        return False
    return True


async def send_bytes(people: People, upload: Mapping[str, Any], clip: bytes) -> Reply:
    """Send a file to where an announced upload says."""
    form = aiohttp.FormData()
    for name, value in upload["fields"].items():
        form.add_field(name, value)
    form.add_field(upload["file_field"], clip, filename="clip.mp4", content_type="video/mp4")
    return await people.ask("POST", upload["url"], data=form, well_mannered=False)


async def found_town(
    stack: AsyncExitStack, anna: Person, reader: Person, boris: Person, clip: Path
) -> Town:
    """Everything made and everybody awake, before anything is harmed."""
    people = anna.people
    content = await asyncio.to_thread(clip.read_bytes)
    video, own = await asyncio.gather(boris.publish(clip), anna.publish(clip))
    announced = [
        await anna.call(
            "POST",
            "/upload/video",
            {"caption": "late", "size_bytes": len(content), "content_type": "video/mp4"},
        )
        for _ in range(3)
    ]
    sent = await send_bytes(people, announced[2]["upload"], content)
    assert sent.status < 300, sent
    media = (await anna.call("GET", f"/video/{video}"))["media"]
    town = Town(
        people=people,
        anna=anna,
        reader=reader,
        boris=boris,
        video=video,
        own=own,
        waiting=announced[0],
        late=announced[1],
        stored=announced[2],
        remaining=(await anna.call("GET", "/upload/limits"))["remaining_today"],
        clip=content,
        warm_url=f"{media['base']}{media['mp4']}",
        cold_url=f"{media['base']}{media['preview']}",
        socket=await stack.enter_async_context(anna.socket()),
    )
    assert (await town.cached_media()).status == 206
    for look in (town.feed, town.profile, town.comments):
        assert (await look()).status == 200
    for each in (anna, boris, reader):
        await each.call("GET", "/feed")
        await each.call("GET", f"/video/{video}")
        await each.call("GET", f"/video/{own}")
    return town


async def outcome(call: Awaitable[Reply | None], over: asyncio.Event) -> Outcome:
    """Make a call, and say what it came to; `over` is set when the fault is."""
    began = time.monotonic()
    try:
        reply = await call
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return Outcome("unknown", time.monotonic() - began, repr(error))
    took_s = time.monotonic() - began
    if reply is None or reply.status < 400:
        return Outcome("delayed" if over.is_set() else "served", took_s, "")
    said = f"{reply.status} {reply.raw[:200]!r}"
    body = reply.body if isinstance(reply.body, dict) else {}
    if reply.status in (503, 504) and body.get("executed") is False:
        return Outcome("refused", took_s, said)
    return Outcome("unknown", took_s, said)


async def agrees(town: Town, name: str, found: Outcome) -> None:
    """What was served is there, what was refused is not, what is unknown may be either.

    Raises:
        AssertionError: the answer was a lie.
    """
    look = TRACES.get(name)
    if look is None or found.word == "unknown":
        return
    there = found.word in ("served", "delayed")

    async def so() -> bool:
        return await look(town) is there

    await eventually(
        so, within_s=10, every_s=0.2, what=f"{name} to be {'' if there else 'not '}there"
    )
