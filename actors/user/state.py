"""What a user's actor knows.

Two kinds of knowledge. *Parts* are state that only the shard store has: the playlist, what was seen, taste,
counts, the event ring; they come with activation and are written with commits, or behind them. *Facts*
about the person (whom they follow, what they like) are read when first needed and then kept up by the
handlers, since this actor is their only writer. Losing the parts loses comfort; losing memory loses nothing.
"""

from array import array
from collections import deque
from collections.abc import Mapping

import msgspec

from actors.answers import UserViewer
from actors.events import UserCounted, VideoArrived
from actors.records import Account
from actors.rows import CountsRow, NotificationRow, SessionRow, UserRow, VideoStatus
from actors.taste import Taste
from actors.turn import Turn
from actors.user.playlist import Playlist
from actors.world import World

#: Likes that an actor comes to hold while it is awake, as a multiple of those that it reads.
LIKES_GROWTH = 4
#: Name prefix of the parts that hold one numbered event each.
EVENT_PART = "e:"


class Marks(msgspec.Struct, kw_only=True):
    """Places in the user's numbering of events and notifications."""

    #: The last number given out.
    seq: int = 0
    #: Events up to this number are not kept any more.
    floor: int = 0
    #: Everything up to this was read.
    read_seq: int = 0
    #: Likes that wait for their second to pass: video → (likes, who liked last).
    pending: dict[int, tuple[int, int]] = {}


class Liked(msgspec.Struct, kw_only=True):
    """Videos that the user likes, as far as they are known."""

    ids: set[int]
    #: Whether these are all of them.
    whole: bool


class Upload(msgspec.Struct, kw_only=True):
    """A video of one's own that does not play yet."""

    size_bytes: int
    content_type: str
    sha256: str | None
    status: VideoStatus
    progress: float = 0.0
    error_code: str | None = None
    error_title: str | None = None


