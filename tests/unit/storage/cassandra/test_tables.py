"""Rows come back from their tables as they went in, and lie with the rows that they are written with."""

from __future__ import annotations

import pytest

from actors.rows import (
    CommentRow,
    JournalRow,
    LikeRow,
    NotificationRow,
    Row,
    SessionRow,
    ShareRow,
    StampedRow,
)
from storage.cassandra.statements import Level, Statement, qualified
from storage.cassandra.tables import (
    COMMENTS,
    JOURNAL,
    LIKES_BY_TIME,
    LIKES_BY_USER,
    LIKES_BY_VIDEO,
    MEDIA,
    NO_ID,
    NO_TEXT,
    SESSIONS,
    SHARES,
    TARGETS,
    USERS,
)
from tests.contracts.make import comment, encoded_media, media_row, session, user


def written(table, row):
    """What of a row's values its columns hold, derived ones and the timestamp left out."""
    return table.values(StampedRow(row, 5))[-1 - len(table.columns) : -1]


@pytest.mark.parametrize(
    ("table", "row"),
    [
        (USERS, user(1, avatar=None, deleted=True)),
        (USERS, user(1, avatar="")),
        (SESSIONS, session(1, 2, ended=True)),
        (COMMENTS, comment(1, parent_id=None)),
        (COMMENTS, comment(1, parent_id=0, removed=True)),
        (SHARES, ShareRow(user_id=1, share_id=2, video_id=3, channel=None)),
        (MEDIA, media_row(1, media=encoded_media())),
        (MEDIA, media_row(1, media=None, error_code="x")),
    ],
)
def test_a_row_comes_back_as_it_was(table, row):
    assert table.row(written(table, row)) == row


def test_no_value_is_ever_null():
    for table, row in (
        (COMMENTS, comment(1)),
        (SHARES, ShareRow(user_id=1, share_id=2, video_id=3, channel=None)),
        (MEDIA, media_row(1)),
        (USERS, user(1)),
    ):
        assert None not in table.values(StampedRow(row, 1))
    assert NO_ID in written(COMMENTS, comment(1))
    assert NO_TEXT in written(USERS, user(1))


def test_the_timestamp_of_the_row_is_that_of_its_cells():
    for homes in TARGETS.values():
        for table in homes:
            assert table.insert.cql.endswith("USING TIMESTAMP ?")
            assert table.insert.idempotent


def test_a_like_and_its_entry_in_the_journal_lie_together():
    like = LikeRow(user_id=7, video_id=1, liked=True, at_ms=3)
    entry = JournalRow(user_id=7, entry_id=9, kind="like")
    places = {LIKES_BY_USER.place(like), LIKES_BY_TIME.place(like), JOURNAL.place(entry)}
    assert places == {(7, 0)}
    assert LIKES_BY_VIDEO.place(like) not in places


def test_every_row_class_has_a_home():
    def classes(base):
        return [base, *(each for sub in base.__subclasses__() for each in classes(sub))]

    assert set(classes(Row)) - {Row} == set(TARGETS)
    assert {CommentRow, NotificationRow, SessionRow} <= set(TARGETS)


@pytest.mark.parametrize(
    ("cql", "expected"),
    [
        ("SELECT a FROM users WHERE b = ?", "SELECT a FROM k.users WHERE b = ?"),
        ("INSERT INTO users (a) VALUES (?)", "INSERT INTO k.users (a) VALUES (?)"),
        ("UPDATE users SET a = ?", "UPDATE k.users SET a = ?"),
        ("DELETE FROM users WHERE a = ?", "DELETE FROM k.users WHERE a = ?"),
        ("SELECT key FROM system.local", "SELECT key FROM system.local"),
    ],
)
def test_a_table_is_named_in_full(cql, expected):
    assert qualified(cql, "k") == expected


def test_only_transactions_are_not_sent_twice():
    assert {level for level in Level if not Statement(level, "").idempotent} == {Level.AGREED}
