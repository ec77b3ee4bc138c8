"""Reads everything that a run left behind: rows and sizes of facts, and what clients are shown."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import msgspec

from actors.messages import (
    GetFeed,
    GetUser,
    GetVideo,
    GetVideos,
    ListActivity,
    ListComments,
    ListNotifications,
    Message,
)
from actors.rows import CountsRow
from sharding.errors import KinoraError
from storage.embedded.facts import SqliteFacts
from storage.embedded.facts_comments import is_visible
from tests.support.history import (
    Counts,
    ReadComment,
    ReadEntry,
    ReadNote,
    Readout,
    ReadUser,
    ReadVideo,
)
from tests.support.simulated_database import leftovers

if TYPE_CHECKING:
    from tests.support.crowd import Crowd, Person
    from tests.support.simulation import World

R = TypeVar("R")
_ATTEMPTS = 20


async def read_everything(world: World, crowd: Crowd) -> Readout:
    """The whole readout; the system must be at rest."""
    readout = await world.database.read(_facts)
    readout.left = await leftovers(world.database)
    reader = _Reader(world, crowd, readout)
    for video_id in list(readout.videos):
        await reader.read_video(video_id)
    for person in crowd.people:
        await reader.read_user(person)
    return readout


class _Reader:
    def __init__(self, world: World, crowd: Crowd, readout: Readout) -> None:
        self._world = world
        self._people = {person.user: person for person in crowd.people}
        self._readout = readout
        self._facts = SqliteFacts(world.database)

    async def read_video(self, video_id: int) -> None:
        video = self._readout.videos[video_id]
        (record,) = await self._facts.videos.videos((video_id,))
        tally = await self._facts.videos.tally(video_id)
        video.row = _counts(record.counts)
        sizes: dict[str, int] = msgspec.structs.asdict(tally)
        video.tally = Counts(**sizes, views=video.row.views)
        if not video.plays:
            return
        author = self._people[video.author]
        shown = await self._ask(author, GetVideo(video_id=video_id))
        video.shown = Counts(**msgspec.json.decode(shown)["counts"])
        video.listed = []
        roots = await self._pages(author, ListComments, "items", video_id=video_id, limit=50)
        for root in roots:
            comment = int(root["comment_id"])
            video.listed.append(comment)
            replies = await self._pages(
                author, ListComments, "items", video_id=video_id, parent_id=comment, limit=50
            )
            video.listed += [int(each["comment_id"]) for each in replies]

    async def read_user(self, person: Person) -> None:
        user_id, readout = person.user, self._readout
        (profile,) = await self._facts.people.profiles((user_id,))
        tally: dict[str, int] = msgspec.structs.asdict(await self._facts.people.tally(user_id))
        shown = msgspec.json.decode(await self._ask(person, GetUser(user_id=user_id)))
        user = ReadUser(
            user=user_id,
            row=_counts(profile.counts),
            tally=Counts(**tally),
            shown=Counts(**shown["counts"]),
        )
        hidden = {pair for pair in readout.blocks if user_id in pair}
        for other in self._people.values():
            if (
                other is person
                or (user_id, other.user) in hidden
                or (other.user, user_id) in hidden
            ):
                continue
            seen = msgspec.json.decode(await self._ask(other, GetUser(user_id=user_id)))
            user.shown_to_others = Counts(**seen["counts"])
            break
        user.activity = [
            ReadEntry(
                kind=each["kind"],
                at=each["at"],
                video=_number(each.get("video_id")),
                user=_number(each.get("user_id")),
                comment=_number(each.get("comment_id")),
            )
            for each in await self._pages(person, ListActivity, "items", limit=50)
        ]
        user.notes = [
            ReadNote(
                group=each["id"],
                actors=[int(actor["user_id"]) for actor in each["actors"]],
                count=each["actor_count"],
            )
            for each in await self._pages(person, ListNotifications, "items", limit=50)
        ]
        playing = tuple(each.video for each in readout.videos.values() if each.plays)
        looked = msgspec.json.decode(await self._ask(person, GetVideos(video_ids=playing)))
        user.looked_at = [int(each["video_id"]) for each in looked["items"]]
        user.liked = [int(each["video_id"]) for each in looked["items"] if each["viewer"]["liked"]]
        tab: Literal["following"] = "following"
        feed = await self._pages(person, GetFeed, "items", tab=tab, limit=10)
        user.following_feed = [int(each["video_id"]) for each in feed]
        user.events = await self._world.database.read(
            lambda connection: _events(connection, user_id)
        )
        assert person.watcher is not None
        user.socket_from, user.socket_saw = person.watcher.start, list(person.watcher.saw)
        readout.users[user_id] = user

    async def _pages(self, person: Person, kind: Any, name: str, **fields: Any) -> list[Any]:
        found: list[Any] = []
        cursor = None
        while True:
            answer = await self._ask(person, kind(cursor=cursor, **fields))
            page = msgspec.json.decode(answer)
            found += page[name]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    async def _ask(self, person: Person, message: Message[R]) -> R:
        for attempt in range(_ATTEMPTS):
            try:
                return await self._world.ask(person.user, message, session=person.family)
            except KinoraError:
                if attempt == _ATTEMPTS - 1:
                    raise
                await asyncio.sleep(0.5)
        raise AssertionError("no attempt was made")


def _facts(connection: sqlite3.Connection) -> Readout:
    """Every fact that the checker asks for, from one snapshot."""

    def pairs(query: str) -> set[tuple[int, int]]:
        return {(one, other) for one, other in connection.execute(query)}

    readout = Readout(
        likes=pairs("SELECT user_id, video_id FROM likes WHERE liked = 1"),
        comment_likes=pairs("SELECT user_id, comment_id FROM comment_likes WHERE liked = 1"),
        follows=pairs('SELECT follower_id, followee_id FROM follows WHERE "following" = 1'),
        blocks=pairs("SELECT blocker_id, blocked_id FROM blocks WHERE blocked = 1"),
        shares=connection.execute(
            "SELECT user_id, video_id FROM shares ORDER BY share_id"
        ).fetchall(),
    )
    for video, author, removed, status, published_ms in connection.execute(
        "SELECT videos.video_id, videos.author_id, removed, coalesce(status, '-'),"
        " coalesce(published_ms, 0) FROM videos LEFT JOIN video_media USING (video_id)"
    ):
        readout.videos[video] = ReadVideo(
            video=video,
            author=author,
            status=status,
            published_ms=published_ms,
            removed=bool(removed),
            row=Counts(),
            tally=Counts(),
        )
    for comment, video, user, parent, text in connection.execute(
        "SELECT comment_id, video_id, user_id, parent_id, text FROM comments"
    ).fetchall():
        readout.comments[comment] = ReadComment(
            comment=comment,
            video=video,
            user=user,
            parent=parent,
            text=text,
            visible=is_visible(connection, video, comment),
        )
    return readout


def _events(connection: sqlite3.Connection, user_id: int) -> list[int]:
    rows = connection.execute(
        "SELECT part FROM parts WHERE entity = ? AND part LIKE 'e:%'", (user_id,)
    )
    return sorted(int(part[2:]) for (part,) in rows)


def _counts(row: CountsRow) -> Counts:
    fields: dict[str, int] = msgspec.structs.asdict(row)
    del fields["entity_id"]
    return Counts(**fields)


def _number(text: str | None) -> int | None:
    return int(text) if text is not None else None
