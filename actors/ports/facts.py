"""Facts: the durable truth, as ports. Cassandra fills them in the fleet, SQLite in one process.

Writing is one method for all rows, since an intent's rows land together; reading is split by who asks.
Every method raises `sharding.errors.StorageUnavailable` when the store does not answer. Lists are cut by
keys of rows, never by offsets: `before` is exclusive and None means from the newest. Rows that ended
(`liked=False`, `removed`, `deleted`) are left out unless a method says otherwise.
"""

from collections.abc import Sequence
from typing import Protocol

from actors.records import (
    Account,
    CommentRecord,
    Profile,
    Publication,
    UserTally,
    VideoRecord,
    VideoTally,
)
from actors.rows import (
    ActivityKind,
    CommentRow,
    FollowRow,
    JournalRow,
    LikeRow,
    NotificationRow,
    StampedRow,
)


class FactWriter(Protocol):
    """Takes rows down."""

    async def write(self, rows: Sequence[StampedRow]) -> None:
        """Write every row unless one with its key and a higher or equal timestamp is there.

        Durable when it returns. Idempotent: rows may be written again in any order.
        """
        ...


class PeopleFacts(Protocol):
    """Accounts and who is tied to whom."""

    async def account(self, user_id: int) -> Account | None:
        """A person's account, also of a deleted one; None when there never was one."""
        ...

    async def profiles(self, user_ids: Sequence[int]) -> Sequence[Profile]:
        """Those of `user_ids` that exist, in any order, deleted ones included."""
        ...

    async def following(self, user_id: int, limit: int) -> Sequence[int]:
        """Whom a user follows, in any order."""
        ...

    async def follows(
        self, user_id: int, *, direction: str, before: tuple[int, int] | None, limit: int
    ) -> Sequence[FollowRow]:
        """Follows of (`direction="following"`) or to (`"followers"`) a user, newest `(at_ms, other id)` first."""
        ...

    async def follows_among(self, follower_ids: Sequence[int], user_id: int) -> Sequence[int]:
        """Those of `follower_ids` who follow `user_id`."""
        ...

    async def blocks(self, user_id: int) -> tuple[Sequence[int], Sequence[int]]:
        """Whom a user blocks, and who blocks them."""
        ...

    async def tally(self, user_id: int) -> UserTally:
        """Count the facts about a user."""
        ...

    async def everyone(self, after: int, limit: int) -> Sequence[int]:
        """Ids of all users above `after`, ascending; for sweeps."""
        ...


class VideoFacts(Protocol):
    """Videos, whoever looks."""

    async def videos(self, video_ids: Sequence[int]) -> Sequence[VideoRecord]:
        """Those of `video_ids` that exist, in any order, removed and unready ones included."""
        ...

    async def by_authors(
        self, author_ids: Sequence[int], *, before: tuple[int, int] | None, limit: int
    ) -> Sequence[Publication]:
        """Playable videos of any of these authors, newest `(published_ms, video_id)` first."""
        ...

    async def recent(
        self, limit: int, *, before: tuple[int, int] | None = None
    ) -> Sequence[Publication]:
        """The playable videos that were published last, newest `(published_ms, video_id)` first."""
        ...

    async def unfinished(
        self, author_id: int, *, before: int | None, limit: int
    ) -> Sequence[VideoRecord]:
        """An author's videos that do not play and were not removed, newest id first."""
        ...

    async def uploads_since(self, author_id: int, since_ms: int) -> int:
        """How many uploads an author opened since then, removed ones included."""
        ...

    async def tally(self, video_id: int) -> VideoTally:
        """Count the facts about a video."""
        ...

    async def every_video(self, after: int, limit: int) -> Sequence[VideoRecord]:
        """All videos with an id above `after`, ascending, removed ones included; for sweeps."""
        ...


class DeedFacts(Protocol):
    """What a user did to videos and comments, and what others did that they were told of."""

    async def likes(
        self, user_id: int, *, before: tuple[int, int] | None, limit: int
    ) -> Sequence[LikeRow]:
        """A user's likes, newest `(at_ms, video_id)` first."""
        ...

    async def liked_among(self, user_id: int, video_ids: Sequence[int]) -> Sequence[int]:
        """Those of `video_ids` that a user likes."""
        ...

    async def liked_comments_among(self, user_id: int, comment_ids: Sequence[int]) -> Sequence[int]:
        """Those of `comment_ids` that a user likes."""
        ...

    async def not_interested(self, user_id: int, limit: int) -> Sequence[int]:
        """The videos that a user did not want to see, newest id first."""
        ...

    async def activity(
        self, user_id: int, kinds: Sequence[ActivityKind], *, before: int | None, limit: int
    ) -> Sequence[JournalRow]:
        """A user's journal, newest entry first; all kinds when `kinds` is empty."""
        ...

    async def notifications(
        self, user_id: int, *, before: int | None, limit: int
    ) -> Sequence[NotificationRow]:
        """A user's notifications, highest `seq` first."""
        ...

    async def notification(self, user_id: int, group: str) -> NotificationRow | None:
        """One group of a user's notifications."""
        ...

    async def comments_of(self, user_id: int, limit: int) -> Sequence[CommentRow]:
        """A user's own visible comments, in any order; for deleting an account."""
        ...


class CommentFacts(Protocol):
    """Comments of videos."""

    async def page(
        self, video_id: int, parent_id: int | None, *, before: int | None, limit: int
    ) -> Sequence[CommentRecord]:
        """Visible comments under a video (or answers to one of its comments), newest id first."""
        ...

    async def comment(self, video_id: int, comment_id: int) -> CommentRecord | None:
        """One visible comment."""
        ...
