"""Choosing for someone: which videos of the shelf come next, in which order, and why.

Behind a small port, `Ranker`, since a learned one will come. This one mixes three sources by rounds (what
fits the viewer's taste, what is hot, what is new), so that each has its share however long the others are,
and everybody gets a full page as soon as there are videos at all.
"""

from collections.abc import Container, Iterable, Iterator
from itertools import chain
from typing import Protocol

import msgspec

from actors.answers import ReasonSource
from actors.shelf import Shelf
from actors.taste import Taste

#: One round of the mix; affinity falls to the others where nothing is known of the viewer.
ROUND: tuple[ReasonSource, ...] = ("affinity", "trending", "fresh", "affinity", "trending")
#: At most this many of one author among any `ROW` in a row, as long as there are others.
SAME_AUTHOR, ROW = 2, 10
#: Videos looked at ahead to keep that rule.
LOOK_AHEAD = 400


class Viewer(msgspec.Struct, frozen=True, kw_only=True):
    """Whom it is for."""

    user_id: int
    taste: Taste
    #: Authors that are not shown at all.
    hidden: Container[int]


class Chosen(msgspec.Struct, frozen=True):
    """A video and why it was chosen."""

    video_id: int
    source: ReasonSource


class Ranker(Protocol):
    """Chooses videos for a viewer; pure, quick, and never blocks."""

    def choose(self, viewer: Viewer, seen: Container[int], count: int, now_ms: int) -> list[Chosen]:
        """At most `count` videos that are not `seen`, best first; none only when there are none left."""
        ...


class ShelfRanker:
    """Affinity, trending and fresh from the node's shelf."""

    __slots__ = ("_shelf",)

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def choose(self, viewer: Viewer, seen: Container[int], count: int, now_ms: int) -> list[Chosen]:
        taste, shelf = viewer.taste, self._shelf
        sources: dict[ReasonSource, Iterator[int]] = {
            "affinity": iter(
                chain(
                    _alternate([shelf.by(author) for author in taste.leading_authors(4)]),
                    _alternate([shelf.tagged(tag) for tag in taste.leading_tags(8)]),
                )
            ),
            "trending": iter(shelf.trending(now_ms)),
            "fresh": iter(shelf.fresh()),
        }
        taken: set[int] = set()
        own: list[Chosen] = []
        mixed: list[Chosen] = []
        while sources and len(mixed) < count + LOOK_AHEAD:
            for source in ROUND:
                for video_id in sources.get(source, ()):
                    if video_id in taken or video_id in seen:
                        continue
                    video = shelf.get(video_id)
                    if video is None or video.author_id in viewer.hidden:
                        continue
                    taken.add(video_id)
                    if video.author_id == viewer.user_id:
                        own.append(Chosen(video_id, source))
                        continue
                    mixed.append(Chosen(video_id, source))
                    break
                else:
                    sources.pop(source, None)
        return [*self._spread(mixed, count), *own][:count]

    def _spread(self, chosen: list[Chosen], count: int) -> list[Chosen]:
        """Keep authors apart: the next is the first that fits, or simply the first where none does."""
        waiting = list(chosen)
        spread: list[Chosen] = []
        recent: list[int] = []
        while waiting and len(spread) < count:
            fits = (
                at
                for at, each in enumerate(waiting[:LOOK_AHEAD])
                if recent.count(self._author(each)) < SAME_AUTHOR
            )
            each = waiting.pop(next(fits, 0))
            spread.append(each)
            recent = [*recent, self._author(each)][-(ROW - 1) :]
        return spread

    def _author(self, chosen: Chosen) -> int:
        video = self._shelf.get(chosen.video_id)
        return video.author_id if video is not None else 0

    def __repr__(self) -> str:
        return f"<ShelfRanker {self._shelf!r}>"


def _alternate(lists: list[Iterable[int]]) -> Iterator[int]:
    """The first of each, then the second of each, and so on."""
    iterators = [iter(each) for each in lists]
    while iterators:
        for each in list(iterators):
            try:
                yield next(each)
            except StopIteration:
                iterators.remove(each)
