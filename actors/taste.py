"""Taste: which tags and authors a person stays with, as decaying weights.

Soft state of the user's actor: small, bounded, written behind. Each signal adds to the tags and the author
of its video; before adding, everything fades a little, so that taste follows what is watched now.
"""

from collections.abc import Hashable
from typing import TypeVar

import msgspec

K = TypeVar("K", bound=Hashable)

#: What a signal is worth (recsys note §4.1: long view, like, share and follow, skip, not interested).
LONG_VIEW, LIKE, SHARE, SKIP, DISLIKE = 1.0, 2.0, 3.0, -0.5, -5.0
#: How much of every weight is left after one signal.
FADE = 0.98
#: Tags, and authors, that are remembered; the weakest is forgotten.
REMEMBERED = 32
#: A view counts as a skip below this many milliseconds, as long from this share of the video on.
SKIP_MS = 2_000
LONG_SHARE = 0.8


class Taste(msgspec.Struct, kw_only=True):
    """Weights by tag and by author."""

    tags: dict[str, float] = {}
    authors: dict[int, float] = {}

    def note(self, tags: tuple[str, ...], author_id: int, weight: float) -> None:
        """Learn from one signal."""
        if weight == 0:
            return
        self.tags = _learned(self.tags, tags, weight)
        self.authors = _learned(self.authors, (author_id,), weight)

    def leading_tags(self, count: int) -> list[str]:
        """The best liked tags."""
        return [tag for tag, weight in _ranked(self.tags, count) if weight > 0]

    def leading_authors(self, count: int) -> list[int]:
        """The best liked authors."""
        return [author for author, weight in _ranked(self.authors, count) if weight > 0]


def weight_of_view(watched_ms: int, completed: bool, duration_s: float) -> float:
    """What a view says."""
    if completed or watched_ms >= LONG_SHARE * duration_s * 1000:
        return LONG_VIEW
    return SKIP if watched_ms < SKIP_MS else 0.0


def _learned(weights: dict[K, float], keys: tuple[K, ...], weight: float) -> dict[K, float]:
    faded = {key: value * FADE for key, value in weights.items()}
    for key in keys:
        faded[key] = faded.get(key, 0.0) + weight
    return dict(_ranked(faded, REMEMBERED, by_strength=True))


def _ranked(
    weights: dict[K, float], count: int, *, by_strength: bool = False
) -> list[tuple[K, float]]:
    strength = abs if by_strength else float
    return sorted(weights.items(), key=lambda item: -strength(item[1]))[:count]
