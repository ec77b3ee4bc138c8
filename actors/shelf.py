"""The shelf: recently published videos as a node knows them, in memory, for choosing from.

Filled from facts at start and kept by broadcasts. Losing one makes it older, never wrong: what is chosen
here is checked against its card before anyone sees it. `heat` decays with a half-life of six hours, the way
Redis and Reddit rank what is hot: a sum whose new terms weigh exponentially more, so nothing is ever swept.
"""

from bisect import insort
from collections.abc import Iterable, Sequence
from math import exp2
from typing import TypeVar

import msgspec

from actors.events import Counted

K = TypeVar("K", int, str)

#: What one event is worth in heat.
LIKE, COMMENT, SHARE, VIEW = 4.0, 6.0, 8.0, 1.0
#: Hours in which heat halves.
HALF_LIFE_H = 6.0
_HOUR_MS = 3_600_000
#: How many trending videos are kept sorted.
TRENDING = 300


class Shelved(msgspec.Struct, kw_only=True):
    """One video on the shelf."""

    video_id: int
    author_id: int
    published_ms: int
    tags: tuple[str, ...]
    likes: int = 0
    comments: int = 0
    shares: int = 0
    views: int = 0
    #: As of `heated_ms`.
    heat: float = 0.0
    heated_ms: int = 0

    def heat_at(self, now_ms: int) -> float:
        """Heat that is left now."""
        return self.heat * exp2(-(now_ms - self.heated_ms) / (HALF_LIFE_H * _HOUR_MS))


class Shelf:
    """At most `capacity` videos, the last published ones."""

    __slots__ = ("_by_author", "_by_tag", "_by_time", "_capacity", "_sorted_ms", "_trending",
                 "_videos", "version")  # fmt: skip

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._videos: dict[int, Shelved] = {}
        #: (published_ms, video_id), ascending.
        self._by_time: list[tuple[int, int]] = []
        self._by_tag: dict[str, dict[int, None]] = {}
        self._by_author: dict[int, dict[int, None]] = {}
        self._trending: list[int] = []
        self._sorted_ms = 0
        #: Grows whenever a video is added.
        self.version = 0

    def add(self, video: Shelved) -> None:
        """Put a video on the shelf; the oldest falls off a full one."""
        if video.video_id in self._videos:
            return
        self._videos[video.video_id] = video
        insort(self._by_time, (video.published_ms, video.video_id))
        for tag in video.tags:
            self._by_tag.setdefault(tag, {})[video.video_id] = None
        self._by_author.setdefault(video.author_id, {})[video.video_id] = None
        self.version += 1
        if len(self._videos) > self._capacity:
            self.remove(self._by_time[0][1])

    def remove(self, video_id: int) -> None:
        """Take a video off; one that is not there is no mistake."""
        video = self._videos.pop(video_id, None)
        if video is None:
            return
        self._by_time.remove((video.published_ms, video_id))
        for tag in video.tags:
            _drop(self._by_tag, tag, video_id)
        _drop(self._by_author, video.author_id, video_id)

    def count(self, counted: Counted, now_ms: int) -> None:
        """Warm a video by what happened to it since its last counts."""
        video = self._videos.get(counted.video_id)
        if video is None:
            return
        warmth = (
            LIKE * max(0, counted.likes - video.likes)
            + COMMENT * max(0, counted.comments - video.comments)
            + SHARE * max(0, counted.shares - video.shares)
            + VIEW * max(0, counted.views - video.views)
        )
        video.heat = video.heat_at(now_ms) + warmth
        video.heated_ms = now_ms
        video.likes, video.comments = counted.likes, counted.comments
        video.shares, video.views = counted.shares, counted.views

    @property
    def full(self) -> bool:
        """Whether older videos may have fallen off."""
        return len(self._videos) >= self._capacity

    @property
    def oldest(self) -> tuple[int, int] | None:
        """When the oldest was published, and which it is."""
        return self._by_time[0] if self._by_time else None

    def get(self, video_id: int) -> Shelved | None:
        """A video of the shelf."""
        return self._videos.get(video_id)

    def fresh(self) -> Iterable[int]:
        """All, the last published first."""
        return (video_id for _, video_id in reversed(self._by_time))

    def trending(self, now_ms: int) -> Sequence[int]:
        """The hottest first; sorted anew at most every five seconds."""
        if now_ms - self._sorted_ms > 5_000 or len(self._trending) < min(TRENDING, len(self)):
            self._sorted_ms = now_ms
            warm = sorted(self._videos.values(), key=lambda each: -each.heat_at(now_ms))
            self._trending = [each.video_id for each in warm[:TRENDING]]
        return self._trending

    def tagged(self, tag: str) -> Iterable[int]:
        """Videos with a tag, the last added first."""
        return reversed(self._by_tag.get(tag, {}))

    def by(self, author_id: int) -> Iterable[int]:
        """Videos of an author, the last added first."""
        return reversed(self._by_author.get(author_id, {}))

    def __len__(self) -> int:
        return len(self._videos)

    def __repr__(self) -> str:
        return f"<Shelf {len(self)}/{self._capacity} version={self.version}>"


def _drop(index: dict[K, dict[int, None]], key: K, video_id: int) -> None:
    members = index.get(key)
    if members is not None:
        members.pop(video_id, None)
        if not members:
            del index[key]
