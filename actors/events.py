"""What has happened, told by one actor to another, to the node's caches, or to the job queue.

Past tense, small, whole. An event travels through its sender's outbox at least once; the receiving shard
drops the copies by their numbers. It says what happened, never what to do about it.
"""

from typing import ClassVar

import msgspec

from actors.media import EncodedMedia, MediaFailure, MediaJob
from actors.rows import VideoStatus


class Event(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Base of events between actors."""

    #: Whether it is worth loading an actor that is not in memory.
    WAKES: ClassVar[bool] = True


class UploadOpened(Event, frozen=True, kw_only=True):
    """To the video: its author announced a file."""

    author_id: int
    size_bytes: int
    sha256: str | None


class UploadStored(Event, frozen=True, kw_only=True):
    """To the video: its file has arrived in the store."""

    size_bytes: int


class UploadRemoved(Event, frozen=True, kw_only=True):
    """To the video: its author deleted it, in whatever status."""


class EncodingEnded(Event, frozen=True, kw_only=True):
    """To the video, from the job queue: one attempt is over."""

    generation: int
    outcome: EncodedMedia | MediaFailure


class EncodingStarted(Event, frozen=True, kw_only=True):
    """To the video, from the job queue: a worker took the job."""

    generation: int


class EncodingOverdue(Event, frozen=True, kw_only=True):
    """To the video: its file has waited for long; the queue may have lost the job."""


class VideoTurned(Event, frozen=True, kw_only=True):
    """To the author: their video has another status."""

    video_id: int
    status: VideoStatus
    published_ms: int = 0
    error_code: str | None = None
    error_title: str | None = None
    #: Likes that went with a removed video.
    likes_lost: int = 0


class EncodingProgressed(Event, frozen=True, kw_only=True):
    """To the author, from the job queue: so much of an encoding is done, 0..1."""

    video_id: int
    progress: float


class VideoLiked(Event, frozen=True, kw_only=True):
    """To the video: a user likes it, or no longer."""

    user_id: int
    liked: bool


class VideoCommented(Event, frozen=True, kw_only=True):
    """To the video: a comment was posted."""

    comment_id: int
    user_id: int
    text: str
    parent_id: int | None
    parent_user_id: int | None


class CommentRemoved(Event, frozen=True, kw_only=True):
    """To the video: a comment is no longer visible, nor are the answers to it."""

    comment_id: int
    #: How many that were, as far as the remover saw.
    lost: int


class VideoShared(Event, frozen=True, kw_only=True):
    """To the video: a user shared it."""

    user_id: int


class VideoViewed(Event, frozen=True, kw_only=True):
    """To the video: it was watched this many times."""

    views: int


class LikeNoticed(Event, frozen=True, kw_only=True):
    """To the author: someone likes, or no longer likes, a video of theirs."""

    video_id: int
    user_id: int
    liked: bool
    #: The video's likes now.
    likes: int


class CommentNoticed(Event, frozen=True, kw_only=True):
    """To the video's author, or to the author of the comment that was answered."""

    video_id: int
    comment_id: int
    user_id: int
    text: str
    parent_id: int | None


class UserFollowed(Event, frozen=True, kw_only=True):
    """To the followed: someone follows them, or no longer."""

    follower_id: int
    following: bool


class VideoArrived(Event, frozen=True, kw_only=True):
    """To followers: an author that they follow published a video. Sleepers read it when they wake."""

    WAKES = False

    video_id: int
    author_id: int
    published_ms: int


class FollowSettled(Event, frozen=True, kw_only=True):
    """To oneself: a follow has landed, so from here on its author's videos are pushed.

    What the author published in between was pushed to nobody here, and is read from facts once more.
    """

    WAKES = False


class UserBlocked(Event, frozen=True, kw_only=True):
    """To the blocked: someone blocks them, or no longer."""

    blocker_id: int
    blocked: bool


class AccountClosed(Event, frozen=True, kw_only=True):
    """To oneself: go on removing what a closed account left, from this place on."""

    stage: int
    before: tuple[int, int] | None = None


class UserLeft(Event, frozen=True, kw_only=True):
    """To followers: someone whom they follow closed their account."""

    user_id: int


AnyEvent = (
    UploadOpened
    | UploadStored
    | UploadRemoved
    | EncodingEnded
    | EncodingStarted
    | EncodingOverdue
    | EncodingProgressed
    | VideoTurned
    | VideoLiked
    | VideoCommented
    | CommentRemoved
    | VideoShared
    | VideoViewed
    | LikeNoticed
    | CommentNoticed
    | UserFollowed
    | VideoArrived
    | FollowSettled
    | UserBlocked
    | AccountClosed
    | UserLeft
)


class Counted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To every node's caches: a video's counts are now these."""

    video_id: int
    likes: int
    comments: int
    shares: int
    views: int


class UserCounted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To every node's caches: a user's counts are now these."""

    user_id: int
    followers: int
    following: int
    videos: int
    likes_received: int


class Published(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To every node's caches: a video plays now."""

    video_id: int


class Withdrawn(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To every node's caches: a video is gone."""

    video_id: int


class LoudAuthor(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To every node's caches: this author has too many followers to push to; pull their videos."""

    user_id: int


class CardChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To every node's caches: read this video's card again."""

    video_id: int


class ProfileChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To every node's caches: read this person's profile again."""

    user_id: int


#: Broadcasts are hints about caches: losing one makes a page older, never wrong for ever.
Broadcast = (
    Counted | UserCounted | Published | Withdrawn | CardChanged | ProfileChanged | LoudAuthor
)


class EncodeVideo(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To the job queue: encode this."""

    job: MediaJob


class CancelEncoding(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To the job queue: nobody wants this video any more."""

    video_id: int


class DiscardMedia(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """To the blob store: nothing under these names is wanted any more."""

    prefixes: tuple[str, ...]


#: Work for someone who is no actor; goes through the same outbox and is safe to repeat.
Errand = EncodeVideo | CancelEncoding | DiscardMedia

#: Events that are for videos; all others are for users.
FOR_VIDEOS = (
    UploadOpened,
    UploadStored,
    UploadRemoved,
    EncodingEnded,
    EncodingStarted,
    EncodingOverdue,
    VideoLiked,
    VideoCommented,
    CommentRemoved,
    VideoShared,
    VideoViewed,
)
