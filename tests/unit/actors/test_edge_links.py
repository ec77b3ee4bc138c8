"""Links that nginx verifies: the same class, another signature."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from hashlib import md5

import pytest

from actors.media_links import EdgeLinks, MediaLinks
from sharding.errors import Forbidden, Gone

LINKS = EdgeLinks("https://media.example", b"k" * 32)
NOW_MS = 1_800_000_000_000


def parts(links=LINKS):
    base = links.base("v/123/1/", expires_ms=links.expiry_ms(NOW_MS))
    return base.removeprefix("https://media.example/").split("/", 2)


def test_a_signature_is_what_secure_link_computes():
    signature, expiry, _ = parts()
    digest = md5(f"{expiry}/v/123 {LINKS.secret}".encode()).digest()
    assert signature == urlsafe_b64encode(digest).decode().rstrip("=")


def test_a_link_opens_its_video_and_nothing_else_until_its_time():
    signature, expiry, prefix = parts()
    assert LINKS.verify(signature, expiry, f"{prefix}cover.jpg", now_ms=NOW_MS)
    with pytest.raises(Forbidden):
        LINKS.verify(signature, expiry, "v/124/1/cover.jpg", now_ms=NOW_MS)
    with pytest.raises(Gone):
        LINKS.verify(signature, expiry, prefix, now_ms=int(expiry) * 1000)


def test_the_two_kinds_of_links_do_not_open_each_others():
    signature, expiry, prefix = parts(MediaLinks("https://media.example", b"k" * 32))
    with pytest.raises(Forbidden):
        LINKS.verify(signature, expiry, prefix, now_ms=NOW_MS)


def test_the_secret_that_nginx_holds_is_not_the_key():
    assert (b"k" * 32).hex() not in LINKS.secret
    assert LINKS.secret not in repr(LINKS)
