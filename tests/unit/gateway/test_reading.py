"""What requests may hold, and what is refused with the name of the field."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import bodies
from gateway.decoding import json_text, read_body, read_json, read_views
from gateway.edge import idempotency_key
from gateway.fields import Bio, Caption, DisplayName, NewPassword, Text, Username
from gateway.queries import ActivityQuery, FeedQuery, IdsQuery, PageQuery, read_query, split_ids
from gateway.routes.store import span_of
from sharding.errors import InvalidCursor, InvalidRequest, KinoraError, UnsupportedMedia

JSON = "application/json; charset=utf-8"


def refused(call, *arguments):
    with pytest.raises(InvalidRequest) as error:
        call(*arguments)
    return [(each.field, each.code) for each in error.value.fields]


@pytest.mark.parametrize(
    ("raw", "fields"),
    [
        (b'{"text":1}', [("text", "type")]),
        (b'{"text":null}', [("text", "type")]),
        (b'{"text":""}', [("text", "too_short")]),
        (b'{"text":"   "}', [("text", "too_short")]),
        (b'{"text":"%b"}' % (b"x" * 501), [("text", "too_long")]),
        (b'{"text":"a\\u0000b"}', [("text", "control_character")]),
        (b'{"text":"a","parent_id":"007"}', [("parent_id", "id")]),
        (b'{"text":"a","parent_id":7}', [("parent_id", "type")]),
        (b'{"text":"a","parent_id":"9223372036854775808"}', [("parent_id", "id")]),
        (b'{"text":"a","likes":7}', [("likes", "unknown")]),
        (b"{}", [("text", "missing")]),
        (b"[]", [("", "type")]),
        (b"", [("text", "missing")]),
        (b"{", []),
        (b'{"text":"\\ud800"}', []),
        (b'{"text":"\xff"}', []),
        (b"[" * 50_000, [("", "type")]),
    ],
)
def test_a_wrong_body_is_refused_by_field_and_code(raw, fields):
    assert refused(read_body, raw, JSON, bodies.CommentBody) == fields


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/jsonx"])
def test_a_body_that_is_not_said_to_be_json_is_not_read(content_type):
    with pytest.raises(UnsupportedMedia):
        read_body(b"{}", content_type, bodies.NoBody)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_refusal(raw):
    for kind in (bodies.CommentBody, bodies.ViewsBody, bodies.UploadBody):
        try:
            read_json(raw, kind)
        except KinoraError:
            pass


def test_values_come_out_plain_so_that_they_can_be_encoded():
    body = read_json(b'{"text":"hello","parent_id":"5"}', bodies.CommentBody)
    assert (type(body.text), type(body.parent_id)) == (str, int)
    msgspec.msgpack.encode(body)


def test_lengths_count_code_points_after_normalising_and_trimming():
    decomposed = "e\u0301" * 300
    assert len(Caption.parse(f"  {decomposed}\n")) == 300
    assert len(Caption.parse("\N{VIDEO CAMERA}" * 300)) == 300
    with pytest.raises(ValueError, match="too_long"):
        Caption.parse("x" * 301)


@given(st.text())
def test_a_text_that_is_kept_is_normal_and_within_bounds(text):
    for kind in (Caption, Bio, DisplayName):
        try:
            kept = kind.parse(text)
        except ValueError:
            continue
        assert kind.MIN <= len(kept) <= kind.MAX
        assert kept == kept.strip()
        assert "\x00" not in kept
        assert kind.parse(kept) == kept
        kept.encode()


@pytest.mark.parametrize("name", ["abc", "a_b.c9", "x" * 24])
def test_names_that_may_be_taken(name):
    assert Username.parse(name) == name


@pytest.mark.parametrize(
    "name", ["ab", "x" * 25, "Alice", "a b c", "admin", "me", "al\u0131ce", "abc\n"]
)
def test_names_that_may_not(name):
    with pytest.raises(ValueError):  # noqa: PT011 - the code differs from name to name
        Username.parse(name)


def test_a_password_is_kept_as_typed_and_never_shown():
    typed = "  spaces and e\u0301  "
    assert NewPassword.parse(typed) == typed
    body = read_json(b'{"username":"alice","password":"correct horse"}', bodies.RegisterBody)
    assert "horse" not in repr(body)


@pytest.mark.parametrize(
    ("raw", "kind", "fields"),
    [
        (b"limit=0", PageQuery, [("limit", "invalid")]),
        (b"limit=51", PageQuery, [("limit", "invalid")]),
        (b"limit=1.0", PageQuery, [("limit", "invalid")]),
        (b"limit=", PageQuery, [("limit", "invalid")]),
        (b"limit=%D9%A1", PageQuery, [("limit", "invalid")]),
        (b"limit=1&limit=1", PageQuery, [("limit", "repeated")]),
        (b"tab=all", FeedQuery, [("tab", "invalid")]),
        (b"tab=", FeedQuery, [("tab", "invalid")]),
        (b"user_id=x", FeedQuery, [("user_id", "invalid")]),
        (b"cursor=", FeedQuery, [("cursor", "invalid")]),
        (b"cursor=%00", FeedQuery, [("cursor", "invalid")]),
        (b"cursor=%ff", FeedQuery, [("cursor", "invalid")]),
        (b"cursor=" + b"x" * 1_025, FeedQuery, [("cursor", "invalid")]),
        (b"", IdsQuery, [("ids", "missing")]),
        (b"ids=" + b"1," * 50 + b"1", IdsQuery, [("ids", "invalid")]),
        (b"ids=1,,2", IdsQuery, [("ids", "invalid")]),
        (b"kind=like,hate", ActivityQuery, [("kind", "invalid")]),
        (b"&".join([b"a=1"] * 40), PageQuery, []),
    ],
)
def test_a_wrong_query_is_refused_by_name(raw, kind, fields):
    assert refused(read_query, raw, kind) == fields


def test_a_wrong_cursor_has_a_code_of_its_own():
    with pytest.raises(InvalidCursor):
        read_query(b"cursor=%0a", PageQuery)


def test_unknown_parameters_are_passed_over():
    query = read_query(b"utm_source=x&limit=5&utm_source=y", PageQuery)
    assert (query.limit, query.cursor) == (5, None)


def test_ids_and_what_is_none_come_apart():
    ids = read_query(b"ids=3,x,1,3", IdsQuery).ids
    assert split_ids(ids) == ((3, 1), ("x",))


def test_an_unusable_view_is_dropped_and_counted():
    raw = b"""{"views":[
        {"view_id":"a","video_id":"5","watched_ms":100,"from_the_future":1},
        {"view_id":"b","video_id":"x","watched_ms":100},
        {"view_id":"c","video_id":"5","watched_ms":-1},
        {"view_id":"","video_id":"5","watched_ms":1},
        null, 7, [], "x", {}
    ]}"""
    views, unusable = read_views(read_json(raw, bodies.ViewsBody).views)
    assert [(view.view_id, view.video_id, view.watched_ms) for view in views] == [("a", 5, 100)]
    assert unusable == 8


def test_metadata_is_bounded_whatever_it_holds():
    assert json_text({"a": 1}, max_bytes=10, field="metadata") == '{"a":1}'
    for value in ({"a": "x" * 10}, {"a": 10**40}):
        assert refused(lambda value=value: json_text(value, max_bytes=10, field="m"))


@pytest.mark.parametrize("key", ["", "x" * 65, "a\nb", " a", "\u00e9"])
def test_a_key_that_is_not_printable_or_too_long_is_refused(key):
    with pytest.raises(InvalidRequest):
        idempotency_key(key)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-9", (0, 10)),
        ("bytes=5-", (5, 95)),
        ("bytes=-5", (95, 5)),
        ("bytes=-500", (0, 100)),
        ("bytes=0-1000", (0, 100)),
        ("bytes=100-", (100, 0)),
        ("bytes=-0", (100, 0)),
        ("bytes=9-5", None),
        ("bytes=0-1,3-4", None),
        ("lines=0-1", None),
        ("bytes=-", None),
        ("bytes=99999999999999999-", None),
    ],
)
def test_a_range_is_read_as_http_says(header, expected):
    assert span_of(header, 100) == expected


def test_every_text_knows_its_bounds():
    kinds = [kind for kind in Text.__subclasses__() if kind.__module__ == "gateway.fields"]
    assert all(kind.MAX > 0 for kind in kinds)
