"""Events of an object store are read for what they say, and strangers are passed over."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.stored_events import MAX_RECORDS, StoredObject, parse_stored

#: As MinIO publishes it, shortened by what nobody reads.
REAL = b"""{"EventName":"s3:ObjectCreated:Post","Key":"quarantine/quarantine/7/clip","Records":[
{"eventVersion":"2.0","eventSource":"minio:s3","eventName":"s3:ObjectCreated:Post",
"s3":{"s3SchemaVersion":"1.0","bucket":{"name":"quarantine"},
"object":{"key":"quarantine%2F7%2Fclip","size":5000,"eTag":"x","sequencer":"18"}}}]}"""


def record(key="quarantine%2F7%2Fclip", size=1, event="ObjectCreated:Put"):
    return {"eventName": event, "s3": {"object": {"key": key, "size": size}}}


def parse(*records):
    return parse_stored(msgspec.json.encode({"Records": records}))


def test_a_message_of_minio_names_the_object_and_its_size():
    assert parse_stored(REAL) == (StoredObject(name="quarantine/7/clip", size_bytes=5000),)


@pytest.mark.parametrize(
    ("key", "name"), [("a%2Fb", "a/b"), ("a/b", "a/b"), ("a+b", "a b"), ("%C3%A4", "ä")]
)
def test_keys_are_decoded(key, name):
    assert [each.name for each in parse(record(key))] == [name]


@pytest.mark.parametrize("kind", ["Put", "Post", "Copy", "CompleteMultipartUpload"])
@pytest.mark.parametrize("prefix", ["", "s3:"])
def test_every_way_of_storing_counts(prefix, kind):
    assert parse(record(event=f"{prefix}ObjectCreated:{kind}"))


def test_an_object_without_a_size_is_empty():
    (stored,) = parse({"eventName": "ObjectCreated:Put", "s3": {"object": {"key": "a"}}})
    assert stored.size_bytes == 0


@pytest.mark.parametrize(
    "stranger",
    [
        record(event="s3:ObjectRemoved:Delete"),
        record(event="s3:ObjectAccessed:Get"),
        record(key=""),
        record(key=7),
        record(key="%FF"),
        record(size=-1),
        record(size="12"),
        {},
        None,
        [],
        "Records",
        {"eventName": "ObjectCreated:Put", "s3": None},
    ],
)
def test_a_strange_record_is_passed_over_and_its_neighbours_are_read(stranger):
    assert [each.name for each in parse(record("a"), stranger, record("b"))] == ["a", "b"]


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"Records":{}}', b'"'])
def test_a_strange_message_says_nothing(data):
    assert parse_stored(data) == ()


def test_a_message_without_end_is_read_to_a_bound():
    assert len(parse(*[record()] * (MAX_RECORDS + 1))) == MAX_RECORDS


@given(st.binary(max_size=200))
def test_no_bytes_are_an_error(data):
    parse_stored(data)
