"""Cards: videos as ready-made JSON, so that a page is glued, never built.

A card's bytes end before its last brace: a page appends what belongs to its viewer (`viewer_json`) and
closes it. The bytes hold signed addresses that last for hours and are signed once an hour; counts that
change in between replace the bytes when they are next asked for.
"""

from itertools import product

import msgspec

from actors import answers
from actors.answers import ReasonSource
from actors.events import Counted
from actors.media import media_prefix
from actors.media_links import MIN_VALID_MS, MediaLinks
from actors.records import Profile, VideoRecord
from actors.rows import CountsRow, UserRow

#: Ways that a card is kept ready in; beyond it all are made anew.
_ITEMS = 8
_SOURCES: tuple[ReasonSource, ...] = ("following", "trending", "fresh", "affinity", "again")
#: `,"reason":{...}` by source.
REASONS = {source: b',"reason":{"source":"%s"}' % source.encode() for source in _SOURCES}
#: `,"viewer":{...}` by (liked, own, following).
VIEWERS = {
    (liked, own, following): b',"viewer":'
    + answers.to_json(
        answers.VideoViewer(
            liked=liked,
            own=own,
            follow="following" if following else "none",
            can_comment=True,
        )
    )
    for liked, own, following in product((False, True), repeat=3)
}


class Card:
    """One playable video, for any viewer."""

    __slots__ = ("_body", "_items", "_links", "_public_url", "_record", "_until_ms", "author", "author_id",
                 "counts", "duration_s", "preload", "published_ms", "tags", "video_id")  # fmt: skip

    def __init__(
        self, record: VideoRecord, author: Profile, links: MediaLinks, public_url: str
    ) -> None:
        assert record.media is not None
        assert record.media.media is not None
        self.video_id = record.video.video_id
        self.author_id = record.video.author_id
        self.published_ms = record.media.published_ms
        self.author = author.user
        self.counts = record.counts
        self.duration_s = record.media.media.duration_s
        self.tags = tags_of(record.video.caption)
        start = record.media.media.rungs[0]
        #: `,"preload":{...}`: one Range request that plays.
        self.preload = b',"preload":' + answers.to_json(
            answers.Preload(file=start.file, range=f"bytes=0-{start.start[1]}")
        )
        self._record = record
        self._links = links
        self._public_url = public_url
        self._body = b""
        self._items: dict[tuple[bool, bool, bool, ReasonSource, bool], bytes] = {}
        self._until_ms = 0

    def item(
        self,
        now_ms: int,
        liked: bool,
        own: bool,
        following: bool,
        source: ReasonSource,
        preload: bool,
    ) -> bytes:
        """The whole JSON of the video in a feed. Viewers stand to it in few ways, so each is made once."""
        if now_ms >= self._until_ms:
            self._render(now_ms)
        way = (liked, own, following, source, preload)
        made = self._items.get(way)
        if made is None:
            if len(self._items) >= _ITEMS:
                self._items.clear()
            made = self._items[way] = b"".join(
                (
                    self._body,
                    VIEWERS[liked, own, following],
                    REASONS[source],
                    self.preload if preload else b"",
                    b"}",
                )
            )
        return made

    def body(self, now_ms: int) -> bytes:
        """The card's JSON without its closing brace; addresses in it are valid for six hours at least."""
        if now_ms >= self._until_ms:
            self._render(now_ms)
        return self._body

    def count(self, counted: Counted) -> None:
        """Take over new counts."""
        self.counts = msgspec.structs.replace(
            self.counts,
            likes=counted.likes,
            comments=counted.comments,
            shares=counted.shares,
            views=counted.views,
        )
        self._until_ms = 0

    def video(self, viewer: answers.VideoViewer, now_ms: int) -> bytes:
        """The whole JSON of the video for one viewer, outside of a feed."""
        following = viewer.follow == "following"
        return self.body(now_ms) + VIEWERS[viewer.liked, viewer.own, following] + b"}"

    def captioned(self, caption: str) -> "Card":
        """This card with another caption, for the answer to who changed it."""
        record = msgspec.structs.replace(
            self._record, video=msgspec.structs.replace(self._record.video, caption=caption)
        )
        author = Profile(user=self.author, counts=CountsRow(entity_id=self.author_id))
        card = Card(record, author, self._links, self._public_url)
        card.counts = self.counts
        return card

    def _render(self, now_ms: int) -> None:
        video, turned = self._record.video, self._record.media
        assert turned is not None
        assert turned.media is not None
        media = turned.media
        prefix = media_prefix(video.video_id, turned.generation)
        expires_ms = self._links.expiry_ms(now_ms)
        body = answers.CardBody(
            video_id=str(video.video_id),
            author=author_answer(self.author, self._links, expires_ms),
            caption=video.caption,
            created_at=answers.at(video.created_ms),
            published_at=answers.at(turned.published_ms),
            duration_s=round(media.duration_s, 3),
            width=media.width,
            height=media.height,
            thumbhash=media.thumbhash,
            loudness_gain_db=media.loudness_gain_db,
            share_url=f"{self._public_url}/video/{video.video_id}",
            media=answers.Media(
                base=self._links.base(prefix, expires_ms=expires_ms),
                key=prefix.rstrip("/"),
                expires_at=answers.at(expires_ms),
                cover=media.cover,
                preview=media.preview,
                hls=media.hls,
                mp4=media.mp4,
                renditions=tuple(
                    answers.RenditionShape(**msgspec.structs.asdict(rung)) for rung in media.rungs
                ),
            ),
            counts=counts_answer(self.counts),
        )
        self._body = answers.to_json(body)[:-1]
        self._items.clear()
        self._until_ms = expires_ms - MIN_VALID_MS

    def __repr__(self) -> str:
        return f"<Card {self.video_id} by {self.author_id}>"


def counts_answer(counts: CountsRow) -> answers.VideoCounts:
    """A video's counts as clients get them."""
    return answers.VideoCounts(
        likes=counts.likes, comments=counts.comments, shares=counts.shares, views=counts.views
    )


def author_answer(user: UserRow, links: MediaLinks, expires_ms: int) -> answers.Author:
    """A person as they stand beside what they made."""
    return answers.Author(
        user_id=str(user.user_id),
        username=user.username,
        display_name=user.display_name,
        avatar_url=avatar_url(user, links, expires_ms),
    )


def avatar_url(user: UserRow, links: MediaLinks, expires_ms: int) -> str | None:
    """Where a person's picture is, signed."""
    if user.avatar is None:
        return None
    folder, _, name = user.avatar.rpartition("/")
    return links.base(f"{folder}/", expires_ms=expires_ms) + name


def tags_of(caption: str) -> tuple[str, ...]:
    """The hashtags of a caption in lower case, at most eight, each once."""
    tags: dict[str, None] = {}
    for word in caption.split():
        if word.startswith("#"):
            name = word.strip("#.,;:!?()").casefold()[:40]
            if name:
                tags[name] = None
    return tuple(tags)[:8]
