"""Rows and tables, one mapping for all: a row class is a table, its fields are the columns.

Nested values lie in one column as MessagePack. A row is written whole or not at all, and only over one with
a lower timestamp: that one sentence is the whole conflict rule, and it is in the SQL.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from types import NoneType
from typing import Any, Generic, TypeVar, get_args, get_type_hints

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

R = TypeVar("R", bound=Row)

_PLAIN = (int, str)


class Table(Generic[R]):
    """The SQL of one row class; made once, without touching a database."""

    __slots__ = ("_decoders", "_encoded", "columns", "name", "row_class", "upsert")

    def __init__(self, row_class: type[R], name: str) -> None:
        self.row_class = row_class
        self.name = name
        self.columns = row_class.__struct_fields__
        self._encoded: list[bool] = []
        self._decoders: list[Callable[[Any], Any] | None] = []
        hints = get_type_hints(row_class)
        for column in self.columns:
            encoded, decoder = _codec(hints[column])
            self._encoded.append(encoded)
            self._decoders.append(decoder)
        self.upsert = _upsert(name, self.columns, row_class.KEY)

    def select(self, alias: str = "") -> str:
        """The columns, for a SELECT whose rows `row` reads."""
        prefix = f"{alias or self.name}."
        return ", ".join(f'{prefix}"{column}"' for column in self.columns)

    def values(self, stamped: StampedRow) -> tuple[object, ...]:
        """The parameters of `upsert`."""
        row = stamped.row
        values = [
            msgspec.msgpack.encode(getattr(row, column)) if encoded else getattr(row, column)
            for column, encoded in zip(self.columns, self._encoded, strict=True)
        ]
        return (*values, stamped.timestamp)

    def row(self, values: Sequence[Any]) -> R:
        """The row that the selected `values` are."""
        fields = {
            column: value if decoder is None else decoder(value)
            for column, value, decoder in zip(self.columns, values, self._decoders, strict=True)
        }
        return self.row_class(**fields)

    def find(
        self, connection: sqlite3.Connection, rest: str, parameters: Sequence[object]
    ) -> list[R]:
        """All rows of a SELECT that goes on with `rest` after FROM and the table's name."""
        found = connection.execute(f"SELECT {self.select()} FROM {self.name} {rest}", parameters)
        return [self.row(values) for values in found]

    def __repr__(self) -> str:
        return f"<Table {self.name} of {self.row_class.__name__}>"


def _upsert(name: str, columns: Sequence[str], key: Sequence[str]) -> str:
    names = [f'"{column}"' for column in (*columns, "timestamp")]
    keys = ", ".join(f'"{column}"' for column in key)
    changes = ", ".join(f"{each} = excluded.{each}" for each in names)
    return (
        f"INSERT INTO {name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        f" ON CONFLICT ({keys}) DO UPDATE SET {changes}"
        f" WHERE excluded.timestamp > {name}.timestamp"
    )


def _codec(hint: Any) -> tuple[bool, Callable[[Any], Any] | None]:
    """Whether a field of this type is stored as MessagePack, and how its column is read."""
    if hint is bool:
        return False, bool
    parts = {type(part) if isinstance(part, str) else part for part in _parts(hint)} - {NoneType}
    if parts <= set(_PLAIN):
        return False, None
    return True, msgspec.msgpack.Decoder(hint).decode


def _parts(hint: Any) -> Iterable[Any]:
    origin_is_tuple = getattr(hint, "__origin__", None) is tuple
    arguments = () if origin_is_tuple else get_args(hint)
    if not arguments:
        yield hint
    for argument in arguments:
        yield from _parts(argument)


USERS = Table(UserRow, "users")
CREDENTIALS = Table(CredentialRow, "credentials")
SESSIONS = Table(SessionRow, "sessions")
VIDEOS = Table(VideoRow, "videos")
VIDEO_MEDIA = Table(VideoMediaRow, "video_media")
COUNTS = Table(CountsRow, "counts")
LIKES = Table(LikeRow, "likes")
COMMENTS = Table(CommentRow, "comments")
COMMENT_REMOVALS = Table(CommentRemovalRow, "comment_removals")
COMMENT_LIKES = Table(CommentLikeRow, "comment_likes")
FOLLOWS = Table(FollowRow, "follows")
BLOCKS = Table(BlockRow, "blocks")
SHARES = Table(ShareRow, "shares")
NOT_INTERESTED = Table(NotInterestedRow, "not_interested")
REPORTS = Table(ReportRow, "reports")
JOURNAL = Table(JournalRow, "journal")
NOTIFICATIONS = Table(NotificationRow, "notifications")

#: Every table by its row class.
TABLES: dict[type[Row], Table[Any]] = {
    table.row_class: table
    for table in (
        USERS,
        CREDENTIALS,
        SESSIONS,
        VIDEOS,
        VIDEO_MEDIA,
        COUNTS,
        LIKES,
        COMMENTS,
        COMMENT_REMOVALS,
        COMMENT_LIKES,
        FOLLOWS,
        BLOCKS,
        SHARES,
        NOT_INTERESTED,
        REPORTS,
        JOURNAL,
        NOTIFICATIONS,
    )
}

#: Above every `(time, id)` and every id: where a list without a cursor starts.
NEWEST = (1 << 63) - 1


def marks(values: Sequence[object]) -> str:
    """As many placeholders as `values`, for IN (...)."""
    return ", ".join("?" * len(values))
