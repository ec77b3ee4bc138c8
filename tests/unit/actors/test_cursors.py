"""Cursors: whoever holds one got it from us, for themselves and for this list."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.cursors import Cursors
from sharding.errors import InvalidCursor

CURSORS = Cursors(b"k" * 32)
places = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4)


@settings(max_examples=50)
@given(places, st.integers(1, 2**63 - 1), st.text(max_size=20))
def test_a_cursor_leads_back_to_its_place(place, user_id, name):
    token = CURSORS.sign(user_id, name, place)
    assert CURSORS.open(user_id, name, token, len(place)) == tuple(place)
    assert token.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    ("user_id", "name", "length"),
    [(8, "likes", 2), (7, "feed", 2), (7, "likes", 1), (7, "likes", 3), (7, "likes/", 2)],
    ids=["other user", "other list", "shorter", "longer", "similar list"],
)
def test_a_cursor_is_good_for_one_user_and_one_list(user_id, name, length):
    token = CURSORS.sign(7, "likes", (1, 2))
    with pytest.raises(InvalidCursor):
        CURSORS.open(user_id, name, token, length)


def test_a_cursor_of_another_key_is_refused():
    with pytest.raises(InvalidCursor):
        CURSORS.open(7, "likes", Cursors(b"x" * 32).sign(7, "likes", (1,)), 1)


@settings(max_examples=60)
@given(places, st.integers(0, 10_000), st.sampled_from("AZaz09-_"))
def test_a_cursor_that_was_changed_leads_nowhere_else(place, at, sign):
    token = CURSORS.sign(7, "likes", place)
    at %= len(token)
    changed = token[:at] + sign + token[at + 1 :]
    try:
        assert CURSORS.open(7, "likes", changed, len(place)) == tuple(place)
    except InvalidCursor:
        assert changed != token


@settings(max_examples=60)
@given(st.text(max_size=60))
def test_noise_is_refused(text):
    with pytest.raises(InvalidCursor):
        CURSORS.open(7, "likes", text, 1)


@pytest.mark.parametrize("text", ["", "=", "====", "A" * 201, "é" * 24, "\0" * 24, "A" * 24])
def test_what_was_never_given_out_is_refused(text):
    with pytest.raises(InvalidCursor):
        CURSORS.open(7, "likes", text, 1)


def test_the_key_is_not_shown():
    assert "k" not in repr(CURSORS)
