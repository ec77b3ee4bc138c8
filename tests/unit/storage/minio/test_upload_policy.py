"""What is signed is one file, and where the client sends it."""

from __future__ import annotations

from base64 import b64decode
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from actors.replies import UploadTicket
from sharding.errors import Internal
from storage.minio.settings import MinioSettings
from storage.minio.signing import Signer
from storage.minio.upload_policy import MinioUploadPolicies
from tests.contracts.clock import ManualClock

SIGNER = Signer(access_key="access", secret_key="secret", region="eu-1")


def ticket(method="POST"):
    return UploadTicket(
        video_id=7,
        status="awaiting_upload",
        source="quarantine/7/clip",
        size_bytes=1000,
        content_type="video/mp4",
        sha256=None,
        method=method,
    )


def policies(**settings):
    settings = {"public_url": "https://up.example", "bucket_prefix": "k-", **settings}
    return MinioUploadPolicies(MinioSettings(**settings), SIGNER, ManualClock())


def test_a_form_fixes_bucket_key_type_and_size():
    way = policies().sign(ticket())
    assert (way.method, way.url) == ("POST", "https://up.example/k-quarantine")
    assert (way.file_field, way.max_bytes) == ("file", 1000)
    policy = msgspec.json.decode(b64decode(way.fields["policy"]))
    assert policy["expiration"] == way.expires_at
    assert ["content-length-range", 1000, 1000] in policy["conditions"]
    exact = {"bucket": "k-quarantine", **way.fields}
    del exact["policy"], exact["x-amz-signature"]
    assert [{field: exact[field]} for field in exact if field != "bucket"] == [
        each for each in policy["conditions"] if isinstance(each, dict) and "bucket" not in each
    ]
    assert {"bucket": "k-quarantine"} in policy["conditions"]
    assert (exact["key"], exact["Content-Type"]) == ("quarantine/7/clip", "video/mp4")


def test_an_address_signs_type_and_length():
    way = policies().sign(ticket("PUT"))
    parts = urlsplit(way.url)
    assert (parts.netloc, parts.path) == ("up.example", "/k-quarantine/quarantine/7/clip")
    assert dict(parse_qsl(parts.query))["X-Amz-SignedHeaders"] == "content-length;content-type;host"
    assert way.headers == {"Content-Type": "video/mp4", "Content-Length": "1000"}


@pytest.mark.parametrize(("secure", "scheme"), [(False, "http"), (True, "https")])
def test_without_an_address_for_clients_ours_is_theirs(secure, scheme):
    way = policies(public_url="", endpoint="store:9000", secure=secure).sign(ticket())
    assert way.url == f"{scheme}://store:9000/k-quarantine"


def test_a_store_that_verifies_for_itself_is_not_asked_to_here():
    with pytest.raises(Internal):
        policies().verify_post({})
    with pytest.raises(Internal):
        policies().verify_put({}, "quarantine/7/clip", {})


def test_the_secret_key_is_not_shown():
    assert "secret" not in repr(policies())
