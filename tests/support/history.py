"""What simulated clients did, and what could be read when everything had come to rest.

Plain values: the simulator fills them in, the checker reads them, and a test of the checker writes bad ones
by hand.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal[
    "register", "upload", "complete", "delete_video", "like", "share", "view",
    "comment", "uncomment", "like_comment", "follow", "block",
]  # fmt: skip

Outcome = Literal["ok", "refused", "unknown"]


class Op(msgspec.Struct, kw_only=True):
    """One write of one client under one key, however often it was sent."""

    number: int
    user: int
    kind: Kind
    #: The video, or for `follow` and `block` the other person.
    target: int = 0
    comment: int = 0
    #: What a like, follow or block was to become.
    value: bool = True
    #: Unique words of a comment; names of views, separated by blanks.
    text: str = ""
    #: Virtual seconds: the first sending, and the answer; infinite where none came.
    sent: float = 0.0
    done: float = float("inf")
    outcome: Outcome = "unknown"
    #: Code of the refusal.
    code: str = ""
    #: Id that the answer says was made: of the video or the comment.
    made: int = 0
    #: A later repeat under the same key was answered otherwise.
    changed_answer: str = ""


class History(msgspec.Struct, kw_only=True):
    """One run."""

    seed: int
    scenario: str = ""
    #: Whether all owners agreed about the time, so that ids of one user are in the order of answers.
    one_clock: bool = True
    ops: list[Op] = []
    #: Crashes, starts and the like, as (second, what).
    log: list[tuple[float, str]] = []
    #: What was noticed while it ran, each a failure.
    complaints: list[str] = []
    #: Accepted bids: (shard, epoch, owner).
    owners: list[tuple[int, int, str]] = []
    #: Accepted commits: (shard, epoch).
    commits: list[tuple[int, int]] = []
    #: Events that some incarnation found missing.
    gaps: int = 0


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of a video or of a user."""

    likes: int = 0
    comments: int = 0
    shares: int = 0
    views: int = 0
    followers: int = 0
    following: int = 0
    videos: int = 0
    likes_received: int = 0


class ReadVideo(msgspec.Struct, kw_only=True):
    """A video as facts and answers have it."""

    video: int
    author: int
    status: str
    published_ms: int
    removed: bool
    #: The row, the sizes of facts (views: those of the row), and what the API shows (None: not shown).
    row: Counts
    tally: Counts
    shown: Counts | None = None
    #: The comment ids that its comment lists show to its author.
    listed: list[int] = []

    @property
    def plays(self) -> bool:
        """Whether it is in feeds."""
        return self.status == "ready" and not self.removed


class ReadComment(msgspec.Struct, kw_only=True):
    """A comment in facts."""

    comment: int
    video: int
    user: int
    parent: int | None
    text: str
    #: Neither removed itself nor hanging on one that was.
    visible: bool


class ReadEntry(msgspec.Struct, kw_only=True):
    """An entry of a user's own activity list, as it is shown."""

    kind: str
    at: str
    video: int | None = None
    user: int | None = None
    comment: int | None = None


class ReadNote(msgspec.Struct, kw_only=True):
    """A notification, as it is shown."""

    group: str
    actors: list[int]
    count: int


class ReadUser(msgspec.Struct, kw_only=True):
    """A person as facts and answers have them."""

    user: int
    row: Counts
    tally: Counts
    #: What they are shown of themselves, and what others are shown of them.
    shown: Counts
    shown_to_others: Counts | None = None
    activity: list[ReadEntry] = []
    notes: list[ReadNote] = []
    #: Videos whose `viewer.liked` they are told is true, and all whose `viewer` they were told.
    liked: list[int] = []
    looked_at: list[int] = []
    following_feed: list[int] = []
    #: Numbers of the events that are kept for them.
    events: list[int] = []
    #: What their websocket saw: where it began, and every number since.
    socket_from: int | None = None
    socket_saw: list[int] = []


class Readout(msgspec.Struct, kw_only=True):
    """Everything that could be read after the end."""

    videos: dict[int, ReadVideo] = {}
    users: dict[int, ReadUser] = {}
    comments: dict[int, ReadComment] = {}
    #: Pairs for which the fact stands: (user, video), (user, comment), (follower, followee), ...
    likes: set[tuple[int, int]] = set()
    comment_likes: set[tuple[int, int]] = set()
    follows: set[tuple[int, int]] = set()
    blocks: set[tuple[int, int]] = set()
    #: (user, video) of every share.
    shares: list[tuple[int, int]] = []
    #: Intents, outbox entries and jobs that are not done with.
    left: list[str] = []
