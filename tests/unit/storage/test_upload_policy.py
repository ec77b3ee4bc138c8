"""What was signed is what is allowed, to the byte; anything else is refused."""

from __future__ import annotations

from base64 import b64decode, b64encode
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
import pytest

from actors.replies import UploadTicket
from sharding.errors import Forbidden, Gone
from storage.embedded.upload_policy import LIFETIME_MS, HmacUploadPolicies
from tests.contracts.clock import ManualClock

URL = "https://media.example/upload"


def ticket(method="POST", **more):
    fields = {
        "video_id": 1,
        "status": "awaiting_upload",
        "source": "quarantine/1",
        "size_bytes": 1000,
        "content_type": "video/mp4",
        "sha256": None,
    }
    return UploadTicket(method=method, **{**fields, **more})


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def policies(clock):
    return HmacUploadPolicies(URL, b"k" * 32, clock)


def put_parts(way):
    split = urlsplit(way.url)
    name = unquote(split.path.removeprefix("/upload/"))
    headers = {header.lower(): value for header, value in way.headers.items()}
    return headers, name, dict(parse_qsl(split.query))


def test_a_signed_form_permits_exactly_what_was_announced(policies):
    way = policies.sign(ticket())
    assert (way.method, way.url, way.file_field, way.max_bytes) == ("POST", URL, "file", 1000)
    allowed = policies.verify_post(way.fields)
    assert (allowed.name, allowed.content_type) == ("quarantine/1", "video/mp4")
    assert (allowed.min_bytes, allowed.max_bytes) == (1000, 1000)


def test_a_form_is_a_policy_as_s3_knows_it(policies):
    way = policies.sign(ticket())
    policy = msgspec.json.decode(b64decode(way.fields["policy"]))
    assert policy["expiration"] == way.expires_at
    assert {"key": "quarantine/1"} in policy["conditions"]
    assert {"Content-Type": "video/mp4"} in policy["conditions"]
    assert ["content-length-range", 1000, 1000] in policy["conditions"]


@pytest.mark.parametrize(
    "change",
    [
        {"key": "quarantine/2"},
        {"Content-Type": "text/html"},
        {"x-amz-signature": "0" * 64},
        {"x-amz-signature": "é"},
        {"x-amz-algorithm": "none"},
        {"policy": b64encode(b'{"expiration":"2100-01-01T00:00:00Z","conditions":[]}').decode()},
        {"policy": ""},
        {"policy": "x" * 10_000},
        {"extra": "field"},
    ],
)
def test_a_form_that_was_changed_is_refused(policies, change):
    with pytest.raises(Forbidden):
        policies.verify_post({**policies.sign(ticket()).fields, **change})


@pytest.mark.parametrize("missing", ["key", "Content-Type", "policy", "x-amz-signature"])
def test_a_form_that_lacks_a_field_is_refused(policies, missing):
    fields = dict(policies.sign(ticket()).fields)
    del fields[missing]
    with pytest.raises(Forbidden):
        policies.verify_post(fields)


def test_a_signed_address_permits_exactly_what_was_announced(policies):
    allowed = policies.verify_put(*put_parts(policies.sign(ticket("PUT"))))
    assert (allowed.name, allowed.content_type) == ("quarantine/1", "video/mp4")
    assert (allowed.min_bytes, allowed.max_bytes) == (1000, 1000)


@pytest.mark.parametrize(
    ("header", "value"),
    [("content-length", "1001"), ("content-length", "-5"), ("content-type", "text/html")],
)
def test_an_address_with_another_header_is_refused(policies, header, value):
    headers, name, query = put_parts(policies.sign(ticket("PUT")))
    for changed in ({**headers, header: value}, {k: v for k, v in headers.items() if k != header}):
        with pytest.raises(Forbidden):
            policies.verify_put(changed, name, query)


def test_an_address_for_another_name_or_time_is_refused(policies):
    headers, name, query = put_parts(policies.sign(ticket("PUT")))
    with pytest.raises(Forbidden):
        policies.verify_put(headers, "quarantine/2", query)
    with pytest.raises(Forbidden):
        policies.verify_put(headers, name, {**query, "x-amz-expires": "9999999999999"})
    with pytest.raises(Forbidden):
        policies.verify_put(headers, name, {})


def test_ways_end_with_their_time(policies, clock):
    form, address = policies.sign(ticket()), policies.sign(ticket("PUT"))
    clock.advance(LIFETIME_MS / 1000 - 0.001)
    policies.verify_post(form.fields)
    policies.verify_put(*put_parts(address))
    clock.advance(0.001)
    with pytest.raises(Gone):
        policies.verify_post(form.fields)
    with pytest.raises(Gone):
        policies.verify_put(*put_parts(address))


def test_another_key_signs_nothing_of_ours(policies, clock):
    stranger = HmacUploadPolicies(URL, b"x" * 32, clock)
    with pytest.raises(Forbidden):
        policies.verify_post(stranger.sign(ticket()).fields)
    with pytest.raises(Forbidden):
        policies.verify_put(*put_parts(stranger.sign(ticket("PUT"))))


def test_the_key_is_never_shown(policies):
    assert "kkk" not in repr(policies)
