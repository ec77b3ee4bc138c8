"""Media links: one signature opens one video, until its hour has come."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.media_links import MIN_VALID_MS, MediaLinks
from sharding.errors import Forbidden, Gone

LINKS = MediaLinks("https://media.example", b"k" * 32)
NOW = 1_800_000_000_000
HOUR = 3_600_000


def parts(prefix="v/123/1/", now_ms=NOW, links=LINKS):
    """Signature, expiry and name of a path as the edge takes it apart."""
    base = links.base(prefix, expires_ms=links.expiry_ms(now_ms))
    assert base.startswith("https://media.example/")
    return base.removeprefix("https://media.example/").split("/", 2)


def verify(signature, expiry, name, now_ms=NOW):
    return LINKS.verify(signature, expiry, name, now_ms=now_ms)


def test_a_link_opens_everything_of_its_video():
    signature, expiry, prefix = parts()
    assert verify(signature, expiry, f"{prefix}hls.m3u8") == "v/123/1/hls.m3u8"
    assert verify(signature, expiry, "v/123/2/cover.jpg") == "v/123/2/cover.jpg"


@pytest.mark.parametrize(
    "name", ["v/1234/1/hls.m3u8", "v/12/1/hls.m3u8", "a/123/1.jpg", "v", "", "quarantine/123"]
)
def test_a_link_opens_nothing_else(name):
    signature, expiry, _ = parts()
    with pytest.raises(Forbidden):
        verify(signature, expiry, name)


@pytest.mark.parametrize(
    ("signature", "expiry"),
    [
        ("", None),
        ("A" * 22, None),
        ("é" * 22, None),
        (None, "0"),
        (None, "9" * 15),
        (None, "9" * 30),
        (None, "-1"),
        (None, "1e9"),
        (None, "٣"),
        (None, ""),
    ],
)
def test_a_forged_link_opens_nothing(signature, expiry):
    real_signature, real_expiry, prefix = parts()
    with pytest.raises(Forbidden):
        verify(
            real_signature if signature is None else signature,
            real_expiry if expiry is None else expiry,
            f"{prefix}hls.m3u8",
        )


def test_a_link_of_another_key_opens_nothing():
    signature, expiry, prefix = parts(links=MediaLinks("https://media.example", b"x" * 32))
    with pytest.raises(Forbidden):
        verify(signature, expiry, f"{prefix}hls.m3u8")


def test_an_expired_link_is_gone_to_the_second():
    signature, expiry, prefix = parts()
    end_ms = int(expiry) * 1000
    assert verify(signature, expiry, prefix, now_ms=end_ms - 1)
    with pytest.raises(Gone):
        verify(signature, expiry, prefix, now_ms=end_ms)


@settings(max_examples=40)
@given(st.integers(NOW, NOW + 100 * HOUR))
def test_a_link_is_valid_for_six_to_seven_hours(now_ms):
    assert MIN_VALID_MS < LINKS.expiry_ms(now_ms) - now_ms <= MIN_VALID_MS + HOUR


def test_all_who_ask_within_an_hour_get_the_same_address():
    hour = NOW // HOUR * HOUR
    assert parts(now_ms=hour) == parts(now_ms=hour + HOUR - 1) != parts(now_ms=hour + HOUR)


def test_the_key_is_not_shown():
    assert "kkk" not in repr(LINKS)
