"""Row classes and tables: which columns a row class has where, and where in the ring a row lies.

One row may lie in several tables, each of which answers one kind of question. A table whose order comes from
what may change (`likes_by_time`, `publications`) keeps the rows of earlier states; whoever reads it compares
with the base table and leaves out what no longer holds. `TARGETS` at the end is the whole map.
"""

from collections.abc import Callable, Sequence
from types import NoneType
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from actors.rows import (
    BlockRow,
    CommentLikeRow,
    CommentRemovalRow,
    CommentRow,
    CountsRow,
    CredentialRow,
    FollowRow,
    JournalRow,
    LikeRow,
    NotificationRow,
    NotInterestedRow,
    ReportRow,
    Row,
    SessionRow,
    ShareRow,
    StampedRow,
    UserRow,
    VideoMediaRow,
    VideoRow,
)
from storage.cassandra.buckets import (
    BLOCK,
    comment_bucket,
    comment_fan,
    day_of,
    day_of_ms,
    fan_of,
    slice_of,
    year_of,
)
from storage.cassandra.statements import Level, Statement

R = TypeVar("R", bound=Row)
Derive = Callable[[Any], Any]

#: What an absent text is written as: a null would be a tombstone, and left unset the older value would stay.
NO_TEXT = "\x00"
#: The same for an absent id.
NO_ID = -1


class Table(Generic[R]):
    """One table, as a home of one row class: how its rows are written, and read back."""

    def __init__(
        self,
        name: str,
        row_class: type[R],
        *,
        partition: Sequence[str],
        derived: dict[str, Derive] | None = None,
        only: Sequence[str] | None = None,
        when: Callable[[R], bool] | None = None,
        bucket: tuple[str, Derive, Derive] | None = None,
    ) -> None:
        """`derived` are columns that the row class does not have; `only` leaves out fields.

        `when` says which rows belong here at all. `bucket` is the list, owner and bucket to be marked as not
        empty before a row can be found.
        """
        self.name = name
        self.row_class = row_class
        self.when = when
        self.bucket = bucket
        self.columns = tuple(only or row_class.__struct_fields__)
        hints = get_type_hints(row_class)
        codecs = {column: _codec(hints[column]) for column in row_class.__struct_fields__}
        self._decoders = [codecs[column][1] for column in self.columns]
        derived = derived or {}
        self._writers = [
            *((derive, None) for derive in derived.values()),
            *((_getter(column), codecs[column][0]) for column in self.columns),
        ]
        self._partition = [derived.get(column) or _getter(column) for column in partition]
        names = [f'"{column}"' for column in (*derived, *self.columns)]
        self.insert = Statement(
            Level.FRESH,
            f"INSERT INTO {name} ({', '.join(names)})"
            f" VALUES ({', '.join('?' * len(names))}) USING TIMESTAMP ?",
        )

    @property
    def select(self) -> str:
        """The columns, for a SELECT whose rows `row` reads."""
        return ", ".join(f'"{column}"' for column in self.columns)

    def values(self, stamped: StampedRow) -> list[object]:
        """The parameters of `insert`."""
        row = stamped.row
        values = [
            read(row) if encode is None else encode(read(row)) for read, encode in self._writers
        ]
        values.append(stamped.timestamp)
        return values

    def place(self, row: R) -> tuple[object, ...]:
        """The partition that `row` lies in; equal for tables that share it."""
        return tuple(read(row) for read in self._partition)

    def row(self, values: Sequence[Any], **known: object) -> R:
        """The row that the selected `values` are, with the fields that this table does not have."""
        fields = dict(known)
        for column, value, decode in zip(self.columns, values, self._decoders, strict=True):
            fields[column] = value if decode is None else decode(value)
        return self.row_class(**fields)

    def __repr__(self) -> str:
        return f"<Table {self.name} of {self.row_class.__name__}>"


def _getter(column: str) -> Derive:
    # Not operator.attrgetter: mypy and the reader see a plain function, at the same cost.
    return lambda row: getattr(row, column)


