"""`Rounds`: listings that go on where the last one ended.

A sweep asks for a few hundred old names again and again. Taken from the front each time, names that stay there
(uploads sent once more after they were encoded, which anyone can do) would hide everything behind them.
"""

from collections.abc import Callable, Sequence

from actors.ports.jobs import StoredBlob

#: Names under a prefix that come after a key, at most so many: bucket, prefix, key, limit.
Listing = Callable[[str, str, str, int], Sequence[StoredBlob]]

#: Names that are asked for at a time; as many as a server gives in one answer.
_PAGE = 1000
#: Prefixes whose place is remembered.
_PREFIXES = 16


class Rounds:
    """Where the next listing of a prefix begins."""

    __slots__ = ("_listed", "_max_looked_at", "_places")

    def __init__(self, listed: Listing, max_looked_at: int) -> None:
        self._listed = listed
        self._max_looked_at = max_looked_at
        #: By prefix: the bucket and the last key that was looked at.
        self._places: dict[str, tuple[str, str]] = {}

    def go_on(
        self,
        buckets: Sequence[str],
        prefix: str,
        wanted: Callable[[StoredBlob], bool],
        limit: int,
    ) -> Sequence[StoredBlob]:
        """At most `limit` wanted blobs of one round through `buckets`, begun where the last one ended."""
        start, after = self._places.pop(prefix, (buckets[0], ""))
        first = buckets.index(start)
        found: list[StoredBlob] = []
        left = self._max_looked_at
        # The bucket of the beginning comes twice: from the last key on, and at the end up to it.
        for lap, bucket in enumerate((*buckets[first:], *buckets[: first + 1])):
            last = after if lap == 0 else ""
            end = after if lap == len(buckets) else None
            if end == "":
                break
            while page := self._listed(bucket, prefix, last, min(_PAGE, left)):
                for blob in page:
                    if end is not None and blob.name > end:
                        return found
                    left -= 1
                    last = blob.name
                    if wanted(blob):
                        found.append(blob)
                    if len(found) == limit or left == 0:
                        self._remember(prefix, (bucket, last))
                        return found
                if len(page) < _PAGE:
                    break
        return found

    def _remember(self, prefix: str, place: tuple[str, str]) -> None:
        if len(self._places) >= _PREFIXES:
            self._places.clear()
        self._places[prefix] = place

    def __repr__(self) -> str:
        return f"<Rounds {self._places}>"
