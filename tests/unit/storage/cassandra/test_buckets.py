"""Rows lie where these functions say: frozen by examples, spread evenly, and within reach of every reader."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from sharding.ids import FIRST_MS, ID_LIMIT, IdMint
from storage.cassandra.buckets import (
    COMMENT_BUCKETS,
    DAY_MS,
    FAN,
    SLICES,
    YEAR_MS,
    comment_bucket,
    comment_fan,
    day_of,
    fan_of,
    slice_of,
    year_of,
    year_of_ms,
    years_until,
)
from tests.contracts.clock import ManualClock


def minted(ms):
    return IdMint(1, ManualClock(FIRST_MS + ms)).mint()


def test_places_never_change():
    assert [fan_of(each) for each in (0, 1, 2, 12_345, ID_LIMIT - 1)] == [0, 1, 2, 3, 6]
    assert [comment_fan(each) for each in (0, 1, 2, 12_345, ID_LIMIT - 1)] == [0, 1, 2, 3, 2]
    assert [slice_of(each) for each in ("", "like:1", "comment:99", "follow:20000")] == [
        11,
        3,
        10,
        5,
    ]
    assert [year_of(minted(YEAR_MS * n)) for n in (0, 1, 2)] == [0, 1, 2]
    assert [day_of(minted(DAY_MS * n)) for n in (0, 1, 400)] == [0, 1, 400]


@pytest.mark.parametrize("width", [1, 1_000, 600_000])
def test_ids_spread_over_a_fan_however_fast_they_were_minted(width):
    dice = random.Random(1)
    ids = {minted(dice.randrange(width * 4_000)) for _ in range(4_000)}
    counts = Counter(map(fan_of, ids))
    assert len(counts) == FAN
    assert max(counts.values()) < 1.3 * len(ids) / FAN


def test_groups_of_notifications_spread_over_their_slices():
    counts = Counter(slice_of(f"comment:{minted(n * 977)}") for n in range(4_000))
    assert len(counts) == SLICES
    assert max(counts.values()) < 1.3 * 4_000 / SLICES


@pytest.mark.parametrize(
    ("age_ms", "bucket"),
    [
        (-5, 0),
        (0, 0),
        (2**27 - 1, 0),
        (2**27, 1),
        (2**30 - 1, 1),
        (2**30, 2),
        (2**33, 3),
        (2**36, 4),
        (2**39, 5),
        (2**41 - 10_000, 5),
    ],
)
def test_buckets_of_comments_grow_eightfold_with_the_age_of_the_video(age_ms, bucket):
    video_id = minted(5_000) if age_ms < 2**40 else minted(0)
    comment_id = minted(max(0, age_ms + (5_000 if age_ms < 2**40 else 0)))
    assert comment_bucket(video_id, comment_id) == bucket
    assert bucket in COMMENT_BUCKETS


def test_a_moment_before_the_first_id_is_in_the_first_year():
    assert year_of_ms(0) == 0


def test_years_reach_a_day_ahead_because_clocks_differ():
    end_of_year = FIRST_MS + 2 * YEAR_MS
    assert years_until(end_of_year - 2 * DAY_MS) == [0, 1]
    assert years_until(end_of_year - DAY_MS) == [0, 1, 2]
