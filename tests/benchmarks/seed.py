"""A small world, written as facts before the product starts: people, who follows whom, videos that play.

Through the ports that the product itself writes by, so it is what registrations, uploads and follows would
have left behind, without hashing a thousand passwords and encoding five hundred clips first.
"""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from actors.media import EncodedMedia, Rung
from actors.ports.clock import Clock, SystemClock
from actors.rows import (
    AnyRow,
    CommentRow,
    CountsRow,
    CredentialRow,
    FollowRow,
    LikeRow,
    SessionRow,
    StampedRow,
    UserRow,
    VideoMediaRow,
    VideoRow,
)
from gateway.keys import open_signing_keys
from gateway.settings import GatewaySettings
from gateway.tokens import AccessTokens
from ops.data_dir import DataDir
from sharding.ids import IdMint
from storage.embedded.database import open_database
from storage.embedded.facts import SqliteFacts
from storage.embedded.runners import InlineRunner

_DAY_MS = 86_400_000
_TAGS = ("music", "dance", "cats", "food", "travel", "sport", "art", "news", "diy", "comedy")
#: The last minter number; a product that begins with the first cannot meet it here.
_MINTER = 1023


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who is signed in."""

    user_id: int
    session: int
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What was written."""

    people: tuple[Person, ...]
    videos: tuple[int, ...]
    #: Those whom a whole crowd follows.
    stars: tuple[Person, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A world that is not written yet."""

    users: tuple[int, ...]
    #: Those whom a whole crowd follows, in the order of `Sizes.crowds`.
    stars: tuple[int, ...]
    #: Live session of each user and star.
    sessions: dict[int, int]
    videos: tuple[int, ...]
    rows: tuple[AnyRow, ...]

    def world(self, tokens: AccessTokens) -> World:
        """The same with everybody signed in."""
        people = [
            Person(user_id=each, session=self.sessions[each],
                   token=tokens.sign(each, self.sessions[each]))
            for each in (*self.users, *self.stars)
        ]  # fmt: skip
        return World(
            people=tuple(people[: len(self.users)]),
            videos=self.videos,
            stars=tuple(people[len(self.users) :]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How large a world is."""

    people: int = 500
    videos: int = 500
    authors: int = 50
    #: The first so many people follow and like; the others are only there. None: all of them.
    lively: int | None = None
    #: For each, one more author whom the first so many people follow.
    crowds: tuple[int, ...] = ()
    #: Comments under each video.
    comments: int = 0
    #: What everybody's password is stored as.
    password_hash: str = "-"


def seed(path: Path, *, people: int = 500, videos: int = 500, authors: int = 50) -> World:
    """Fill the data folder at `path`, which nobody uses; the same every time but for ids and keys."""
    sizes = Sizes(people=people, videos=videos, authors=authors)
    return asyncio.run(_seed(DataDir(path), sizes))


async def _seed(folder: DataDir, sizes: Sizes) -> World:
    clock = SystemClock()
    folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    drawn = draw(sizes, clock)
    async with open_database(folder.database, InlineRunner()) as database:
        await SqliteFacts(database).writer.write([StampedRow(row, 1) for row in drawn.rows])
    return drawn.world(AccessTokens(open_signing_keys(folder.secrets), GatewaySettings(), clock))


def draw(sizes: Sizes, clock: Clock) -> Drawn:
    """A world of that size, with ids of now."""
    dice = random.Random(1)
    mint, now = IdMint(_MINTER, clock), clock.unix_ms()
    user_ids = [mint.mint() for _ in range(sizes.people)]
    star_ids = [mint.mint() for _ in sizes.crowds]
    video_ids = [mint.mint() for _ in range(sizes.videos)]
    sessions = {each: mint.mint() for each in (*user_ids, *star_ids)}
    authors = user_ids[: sizes.authors]
    lively = user_ids[: sizes.lively]
    author_of = {each: dice.choice(authors) for each in video_ids}
    follows = {each: dice.sample(authors, min(5, len(authors))) for each in lively}
    likes = {each: dice.sample(video_ids, min(10, len(video_ids))) for each in lively}
    for star_id, crowd in zip(star_ids, sizes.crowds, strict=True):
        for each in user_ids[:crowd]:
            follows.setdefault(each, []).append(star_id)
    liked = Counter(video for some in likes.values() for video in some)
    followed = Counter(
        author for user_id, some in follows.items() for author in some if author != user_id
    )
    received: Counter[int] = Counter()
    for video_id, count in liked.items():
        received[author_of[video_id]] += count
    posted = Counter(author_of.values())
    rows: list[AnyRow] = []
    for number, user_id in enumerate((*user_ids, *star_ids)):
        rows += _person(user_id, number, sessions[user_id], now, sizes.password_hash)
        followees = [each for each in follows.get(user_id, ()) if each != user_id]
        rows.append(
            CountsRow(
                entity_id=user_id,
                followers=followed[user_id],
                following=len(followees),
                videos=posted[user_id],
                likes_received=received[user_id],
            )
        )
        rows += [
            FollowRow(follower_id=user_id, followee_id=each, following=True, at_ms=now)
            for each in followees
        ]
        rows += [
            LikeRow(user_id=user_id, video_id=each, liked=True, at_ms=now - at)
            for at, each in enumerate(likes.get(user_id, ()))
        ]
    for video_id in video_ids:
        rows += _video(video_id, author_of[video_id], now - dice.randrange(_DAY_MS), dice)
        rows += [
            CommentRow(
                video_id=video_id,
                comment_id=mint.mint(),
                user_id=dice.choice(lively),
                parent_id=None,
                text="Where is that? I have to go there, too",
            )
            for _ in range(sizes.comments)
        ]
        rows.append(CountsRow(entity_id=video_id, likes=liked[video_id], comments=sizes.comments))
    return Drawn(
        users=tuple(user_ids),
        stars=tuple(star_ids),
        sessions=sessions,
        videos=tuple(video_ids),
        rows=tuple(rows),
    )


def _person(
    user_id: int, number: int, session: int, now: int, password_hash: str
) -> tuple[AnyRow, ...]:
    return (
        UserRow(
            user_id=user_id,
            username=f"person{number}",
            display_name=f"Person {number}",
            bio="",
            avatar=f"a/{user_id}/1.jpg",
            created_ms=now - 30 * _DAY_MS,
        ),
        CredentialRow(user_id=user_id, version=1, password_hash=password_hash),
        SessionRow(
            user_id=user_id,
            family_id=session,
            current=1,
            rotated_ms=now,
            expires_ms=now + _DAY_MS,
        ),
    )


def _video(
    video_id: int, author_id: int, published_ms: int, dice: random.Random
) -> tuple[AnyRow, ...]:
    tags = " ".join(f"#{each}" for each in dice.sample(_TAGS, 2))
    duration_s = round(dice.uniform(5, 60), 2)
    rungs = tuple(
        Rung(
            name=name,
            file=f"{name}.mp4",
            codecs="avc1.64001f,mp4a.40.2",
            width=width,
            height=width * 16 // 9,
            fps=30.0,
            bitrate=bitrate,
            size_bytes=int(bitrate * duration_s / 8),
            init=(0, 1_411),
            index=(1_412, 1_835),
            start=(0, bitrate // 5),
        )
        for name, width, bitrate in (("360p", 360, 620_000), ("540p", 540, 1_300_000))
    )
    return (
        VideoRow(
            video_id=video_id,
            author_id=author_id,
            caption=f"Seen on the way home, and had to share it {tags}",
            created_ms=published_ms - 60_000,
            size_bytes=5_000_000,
            content_type="video/mp4",
            sha256=None,
            metadata=None,
        ),
        VideoMediaRow(
            video_id=video_id,
            author_id=author_id,
            status="ready",
            generation=1,
            published_ms=published_ms,
            media=EncodedMedia(
                duration_s=duration_s,
                width=540,
                height=960,
                thumbhash="3OcRJYB4d3h/iIeHeEh3eIhw+j3A",
                loudness_gain_db=-1.5,
                cover="cover.jpg",
                preview="preview.webp",
                hls="master.m3u8",
                mp4="540p.mp4",
                rungs=rungs,
                total_bytes=sum(each.size_bytes for each in rungs),
            ),
        ),
    )