def _codec(hint: Any) -> tuple[Derive | None, Derive | None]:
    """How a field of this type is written, and how its column is read; None for as it is."""
    if hint is bool:
        return int, bool
    arms = set(get_args(hint))
    if hint in (int, str) or (arms and all(isinstance(arm, str) for arm in arms)):
        return None, None
    if arms == {str, NoneType}:
        return (
            lambda value: NO_TEXT if value is None else value,
            lambda value: None if value == NO_TEXT else value,
        )
    if arms == {int, NoneType}:
        return (
            lambda value: NO_ID if value is None else value,
            lambda value: None if value == NO_ID else value,
        )
    # An absent struct is MessagePack's nil, which is a value like any other.
    assert get_origin(hint) is not None, hint
    return msgspec.msgpack.encode, msgspec.msgpack.Decoder(hint).decode


_HALF = ("video_id", "author_id")
_YEAR = {"year": lambda row: year_of(row.video_id)}
_OF_COMMENT = {
    "bucket": lambda row: comment_bucket(row.video_id, row.comment_id),
    "fan": lambda row: comment_fan(row.comment_id),
}
_COMMENT_PLACE = ("video_id", "bucket", "fan")

USERS = Table("users", UserRow, partition=("user_id",))
USERS_BY_DAY = Table(
    "users_by_day",
    UserRow,
    partition=("day", "fan"),
    derived={"day": lambda row: day_of(row.user_id), "fan": lambda row: fan_of(row.user_id)},
    only=("user_id",),
    bucket=("users", lambda row: 0, lambda row: day_of(row.user_id)),
)
CREDENTIALS = Table("credentials", CredentialRow, partition=("user_id",))
SESSIONS = Table("sessions", SessionRow, partition=("user_id",))
COUNTS = Table("counts", CountsRow, partition=("entity_id",))

VIDEOS = Table("videos", VideoRow, partition=("video_id",))
VIDEOS_BY_DAY = Table(
    "videos_by_day",
    VideoRow,
    partition=("day", "fan"),
    derived={"day": lambda row: day_of(row.video_id), "fan": lambda row: fan_of(row.video_id)},
    only=("video_id",),
    bucket=("videos", lambda row: 0, lambda row: day_of(row.video_id)),
)
AUTHORED = Table(
    "videos_by_author", VideoRow, partition=("author_id",), only=(*_HALF, "created_ms", "removed")
)
MEDIA = Table("videos", VideoMediaRow, partition=("video_id",))
AUTHORED_MEDIA = Table(
    "videos_by_author",
    VideoMediaRow,
    partition=("author_id",),
    only=(*_HALF, "status", "published_ms"),
)
PUBLICATIONS_BY_AUTHOR = Table(
    "publications_by_author",
    VideoMediaRow,
    partition=("author_id",),
    only=("author_id", "published_ms", "video_id"),
    when=lambda row: row.status == "ready",
)
PUBLICATIONS = Table(
    "publications",
    VideoMediaRow,
    partition=("day", "fan"),
    derived={
        "day": lambda row: day_of_ms(row.published_ms),
        "fan": lambda row: fan_of(row.video_id),
    },
    only=("published_ms", "video_id", "author_id"),
    when=lambda row: row.status == "ready",
    bucket=("publications", lambda row: 0, lambda row: day_of_ms(row.published_ms)),
)

LIKES_BY_USER = Table("likes_by_user", LikeRow, partition=("user_id", "year"), derived=_YEAR)
LIKES_BY_TIME = Table(
    "likes_by_time",
    LikeRow,
    partition=("user_id", "year"),
    derived=_YEAR,
    only=("user_id", "at_ms", "video_id"),
    when=lambda row: row.liked,
)
LIKES_BY_VIDEO = Table(
    "likes_by_video",
    LikeRow,
    partition=("video_id", "fan"),
    derived={"fan": lambda row: fan_of(row.user_id)},
    only=("video_id", "user_id", "liked"),
)

COMMENTS = Table("comments", CommentRow, partition=_COMMENT_PLACE, derived=_OF_COMMENT)
COMMENT_ROOTS = Table(
    "comment_roots",
    CommentRow,
    partition=_COMMENT_PLACE,
    derived=_OF_COMMENT,
    only=("video_id", "comment_id", "user_id", "text", "removed"),
    when=lambda row: row.parent_id is None,
)
COMMENT_REPLIES = Table(
    "comment_replies",
    CommentRow,
    partition=("video_id", "parent_id"),
    when=lambda row: row.parent_id is not None,
)
COMMENTS_BY_USER = Table(
    "comments_by_user",
    CommentRow,
    partition=("user_id", "year"),
    derived={"year": lambda row: year_of(row.comment_id)},
)
COMMENT_WITHDRAWALS = Table(
    "comment_withdrawals",
    CommentRow,
    partition=("video_id",),
    only=("video_id", "comment_id"),
    when=lambda row: row.removed,
)
COMMENT_REMOVALS = Table("comment_removals", CommentRemovalRow, partition=("video_id",))
COMMENT_LIKES = Table(
    "comment_likes",
    CommentLikeRow,
    partition=("comment_id",),
    only=("comment_id", "user_id", "liked"),
)
COMMENT_LIKES_BY_USER = Table(
    "comment_likes_by_user",
    CommentLikeRow,
    partition=("user_id", "year"),
    derived={"year": lambda row: year_of(row.comment_id)},
)

