"""What the driver raises says one of two things: not now, or never so."""

from __future__ import annotations

import pytest
from minio.error import InvalidResponseError, S3Error, ServerError
from urllib3 import HTTPConnectionPool, HTTPResponse
from urllib3.exceptions import MaxRetryError, ProtocolError, ReadTimeoutError

from sharding.errors import Internal, InvalidRequest, StorageUnavailable
from storage.minio.errors import is_missing, is_replaced, is_unsupported, translating
from storage.minio.layout import Layout, edge_referer

POOL = HTTPConnectionPool("store")


def refused(status, code="Some"):
    return S3Error(HTTPResponse(status=status), code, "words", None, None, None)


@pytest.mark.parametrize(
    "error",
    [
        refused(500),
        refused(503, "SlowDown"),
        refused(403, "AccessDenied"),
        refused(404, "NoSuchBucket"),
        refused(404, "NoSuchUpload"),
        refused(409, "OperationAborted"),
        refused(400, "RequestTimeout"),
        refused(429, "TooManyRequests"),
        ServerError("down", 502),
        InvalidResponseError(504, "text/html", "<html>"),
        MaxRetryError(POOL, "/", None),
        ReadTimeoutError(POOL, "/", "slow"),
        ProtocolError("reset"),
        ConnectionResetError(),
        OSError(28, "full"),
    ],
)
def test_a_store_that_cannot_now_is_unavailable(error):
    with pytest.raises(StorageUnavailable) as raised, translating():
        raise error
    assert raised.value.executed is None
    assert type(error).__name__ in (raised.value.context or "")


@pytest.mark.parametrize(
    "error", [refused(400, "InvalidArgument"), refused(405), refused(412), refused(416)]
)
def test_a_request_that_is_wrong_is_our_bug(error):
    with pytest.raises(Internal), translating():
        raise error


def test_what_callers_ask_of_errors():
    assert is_missing(refused(404, "NoSuchKey"))
    assert not is_missing(refused(404, "NoSuchBucket"))
    assert is_replaced(refused(412, "PreconditionFailed"))
    assert is_replaced(ServerError("", 412))
    assert is_unsupported(refused(501, "NotImplemented"))
    assert not is_unsupported(refused(403, "AccessDenied"))


@pytest.mark.parametrize(
    ("name", "bucket"),
    [
        ("quarantine/7/clip", "k-quarantine"),
        ("v/7/1/hls.m3u8", "k-media"),
        ("a/9/1.jpg", "k-media"),
        ("quarantine", "k-media"),
        ("other/1", "k-media"),
    ],
)
def test_only_uploads_lie_in_quarantine(name, bucket):
    assert Layout.of("k-").bucket_of(name) == bucket


@pytest.mark.parametrize(
    ("prefix", "kinds"),
    [
        ("", ("quarantine", "media")),
        ("q", ("quarantine", "media")),
        ("quarantine/", ("quarantine",)),
        ("quarantine/7/", ("quarantine",)),
        ("v/", ("media",)),
        ("quarantines", ("media",)),
    ],
)
def test_a_prefix_is_looked_for_wherever_it_can_be(prefix, kinds):
    assert Layout.of("").buckets_of(prefix) == kinds


@pytest.mark.parametrize("key", ["", "short", "x" * 15, 'x"' * 16, "x y" * 16, "ä" * 20])
def test_a_key_that_could_be_guessed_or_break_out_of_a_header_is_none(key):
    with pytest.raises(InvalidRequest):
        edge_referer(key)
