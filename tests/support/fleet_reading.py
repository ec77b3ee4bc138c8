"""Reads what a run left behind in a fleet: facts through the adapter of Cassandra, and what clients are shown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import orjson

from actors.ports.clock import SystemClock
from actors.rows import CountsRow
from storage.cassandra.facts import CassandraFacts
from storage.cassandra.opening import open_cassandra
from tests.support.checker import counts_are_sizes_of_facts
from tests.support.fleet import Fleet
from tests.support.fleet_crowd import FleetCrowd
from tests.support.fleet_member import Member, hear
from tests.support.history import (
    Counts,
    ReadComment,
    ReadNote,
    Readout,
    ReadUser,
    ReadVideo,
)

#: Facts of one kind that one person of a crowd may have made.
_MANY = 10_000
#: How long counts, feeds of events and uploads may take to come to rest, in seconds.
SETTLE_S = 45.0
#: How long a replay of events may take to begin and to end, in seconds.
_REPLAY_S = 10.0


@asynccontextmanager
async def open_facts(fleet: Fleet) -> AsyncIterator[CassandraFacts]:
    """The facts of a fleet, directly."""
    async with open_cassandra(fleet.settings().cassandra, SystemClock()) as cassandra:
        yield CassandraFacts(cassandra)


async def read_at_rest(
    facts: CassandraFacts, crowd: FleetCrowd, within_s: float = SETTLE_S
) -> tuple[Readout, dict[int, str]]:
    """The readout and all captions, once counts agree and no upload is under way; or as they are after `within_s`."""
    until = time.monotonic() + within_s
    while True:
        readout, captions = await _read(facts, crowd)
        busy = [
            each for each in readout.videos.values() if each.status in ("uploaded", "processing")
        ]
        lag = list(counts_are_sizes_of_facts(crowd.log.history, readout))
        if not (busy or lag) or time.monotonic() > until:
            return readout, captions
        await asyncio.sleep(1.0)


async def replays(crowd: FleetCrowd) -> dict[int, tuple[list[int], bool]]:
    """What each member's websocket is sent when it goes on from its start; and whether it must resync instead.

    Each member first connects once more where it was, so that what waits for it is not taken for missed.
    """
    found = {}
    for member in crowd.members:
        try:
            await _quiet(crowd, member)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            crowd.complain(f"user {member.user} cannot attach in the end: {error!r}")
        again = Member(person=member.person, user=member.user, start=member.start)
        if member.start is None:
            crowd.complain(f"user {member.user} never had a websocket")
        else:
            await _quiet(crowd, again)
        found[member.user] = again.saw, bool(again.resyncs)
    return found


async def _quiet(crowd: FleetCrowd, member: Member) -> None:
    """One connection, until nothing came for a second and a half."""
    resume = member.saw[-1] if member.saw else member.start
    person = member.person
    async with person.people.http.ws_connect(
        f"{person.people.url}/ws",
        headers=person.bearer,
        timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
    ) as wire:
        await wire.send_str(orjson.dumps({"op": "hello", "resume": resume}).decode())
        patience = _REPLAY_S
        while True:
            try:
                message = await wire.receive(timeout=patience)
            except TimeoutError:
                return
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise ConnectionError(f"closed with {wire.close_code}")
            hear(member, orjson.loads(message.data), resume, crowd.now)
            # What was coalesced comes a tick later.
            patience = 1.5


async def _read(facts: CassandraFacts, crowd: FleetCrowd) -> tuple[Readout, dict[int, str]]:
    readout = Readout()
    captions: dict[int, str] = {}
    users = {member.user for member in crowd.members}
    by_user = {member.user: member for member in crowd.members}
    for record in await facts.videos.every_video(0, _MANY):
        video = record.video
        if video.author_id not in users:
            continue
        tally = msgspec.structs.asdict(await facts.videos.tally(video.video_id))
        row = _counts(record.counts)
        media = record.media
        read = ReadVideo(
            video=video.video_id,
            author=video.author_id,
            status=media.status if media is not None else "-",
            published_ms=(media.published_ms or 0) if media is not None else 0,
            removed=video.removed,
            row=row,
            tally=Counts(**tally, views=row.views),
        )
        captions[video.video_id] = video.caption
        readout.videos[video.video_id] = read
        if read.plays:
            author = by_user[video.author_id]
            shown = await _get(author, f"/video/{video.video_id}")
            read.shown = Counts(**shown["counts"])
            listed = await author.person.items(f"/video/{video.video_id}/comments", limit=50)
            read.listed = [int(each["comment_id"]) for each in listed]
            await _comments(facts, readout, video.video_id)
    for member in crowd.members:
        await _user(facts, readout, member, by_user.values())
    return readout, captions


async def _comments(facts: CassandraFacts, readout: Readout, video_id: int) -> None:
    before: int | None = None
    while page := await facts.comments.page(video_id, None, before=before, limit=500):
        for record in page:
            row = record.comment
            readout.comments[row.comment_id] = ReadComment(
                comment=row.comment_id,
                video=video_id,
                user=row.user_id,
                parent=row.parent_id,
                text=row.text,
                visible=True,
            )
        before = page[-1].comment.comment_id


async def _user(
    facts: CassandraFacts, readout: Readout, member: Member, everybody: Iterable[Member]
) -> None:
    user_id = member.user
    (profile,) = await facts.people.profiles((user_id,))
    tally = msgspec.structs.asdict(await facts.people.tally(user_id))
    shown = await _get(member, "/user/me")
    other = next(each for each in everybody if each is not member)
    seen = await _get(other, f"/user/{user_id}")
    user = ReadUser(
        user=user_id,
        row=_counts(profile.counts),
        tally=Counts(**tally),
        shown=Counts(**shown["counts"]),
        shown_to_others=Counts(**seen["counts"]),
    )
    likes = await facts.deeds.likes(user_id, before=None, limit=_MANY)
    readout.likes |= {(user_id, row.video_id) for row in likes}
    readout.follows |= {(user_id, each) for each in await facts.people.following(user_id, _MANY)}
    user.notes = [
        ReadNote(
            group=each["id"],
            actors=[int(actor["user_id"]) for actor in each["actors"]],
            count=each["actor_count"],
        )
        for each in await member.person.items("/notifications", limit=50)
    ]
    playing = [each.video for each in readout.videos.values() if each.plays]
    for at in range(0, len(playing), 50):
        ids = ",".join(map(str, playing[at : at + 50]))
        items = (await _get(member, f"/videos?ids={ids}"))["items"]
        user.looked_at += [int(each["video_id"]) for each in items]
        user.liked += [int(each["video_id"]) for each in items if each["viewer"]["liked"]]
    readout.users[user_id] = user


async def _get(member: Member, path: str) -> Any:
    return await member.person.call("GET", path)


def _counts(row: CountsRow) -> Counts:
    fields: dict[str, int] = msgspec.structs.asdict(row)
    del fields["entity_id"]
    return Counts(**fields)
