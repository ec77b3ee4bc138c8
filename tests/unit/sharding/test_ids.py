"""Ids: their layout is stored for ever, and a minter never repeats itself, whatever its clock does."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sharding.ids import (
    FIRST_MS,
    ID_LIMIT,
    MINTER_COUNT,
    IdMint,
    minted_at_ms,
    parse_id,
)

NOW = 1_800_000_000_000


class Hands:
    """A clock whose hands a test sets."""

    def __init__(self, ms=NOW):
        self.ms = ms

    def unix_ms(self):
        return self.ms


def test_the_layout_is_41_bits_of_time_10_of_minter_12_of_counter():
    mint = IdMint(5, Hands())
    assert mint.mint() == 402371326771220480
    assert mint.mint() == 402371326771220481
    assert IdMint(1023, Hands()).mint() == 402371326775390208
    assert (NOW - FIRST_MS) << 22 | 5 << 12 == 402371326771220480


def test_time_begins_with_2024():
    assert FIRST_MS == 1_704_067_200_000


@pytest.mark.parametrize("minter", [-1, MINTER_COUNT])
def test_a_minter_beyond_ten_bits_is_refused(minter):
    with pytest.raises(ValueError, match="minter"):
        IdMint(minter, Hands())


@settings(max_examples=50)
@given(st.lists(st.integers(-5_000, 5_000), min_size=1, max_size=60))
def test_ids_ascend_although_the_clock_goes_back(jumps):
    clock = Hands()
    mint = IdMint(1, clock)
    ids = []
    for jump in jumps:
        clock.ms += jump
        ids.append(mint.mint())
    assert ids == sorted(set(ids))


def test_a_millisecond_that_is_full_flows_over_into_the_next():
    mint = IdMint(0, Hands())
    ids = [mint.mint() for _ in range(4_097)]
    assert ids == sorted(set(ids))
    assert minted_at_ms(ids[4_095]) == NOW
    assert minted_at_ms(ids[4_096]) == NOW + 1


def test_after_an_overflow_time_does_not_repeat():
    clock = Hands()
    mint = IdMint(0, clock)
    ids = [mint.mint() for _ in range(5_000)]
    clock.ms += 1
    ids += [mint.mint() for _ in range(5_000)]
    assert ids == sorted(set(ids))


def test_two_minters_never_meet():
    ids = [{mint.mint() for _ in range(5_000)} for mint in (IdMint(1, Hands()), IdMint(2, Hands()))]
    assert not ids[0] & ids[1]


def test_a_clock_that_was_never_set_makes_no_negative_ids():
    ids = [IdMint(minter, Hands(0)).mint() for minter in (0, 1, 1023)]
    assert all(0 < each < ID_LIMIT for each in ids)


@settings(max_examples=30)
@given(st.integers(FIRST_MS, FIRST_MS + (1 << 41) - 2), st.integers(0, MINTER_COUNT - 1))
def test_an_id_tells_when_it_was_minted(ms, minter):
    minted = IdMint(minter, Hands(ms)).mint()
    assert minted_at_ms(minted) == ms
    assert minted < ID_LIMIT


@settings(max_examples=50)
@given(st.integers(1, ID_LIMIT - 1))
def test_an_id_is_read_as_it_was_written(entity_id):
    assert parse_id(str(entity_id)) == entity_id


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "007",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1_000",
        "0x10",
        "1.0",
        "1e3",
        "٣",  # an Arabic three, which int() would take
        "²",  # a superscript, which isdigit() would take
        "１",  # a full-width one
        str(ID_LIMIT),
        "9" * 19,
        "1" * 20,
        "1" * 5_000,
        "null",
    ],
)
def test_what_is_not_written_like_an_id_is_none(text):
    assert parse_id(text) is None


def test_the_largest_id_is_the_last_that_is_read():
    assert parse_id(str(ID_LIMIT - 1)) == ID_LIMIT - 1