class User:
    """State of one user's actor; handlers read and change it."""

    __slots__ = (
        "account",
        "answered",
        "awake",
        "blocked_by",
        "blocks",
        "buckets",
        "comment_likes",
        "counts",
        "credential_version",
        "early",
        "following",
        "heard",
        "id",
        "inbox",
        "liked",
        "marks",
        "not_interested",
        "noted",
        "pages",
        "playlist",
        "previous",
        "progress",
        "ring",
        "ring_bytes",
        "seen",
        "sent_likes",
        "sessions",
        "sockets",
        "suspect",
        "taste",
        "uploads",
        "viewed",
        "world",
    )

    def __init__(
        self, user_id: int, world: World, account: Account | None, parts: Mapping[str, bytes]
    ) -> None:
        self.id = user_id
        self.world = world
        self.account: UserRow | None = account.user if account else None
        self.credential_version = account.credential.version if account else 0
        self.sessions: dict[int, SessionRow] = (
            {each.family_id: each for each in account.sessions} if account else {}
        )
        self.heard = 0
        #: Whether the counts must be taken once more before they are trusted.
        self.suspect = "suspect" in parts
        counts = parts.get("counts")
        self.counts = (
            msgspec.msgpack.decode(counts, type=CountsRow)
            if counts
            else CountsRow(entity_id=user_id)
        )
        marks = parts.get("marks")
        self.marks = msgspec.msgpack.decode(marks, type=Marks) if marks else Marks()
        taste = parts.get("taste")
        self.taste = msgspec.msgpack.decode(taste, type=Taste) if taste else Taste()
        self.playlist = Playlist.decode(parts.get("playlist"))
        self.previous = Playlist.decode(parts.get("previous"))
        #: Ids in the order in which they were seen, oldest first.
        self.seen = array("Q", parts.get("seen", b""))
        #: Fingerprints of views that were counted.
        self.viewed = array("Q", parts.get("views", b""))
        #: The last pages by their cursor, so that the same cursor gives the same ids.
        self.pages: dict[tuple[int, ...], tuple[int, ...]] = (
            _decode_pages(parts["pages"]) if "pages" in parts else {}
        )
        #: How far encodings were when this actor was last asleep; none of them may seem to fall.
        self.progress: dict[int, float] = (
            msgspec.msgpack.decode(parts["progress"], type=dict[int, float])
            if "progress" in parts
            else {}
        )
        self.ring: deque[tuple[int, bytes]] = deque(
            sorted(_decode_event(value) for name, value in parts.items() if name[:2] == EVENT_PART)
        )
        self.ring_bytes = sum(len(frame) for _, frame in self.ring)
        # Facts, read when first needed.
        self.following: set[int] | None = None
        self.blocks: set[int] | None = None
        self.blocked_by: set[int] | None = None
        self.liked: Liked | None = None
        self.not_interested: set[int] | None = None
        self.uploads: dict[int, Upload] | None = None
        #: (published_ms, video_id), newest first; None until it is read.
        self.inbox: list[tuple[int, int]] | None = None
        self.early: list[VideoArrived] = []
        # Only in memory.
        #: Whether what a page of the feed needs to know of its viewer has been read.
        self.awake = False
        #: Connection → the session that it belongs to.
        self.sockets: dict[str, int] = {}
        self.buckets: dict[str, float] | None = None
        #: Like answers of the last moments: video → (liked, likes, when).
        self.answered: dict[int, tuple[bool, int, int]] = {}
        #: Whether the last comments that were liked, or no longer, are liked now; facts may not know yet.
        self.comment_likes: dict[int, bool] = {}
        #: The last notifications by their group.
        self.noted: dict[str, NotificationRow] = {}
        #: When the last event about a video's likes went out.
        self.sent_likes: dict[int, int] = {}

    # Facts, fetched once.

    def known_following(self, turn: Turn) -> set[int]:
        """Whom the user follows."""
        if self.following is None:
            bound = self.world.feed.max_following
            found = turn.fetched("following", lambda: self.world.people.following(self.id, bound))
            if self.following is None:
                self.following = set(found)
        return self.following

    def hidden(self, turn: Turn) -> set[int]:
        """Whom the user blocks or is blocked by."""
        if self.blocks is None or self.blocked_by is None:
            blocks, blocked_by = turn.fetched("blocks", lambda: self.world.people.blocks(self.id))
            if self.blocks is None or self.blocked_by is None:
                self.blocks, self.blocked_by = set(blocks), set(blocked_by)
        return self.blocks | self.blocked_by if self.blocks or self.blocked_by else self.blocks

    def likes(self, turn: Turn) -> Liked:
        """The videos that the user likes, the last ones if they are many."""
        if self.liked is None:
            bound = self.world.feed.likes_held
            rows = turn.fetched(
                "likes", lambda: self.world.deeds.likes(self.id, before=None, limit=bound + 1)
            )
            if self.liked is None:
                self.liked = Liked(
                    ids={row.video_id for row in rows[:bound]}, whole=len(rows) <= bound
                )
        return self.liked

    def likes_of(self, turn: Turn, video_ids: tuple[int, ...]) -> set[int]:
        """Those of `video_ids` that the user likes."""
        liked = self.likes(turn)
        known = {each for each in video_ids if each in liked.ids}
        if liked.whole or len(known) == len(video_ids):
            return known
        rest = tuple(each for each in video_ids if each not in known)
        found = turn.fetched(("liked", rest), lambda: self.world.deeds.liked_among(self.id, rest))
        # What was unliked while this was read stays so; a page shows the others without asking.
        late = {each for each, (likes, _, _) in self.answered.items() if not likes}
        liked.ids.update(found_now := set(found) - late)
        self.forget_old_likes(liked)
        return known | found_now

    def forget_old_likes(self, liked: Liked) -> None:
        """Keep what is held within bounds; whoever asks for the others has them read again."""
        while len(liked.ids) > LIKES_GROWTH * self.world.feed.likes_held:
            old = next((each for each in liked.ids if each not in self.answered), None)
            if old is None:
                return
            liked.ids.discard(old)
            liked.whole = False

    def unwanted(self, turn: Turn) -> set[int]:
        """Videos that the user does not want to see."""
        if self.not_interested is None:
            found = turn.fetched(
                "unwanted", lambda: self.world.deeds.not_interested(self.id, 1_000)
            )
            if self.not_interested is None:
                self.not_interested = set(found)
        return self.not_interested

    # How others stand to the user.

    def viewer_of(self, turn: Turn, user_id: int, follows_me: bool) -> UserViewer:
        """The `viewer` of another person, or of oneself."""
        self.hidden(turn)
        following = user_id in self.known_following(turn)
        return UserViewer(
            follow="following" if following else "none",
            followed_by=follows_me,
            own=user_id == self.id,
            blocked=user_id in (self.blocks or ()),
        )

    # Counts.

    def count(self, turn: Turn, **changes: int) -> None:
        """Change counts by so much, and have the new ones stored and written."""
        current = msgspec.structs.asdict(self.counts)
        self.set_counts(
            turn,
            CountsRow(
                **current | {name: max(0, current[name] + by) for name, by in changes.items()}
            ),
        )

    def set_counts(self, turn: Turn, counts: CountsRow) -> None:
        """Have new counts stored, written, and known to whoever caches the profile."""
        self.counts = counts
        turn.put("counts", msgspec.msgpack.encode(counts))
        turn.write(counts)
        turn.broadcasts.append(
            UserCounted(
                user_id=self.id,
                followers=counts.followers,
                following=counts.following,
                videos=counts.videos,
                likes_received=counts.likes_received,
            )
        )


def dump(user: User, part: str) -> bytes | None:
    """One part of the state as it is stored."""
    match part:
        case "counts":
            return msgspec.msgpack.encode(user.counts)
        case "marks":
            return msgspec.msgpack.encode(user.marks)
        case "taste":
            return msgspec.msgpack.encode(user.taste)
        case "playlist":
            return user.playlist.encode()
        case "previous":
            return user.previous.encode()
        case "seen":
            return user.seen.tobytes()
        case "views":
            return user.viewed.tobytes()
        case "pages":
            return msgspec.msgpack.encode(list(user.pages.items()))
    raise ValueError(f"a user has no part {part!r}")


def encode_event(seq: int, frame: bytes) -> bytes:
    """A numbered event as it is stored."""
    return msgspec.msgpack.encode((seq, frame))


def _decode_event(value: bytes) -> tuple[int, bytes]:
    return msgspec.msgpack.decode(value, type=tuple[int, bytes])


def _decode_pages(value: bytes) -> dict[tuple[int, ...], tuple[int, ...]]:
    pages = msgspec.msgpack.decode(value, type=list[tuple[tuple[int, ...], tuple[int, ...]]])
    return dict(pages)
