"""What facts look like when they are read: rows joined, as the domain thinks of them."""

import msgspec

from actors.rows import (
    CommentRow,
    CountsRow,
    CredentialRow,
    SessionRow,
    UserRow,
    VideoMediaRow,
    VideoRow,
)


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """All that a user's actor must know of its person before it does anything."""

    user: UserRow
    credential: CredentialRow
    #: Those that have not ended, newest last.
    sessions: tuple[SessionRow, ...]


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A person as others see them."""

    user: UserRow
    counts: CountsRow


class VideoRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Both halves of a video and its counts. `media` is None until the video's actor has written it."""

    video: VideoRow
    media: VideoMediaRow | None
    counts: CountsRow

    @property
    def plays(self) -> bool:
        """Whether it may be shown to anyone."""
        return self.media is not None and self.media.status == "ready" and not self.video.removed


class Publication(msgspec.Struct, frozen=True, order=True):
    """Where a video stands in lists by time: the order is the order of the fields."""

    published_ms: int
    video_id: int
    author_id: int


class CommentRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A visible comment and the sizes of what hangs on it."""

    comment: CommentRow
    likes: int
    replies: int


class VideoTally(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of the facts about one video, counted now. `comments` are the visible ones, replies included."""

    likes: int
    comments: int
    shares: int


class UserTally(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes of the facts about one person, counted now. `videos` and `likes_received` are over ready ones."""

    followers: int
    following: int
    videos: int
    likes_received: int