FOLLOWING = Table("following", FollowRow, partition=("follower_id",))
FOLLOWING_BY_TIME = Table(
    "following_by_time",
    FollowRow,
    partition=("follower_id",),
    only=("follower_id", "at_ms", "followee_id"),
    when=lambda row: row.following,
)
_FOLLOWER_FAN = {"fan": lambda row: fan_of(row.follower_id)}
FOLLOWERS = Table("followers", FollowRow, partition=("followee_id", "fan"), derived=_FOLLOWER_FAN)
FOLLOWERS_BY_TIME = Table(
    "followers_by_time",
    FollowRow,
    partition=("followee_id", "fan"),
    derived=_FOLLOWER_FAN,
    only=("followee_id", "at_ms", "follower_id"),
    when=lambda row: row.following,
)
BLOCKS = Table("blocks", BlockRow, partition=("blocker_id",))
BLOCKED_BY = Table("blocked_by", BlockRow, partition=("blocked_id",))

JOURNAL = Table(
    "journal",
    JournalRow,
    partition=("user_id", "year"),
    derived={"year": lambda row: year_of(row.entry_id)},
)
SHARES = Table(
    "shares",
    ShareRow,
    partition=("video_id", "fan"),
    derived={"fan": lambda row: fan_of(row.user_id)},
)
NOT_INTERESTED = Table(
    "not_interested", NotInterestedRow, partition=("user_id", "year"), derived=_YEAR
)
REPORTS = Table(
    "reports",
    ReportRow,
    partition=("user_id", "year"),
    derived={"year": lambda row: year_of(row.report_id)},
)
NOTIFICATIONS = Table(
    "notifications",
    NotificationRow,
    partition=("user_id", "block"),
    derived={"block": lambda row: row.seq // BLOCK},
    bucket=("notifications", lambda row: row.user_id, lambda row: row.seq // BLOCK),
)
NOTIFICATION_GROUPS = Table(
    "notification_groups",
    NotificationRow,
    partition=("user_id", "slice"),
    derived={"slice": lambda row: slice_of(row.group)},
)

#: Where the rows of each class are written.
TARGETS: dict[type[Row], tuple[Table[Any], ...]] = {
    UserRow: (USERS, USERS_BY_DAY),
    CredentialRow: (CREDENTIALS,),
    SessionRow: (SESSIONS,),
    VideoRow: (VIDEOS, VIDEOS_BY_DAY, AUTHORED),
    VideoMediaRow: (MEDIA, AUTHORED_MEDIA, PUBLICATIONS_BY_AUTHOR, PUBLICATIONS),
    CountsRow: (COUNTS,),
    LikeRow: (LIKES_BY_USER, LIKES_BY_TIME, LIKES_BY_VIDEO),
    CommentRow: (
        COMMENTS,
        COMMENT_ROOTS,
        COMMENT_REPLIES,
        COMMENTS_BY_USER,
        COMMENT_WITHDRAWALS,
    ),
    CommentRemovalRow: (COMMENT_REMOVALS,),
    CommentLikeRow: (COMMENT_LIKES, COMMENT_LIKES_BY_USER),
    FollowRow: (FOLLOWING, FOLLOWING_BY_TIME, FOLLOWERS, FOLLOWERS_BY_TIME),
    BlockRow: (BLOCKS, BLOCKED_BY),
    ShareRow: (SHARES,),
    NotInterestedRow: (NOT_INTERESTED,),
    ReportRow: (REPORTS,),
    JournalRow: (JOURNAL,),
    NotificationRow: (NOTIFICATIONS, NOTIFICATION_GROUPS),
}

#: Marks one bucket as not empty.
MARK = Statement(
    Level.FRESH, "INSERT INTO buckets (list, owner, bucket) VALUES (?, ?, ?) USING TIMESTAMP ?"
)
