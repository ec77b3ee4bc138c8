"""Signatures are those of Amazon's documentation, bit for bit."""

from __future__ import annotations

from base64 import b64encode

import pytest

from storage.minio.signing import Signer, day, moment

#: 2013-05-24 and 2015-12-29, midnight UTC: the days of the examples.
PRESIGNED_MS = 1_369_353_600_000
POSTED_MS = 1_451_347_200_000

SIGNER = Signer(
    access_key="AKIAIOSFODNN7EXAMPLE",
    secret_key="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    region="us-east-1",
)

#: The policy of "Examples: Browser-Based Upload using HTTP POST", lines ended as there.
POLICY = "\r\n".join(
    (
        '{ "expiration": "2015-12-30T12:00:00.000Z",',
        '  "conditions": [',
        '    {"bucket": "sigv4examplebucket"},',
        '    ["starts-with", "$key", "user/user1/"],',
        '    {"acl": "public-read"},',
        '    {"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/'
        'successful_upload.html"},',
        '    ["starts-with", "$Content-Type", "image/"],',
        '    {"x-amz-meta-uuid": "14365123651274"},',
        '    {"x-amz-server-side-encryption": "AES256"},',
        '    ["starts-with", "$x-amz-meta-tag", ""],',
        "",
        '    {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},',
        '    {"x-amz-algorithm": "AWS4-HMAC-SHA256"},',
        '    {"x-amz-date": "20151229T000000Z" }',
        "  ]",
        "}",
    )
)


def test_an_address_is_signed_as_in_the_example():
    query = SIGNER.presign(
        "GET",
        "examplebucket.s3.amazonaws.com",
        "/test.txt",
        {},
        lifetime_s=86400,
        unix_ms=PRESIGNED_MS,
    )
    assert query == (
        "X-Amz-Algorithm=AWS4-HMAC-SHA256"
        "&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"
        "&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host"
        "&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )


def test_a_policy_is_signed_as_in_the_example():
    encoded = b64encode(POLICY.encode()).decode()
    assert SIGNER.credential(POSTED_MS) in POLICY
    assert (
        SIGNER.sign(encoded, POSTED_MS)
        == "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"
    )


def test_headers_are_signed_whatever_their_case_and_order():
    def signed(headers):
        return SIGNER.presign("PUT", "h", "/b/k", headers, lifetime_s=9, unix_ms=PRESIGNED_MS)

    one = signed({"Content-Type": "video/mp4", "Content-Length": "5"})
    assert one == signed({"content-length": "5", "content-type": " video/mp4 "})
    assert "X-Amz-SignedHeaders=content-length%3Bcontent-type%3Bhost" in one
    assert one != signed({"Content-Type": "video/mp4", "Content-Length": "6"})


@pytest.mark.parametrize(
    ("unix_ms", "text"), [(0, "19700101T000000Z"), (PRESIGNED_MS + 999, "20130524T000000Z")]
)
def test_moments_are_whole_seconds_in_utc(unix_ms, text):
    assert (moment(unix_ms), day(unix_ms)) == (text, text[:8])


def test_the_secret_key_is_not_shown():
    assert "wJalr" not in repr(SIGNER)
