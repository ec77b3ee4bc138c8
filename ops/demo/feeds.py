"""What a feed promises, checked on what it served; pure."""

from collections import deque
from collections.abc import Sequence

#: Of so many videos in a row, at most so many are of one author ...
ROW, MOST_OF_ONE = 10, 2
#: ... as long as so many authors are still to come.
AUTHORS_NEEDED = 5


def repeats(video_ids: Sequence[str]) -> list[str]:
    """Ids that a chain served more than once."""
    seen: set[str] = set()
    twice: list[str] = []
    for video_id in video_ids:
        if video_id in seen:
            twice.append(video_id)
        seen.add(video_id)
    return twice


def crowded(authors: Sequence[str]) -> list[int]:
    """Places where a third video of one author stands within ten, though there was a choice.

    There was one while videos of at least five authors were left: the nine before a place hold at most
    four authors who have their two already.
    """
    left: list[int] = []
    ahead: set[str] = set()
    for author in reversed(authors):
        ahead.add(author)
        left.append(len(ahead))
    left.reverse()
    before: deque[str] = deque(maxlen=ROW - 1)
    places = []
    for place, author in enumerate(authors):
        if before.count(author) >= MOST_OF_ONE and left[place] >= AUTHORS_NEEDED:
            places.append(place)
        before.append(author)
    return places
