"""Facts: what people did, as rows. The durable truth that everything else can be rebuilt from.

Every row is whole (all columns are written at once), has a natural key, and is stamped with a timestamp of
its writer's epoch: writing it again changes nothing, and of two rows with one key the higher timestamp
stays. Nothing is ever deleted; what ends is written again with another state. Each key has exactly one
writing entity, named below, so that two owners never contend for a cell.
"""

from typing import ClassVar, Literal

import msgspec

from actors.media import EncodedMedia

VideoStatus = Literal[
    "awaiting_upload", "uploaded", "processing", "ready", "failed", "blocked", "deleted"
]
ActivityKind = Literal["like", "follow", "comment", "share"]


class Row(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Base of all rows."""

    #: Columns that identify the row.
    KEY: ClassVar[tuple[str, ...]] = ()


class UserRow(Row, frozen=True, kw_only=True):
    """A person. Written by that user."""

    KEY = ("user_id",)
    user_id: int
    username: str
    display_name: str
    bio: str
    #: Name of the picture in the blob store, None without one.
    avatar: str | None
    created_ms: int
    deleted: bool = False


class CredentialRow(Row, frozen=True, kw_only=True):
    """How a person proves who they are. Written by that user."""

    KEY = ("user_id",)
    user_id: int
    version: int
    password_hash: str


class SessionRow(Row, frozen=True, kw_only=True):
    """One sign-in: a family of refresh tokens, of which number `current` is the valid one. Written by its user."""

    KEY = ("user_id", "family_id")
    user_id: int
    family_id: int
    current: int
    rotated_ms: int
    expires_ms: int
    ended: bool = False


class VideoRow(Row, frozen=True, kw_only=True):
    """The author's half of a video. Written by its author."""

    KEY = ("video_id",)
    video_id: int
    author_id: int
    caption: str
    created_ms: int
    size_bytes: int
    content_type: str
    sha256: str | None
    #: The client's own metadata, JSON text.
    metadata: str | None
    removed: bool = False


class VideoMediaRow(Row, frozen=True, kw_only=True):
    """The media's half of a video. Written by the video."""

    KEY = ("video_id",)
    video_id: int
    author_id: int
    status: VideoStatus
    generation: int
    #: 0 until it is ready for the first time.
    published_ms: int
    media: EncodedMedia | None = None
    error_code: str | None = None
    error_title: str | None = None


class CountsRow(Row, frozen=True, kw_only=True):
    """Sizes of facts about a video or a user, absolute. Written by that entity; fields of the other kind stay 0."""

    KEY = ("entity_id",)
    entity_id: int
    likes: int = 0
    comments: int = 0
    shares: int = 0
    views: int = 0
    followers: int = 0
    following: int = 0
    videos: int = 0
    likes_received: int = 0


class LikeRow(Row, frozen=True, kw_only=True):
    """Whether a user likes a video. Written by the user."""

    KEY = ("user_id", "video_id")
    user_id: int
    video_id: int
    liked: bool
    at_ms: int


class CommentRow(Row, frozen=True, kw_only=True):
    """A comment. Written by its author, also when they remove it."""

    KEY = ("video_id", "comment_id")
    video_id: int
    comment_id: int
    user_id: int
    parent_id: int | None
    text: str
    removed: bool = False


class CommentRemovalRow(Row, frozen=True, kw_only=True):
    """A comment that the video's author removed. Written by the video's author."""

    KEY = ("video_id", "comment_id")
    video_id: int
    comment_id: int
    user_id: int


class CommentLikeRow(Row, frozen=True, kw_only=True):
    """Whether a user likes a comment. Written by the user."""

    KEY = ("user_id", "comment_id")
    user_id: int
    video_id: int
    comment_id: int
    liked: bool


class FollowRow(Row, frozen=True, kw_only=True):
    """Whether one user follows another. Written by the follower."""

    KEY = ("follower_id", "followee_id")
    follower_id: int
    followee_id: int
    following: bool
    at_ms: int


class BlockRow(Row, frozen=True, kw_only=True):
    """Whether one user blocks another. Written by the blocker."""

    KEY = ("blocker_id", "blocked_id")
    blocker_id: int
    blocked_id: int
    blocked: bool


class ShareRow(Row, frozen=True, kw_only=True):
    """One share of a video. Written by who shared it."""

    KEY = ("user_id", "share_id")
    user_id: int
    share_id: int
    video_id: int
    channel: str | None


class NotInterestedRow(Row, frozen=True, kw_only=True):
    """A video that a user does not want to see. Written by the user."""

    KEY = ("user_id", "video_id")
    user_id: int
    video_id: int


class ReportRow(Row, frozen=True, kw_only=True):
    """What a user reported, for later review. Written by the user."""

    KEY = ("user_id", "report_id")
    user_id: int
    report_id: int
    target_kind: Literal["video", "comment", "user"]
    target_id: int
    reason: str
    text: str | None


class JournalRow(Row, frozen=True, kw_only=True):
    """One thing that a user did, for their own activity list. Written by the user."""

    KEY = ("user_id", "entry_id")
    user_id: int
    #: An id, so entries are ordered by time.
    entry_id: int
    kind: ActivityKind
    video_id: int | None = None
    other_id: int | None = None
    comment_id: int | None = None


class NotificationRow(Row, frozen=True, kw_only=True):
    """A group of things that others did to a user. Written by who is notified."""

    KEY = ("user_id", "group")
    user_id: int
    #: What is grouped: `like:<video>`, `follow:<day>`, `comment:<comment>`.
    group: str
    #: Place in the user's numbering; grouping raises it.
    seq: int
    kind: str
    at_ms: int
    #: At most three, newest first.
    actor_ids: tuple[int, ...]
    actor_count: int
    video_id: int | None = None
    comment_id: int | None = None


AnyRow = (
    UserRow
    | CredentialRow
    | SessionRow
    | VideoRow
    | VideoMediaRow
    | CountsRow
    | LikeRow
    | CommentRow
    | CommentRemovalRow
    | CommentLikeRow
    | FollowRow
    | BlockRow
    | ShareRow
    | NotInterestedRow
    | ReportRow
    | JournalRow
    | NotificationRow
)


class StampedRow(msgspec.Struct, frozen=True):
    """A row and the timestamp that decides between it and an older one."""

    row: AnyRow
    timestamp: int
