"""A town made of rows: authors with videos and users who follow them, written as facts, with nothing encoded.

For tests that need many of something and no picture of it. The rows are those that the product itself would
have left, so whoever reads them cannot tell; only their media are missing from the blob store.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from actors.media import EncodedMedia, Rung
from actors.ports.facts import FactWriter
from actors.rows import (
    AnyRow,
    CountsRow,
    CredentialRow,
    FollowRow,
    SessionRow,
    StampedRow,
    UserRow,
    VideoMediaRow,
    VideoRow,
)
from sharding.ids import IdMint

#: Rows that are written at a time.
BATCH = 2_000
#: Where time begins in a town, in Unix milliseconds: a day in 2025.
BEGIN_MS = 1_760_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """Who and what there is, oldest first."""

    authors: Sequence[int]
    users: Sequence[int]
    #: (published_ms, video_id, author_id)
    videos: Sequence[tuple[int, int, int]]
    #: User to session.
    sessions: dict[int, int]

    def newest(self, authors: set[int]) -> list[int]:
        """Ids of what these authors published, newest first."""
        shown = [(at, video) for at, video, author in self.videos if author in authors]
        return [video for _, video in sorted(shown, reverse=True)]


def media(number: int) -> EncodedMedia:
    """Media as the pipeline describes them, with two rungs."""
    rungs = tuple(
        Rung(
            name=name,
            file=f"{name}.mp4",
            codecs="avc1.64001f,mp4a.40.2",
            width=width,
            height=width * 16 // 9,
            fps=30.0,
            bitrate=bitrate,
            size_bytes=bitrate * 2,
            init=(0, 1_287),
            index=(1_288, 1_343 + number % 100),
            start=(0, 190_000 + number),
        )
        for name, width, bitrate in (("540", 540, 1_100_000), ("360", 360, 420_000))
    )
    return EncodedMedia(
        duration_s=12.345,
        width=540,
        height=960,
        thumbhash="1QcSHQRnh493V4dIh4eXh1h4kJUI",
        loudness_gain_db=-1.5,
        cover="cover.jpg",
        preview="preview.jpg",
        hls="hls.m3u8",
        mp4="540.mp4",
        rungs=rungs,
        total_bytes=3_040_000,
    )


async def build(
    facts: FactWriter, mint: IdMint, *, authors: int, videos: int, users: int, follows: int
) -> Town:
    """Write a town: `videos` shared out among `authors`, each user following `follows` of them."""
    rows: list[AnyRow] = []
    sessions: dict[int, int] = {}
    people = [mint.mint() for _ in range(authors + users)]
    for number, user_id in enumerate(people):
        sessions[user_id] = mint.mint()
        rows += _person(number, user_id, sessions[user_id])
    makers, watchers = people[:authors], people[authors:]
    shown = [
        (BEGIN_MS + 60_000 * number, mint.mint(), makers[number % authors])
        for number in range(videos)
    ]
    for number, (at, video_id, author_id) in enumerate(shown):
        rows += _video(number, at, video_id, author_id)
    for number, user_id in enumerate(watchers):
        rows += [
            FollowRow(
                follower_id=user_id,
                followee_id=makers[(number + each) % authors],
                following=True,
                at_ms=BEGIN_MS + each,
            )
            for each in range(follows)
        ]
    for at in range(0, len(rows), BATCH):
        await facts.write([StampedRow(row, 1) for row in rows[at : at + BATCH]])
    return Town(authors=makers, users=watchers, videos=shown, sessions=sessions)


def _person(number: int, user_id: int, session: int) -> list[AnyRow]:
    return [
        UserRow(
            user_id=user_id,
            username=f"town_{number}",
            display_name=f"Nobody in particular {number}",
            bio="",
            avatar=None,
            created_ms=BEGIN_MS,
        ),
        CredentialRow(
            user_id=user_id,
            version=1,
            password_hash="$argon2id$v=19$m=19456,t=2,p=1$" + "c2FsdHNhbHQ$" + "x" * 43,
        ),
        SessionRow(
            user_id=user_id,
            family_id=session,
            current=1,
            rotated_ms=BEGIN_MS,
            expires_ms=1 << 45,
        ),
    ]


def _video(number: int, at: int, video_id: int, author_id: int) -> list[AnyRow]:
    return [
        VideoRow(
            video_id=video_id,
            author_id=author_id,
            caption=f"What happened on day {number} #town #day{number % 20}",
            created_ms=at,
            size_bytes=2_000_000,
            content_type="video/mp4",
            sha256=None,
            metadata=None,
        ),
        VideoMediaRow(
            video_id=video_id,
            author_id=author_id,
            status="ready",
            generation=1,
            published_ms=at,
            media=media(number),
        ),
        CountsRow(entity_id=video_id, views=number % 50, likes=number % 7),
    ]
