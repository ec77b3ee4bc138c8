"""A playlist: scored ids that pages of the for-you feed are cut from.

One *generation* never holds an id twice and only grows at its end, so a place in it means the same for
ever: the cursor is (generation, place). A new generation begins when a new chain should see something else;
the one before stays readable for cursors that are still out. Two arrays of plain numbers: ten thousand of
these are in memory at a time.
"""

from array import array

import msgspec

from actors.answers import ReasonSource

_SOURCES: tuple[ReasonSource, ...] = ("following", "trending", "fresh", "affinity", "again")
_CODES = {source: code for code, source in enumerate(_SOURCES)}


class Playlist:
    """Ids, why each was chosen, and how far they were followed."""

    __slots__ = (
        "filled_ms",
        "followed",
        "generation",
        "ids",
        "last_page",
        "sources",
        "version",
        "viewed",
    )

    def __init__(self, generation: int, filled_ms: int = 0) -> None:
        self.generation = generation
        self.ids = array("Q")
        self.sources = bytearray()
        #: All places before this one were followed by a later page.
        self.followed = 0
        #: When it was last filled, and how the shelf stood then.
        self.filled_ms = filled_ms
        self.version = -1
        #: Ids beyond `followed` that were reported as watched.
        self.viewed: set[int] = set()
        #: Where the last page began and ended, its cursor and its name: a refresh asks for it again.
        self.last_page: tuple[int, int, str, str] | None = None

    def extend(self, video_id: int, source: ReasonSource) -> None:
        """Add an id at the end."""
        self.ids.append(video_id)
        self.sources.append(_CODES[source])

    def source(self, place: int) -> ReasonSource:
        """Why the id at `place` was chosen."""
        return _SOURCES[self.sources[place]]

    @property
    def again(self) -> bool:
        """Whether it shows what was seen before."""
        return bool(self.sources) and self.source(0) == "again"

    def __len__(self) -> int:
        return len(self.ids)

    def encode(self) -> bytes:
        """The playlist as it is stored."""
        return msgspec.msgpack.encode(
            (
                self.generation,
                self.filled_ms,
                self.followed,
                self.ids.tobytes(),
                bytes(self.sources),
                tuple(self.viewed),
            )
        )

    @classmethod
    def decode(cls, data: bytes | None) -> "Playlist":
        """A stored playlist; generation 0, without ids, where there is none."""
        if data is None:
            return cls(0)
        generation, filled_ms, followed, ids, sources, viewed = msgspec.msgpack.decode(
            data, type=tuple[int, int, int, bytes, bytes, tuple[int, ...]]
        )
        playlist = cls(generation, filled_ms)
        playlist.followed = followed
        playlist.ids.frombytes(ids)
        playlist.sources.extend(sources)
        playlist.viewed = set(viewed)
        return playlist

    def __repr__(self) -> str:
        return f"<Playlist {self.generation} followed={self.followed}/{len(self)}>"
