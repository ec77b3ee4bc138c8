"""The JSON that clients get, as structs; the shapes of API.md, and the source of `/openapi.json`.

Ids are strings and times RFC 3339 here and only here. The feed path does not build these: it glues cards,
which were encoded once from `Video` (see `actors/cards.py`), and a test holds both to the same shape.
"""

from datetime import UTC, datetime
from typing import Literal

import msgspec

from actors.rows import ActivityKind, VideoStatus

Follow = Literal["none", "requested", "following"]
ReasonSource = Literal["following", "trending", "fresh", "affinity", "again"]

_ENCODER = msgspec.json.Encoder()


def to_json(answer: object) -> bytes:
    """The bytes of an answer."""
    return _ENCODER.encode(answer)


def at(unix_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    moment = datetime.fromtimestamp(unix_ms / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{unix_ms % 1000:03d}Z"


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """Base of answers."""


class Author(Shape, frozen=True, kw_only=True):
    user_id: str
    username: str
    display_name: str
    avatar_url: str | None


class UserCounts(Shape, frozen=True, kw_only=True):
    followers: int
    following: int
    videos: int
    likes_received: int


class UserViewer(Shape, frozen=True, kw_only=True):
    follow: Follow
    followed_by: bool
    own: bool
    blocked: bool


class User(Author, frozen=True, kw_only=True):
    bio: str
    created_at: str
    counts: UserCounts
    viewer: UserViewer


class Person(Author, frozen=True, kw_only=True):
    """An entry of a list of people."""

    viewer: UserViewer


class People(Shape, frozen=True, kw_only=True):
    items: tuple[Person, ...]
    next_cursor: str | None


class RenditionShape(Shape, frozen=True, kw_only=True):
    name: str
    file: str
    codecs: str
    width: int
    height: int
    fps: float
    bitrate: int
    size_bytes: int
    init: tuple[int, int]
    index: tuple[int, int]
    start: tuple[int, int]


class Media(Shape, frozen=True, kw_only=True):
    base: str
    key: str
    expires_at: str
    cover: str
    preview: str
    hls: str
    mp4: str
    renditions: tuple[RenditionShape, ...]


class VideoCounts(Shape, frozen=True, kw_only=True):
    likes: int
    comments: int
    shares: int
    views: int


class VideoViewer(Shape, frozen=True, kw_only=True):
    liked: bool
    own: bool
    follow: Follow
    can_comment: bool


class Reason(Shape, frozen=True, kw_only=True):
    source: ReasonSource


class Preload(Shape, frozen=True, kw_only=True):
    file: str
    range: str


class CardBody(Shape, frozen=True, kw_only=True):
    """What of a video is the same for all viewers."""

    video_id: str
    author: Author
    caption: str
    created_at: str
    published_at: str
    duration_s: float
    width: int
    height: int
    thumbhash: str
    loudness_gain_db: float
    share_url: str
    media: Media
    counts: VideoCounts


class Video(CardBody, frozen=True, kw_only=True, omit_defaults=True):
    viewer: VideoViewer
    reason: Reason | None = None
    preload: Preload | None = None


class Feed(Shape, frozen=True, kw_only=True):
    items: tuple[Video, ...]
    next_cursor: str | None
    req_id: str
    preload: int


class Videos(Shape, frozen=True, kw_only=True):
    items: tuple[Video, ...]
    next_cursor: str | None


class RenewedVideos(Shape, frozen=True, kw_only=True):
    items: tuple[Video, ...]
    missing: tuple[str, ...]


class Liked(Shape, frozen=True, kw_only=True):
    video_id: str
    liked: bool
    likes: int


class Shared(Shape, frozen=True, kw_only=True):
    video_id: str
    shares: int


class ViewsAccepted(Shape, frozen=True, kw_only=True):
    accepted: int
    dropped: int


class CommentViewer(Shape, frozen=True, kw_only=True):
    liked: bool
    own: bool


class Comment(Shape, frozen=True, kw_only=True):
    comment_id: str
    video_id: str
    parent_id: str | None
    author: Author
    text: str
    created_at: str
    likes: int
    replies: int
    viewer: CommentViewer


class Comments(Shape, frozen=True, kw_only=True):
    items: tuple[Comment, ...]
    next_cursor: str | None


class CommentLiked(Shape, frozen=True, kw_only=True):
    comment_id: str
    liked: bool
    likes: int


class Followed(Shape, frozen=True, kw_only=True):
    user_id: str
    follow: Follow
    followers: int


class Activity(Shape, frozen=True, kw_only=True, omit_defaults=True):
    kind: ActivityKind
    at: str
    video_id: str | None = None
    user_id: str | None = None
    comment_id: str | None = None


class Activities(Shape, frozen=True, kw_only=True):
    items: tuple[Activity, ...]
    next_cursor: str | None


class Notification(Shape, frozen=True, kw_only=True, omit_defaults=True):
    id: str
    seq: int
    type: str
    at: str
    actors: tuple[Author, ...]
    actor_count: int
    read: bool
    video_id: str | None = None
    comment_id: str | None = None


class Notifications(Shape, frozen=True, kw_only=True):
    items: tuple[Notification, ...]
    next_cursor: str | None
    unread: int


class UploadLimits(Shape, frozen=True, kw_only=True):
    max_bytes: int
    min_duration_s: float
    max_duration_s: float
    max_pixels: int
    content_types: tuple[str, ...]
    remaining_today: int


class UploadError(Shape, frozen=True, kw_only=True):
    code: str
    title: str


class UploadRendition(Shape, frozen=True, kw_only=True):
    name: str
    state: str


class UploadAccepted(Shape, frozen=True, kw_only=True):
    """The answer to completing an upload."""

    video_id: str
    status: VideoStatus


class UploadWay(Shape, frozen=True, kw_only=True, omit_defaults=True):
    """How the bytes get to the store; `Upload` of API.md."""

    method: Literal["POST", "PUT"]
    url: str
    max_bytes: int
    expires_at: str
    fields: dict[str, str] | None = None
    file_field: str | None = None
    headers: dict[str, str] | None = None


class UploadOpenedShape(Shape, frozen=True, kw_only=True):
    """The answer to announcing an upload."""

    video_id: str
    status: VideoStatus
    upload: UploadWay


class UploadShape(Shape, frozen=True, kw_only=True):
    """An upload as its author sees it; `upload` only while the file is awaited."""

    video_id: str
    status: VideoStatus
    progress: float
    renditions: tuple[UploadRendition, ...]
    error: UploadError | None
    upload: UploadWay | msgspec.UnsetType = msgspec.UNSET


class UploadList(Shape, frozen=True, kw_only=True):
    items: tuple[UploadShape, ...]
    next_cursor: str | None


class SessionShape(Shape, frozen=True, kw_only=True, omit_defaults=True):
    """Tokens of a session; `user` on registration and sign-in."""

    access_token: str
    expires_in: int
    refresh_token: str
    refresh_expires_in: int
    token_type: Literal["Bearer"] = "Bearer"
    user: User | None = None


class SocketEvent(Shape, frozen=True, kw_only=True):
    """A numbered event on a websocket."""

    op: Literal["event"] = "event"
    seq: int
    type: str
    at: str
    data: msgspec.Raw
