"""The ladder's promises hold for every picture there may be."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.ladder import MAX_FPS, MIN_SIDE, choose_fps, choose_ladder, fit, keyframe_slots

sides = st.integers(min_value=1, max_value=8192)


def sizes(width, height):
    return [(plan.width, plan.height) for plan in choose_ladder(width, height)]


def test_a_portrait_phone_clip_gets_540p_first_and_360p():
    assert sizes(1080, 1920) == [(540, 960), (360, 640)]
    assert [plan.file for plan in choose_ladder(1080, 1920)] == ["540.mp4", "360.mp4"]


def test_landscape_is_measured_by_its_short_side_too():
    assert sizes(3840, 2160) == [(960, 540), (640, 360)]


def test_a_picture_between_the_rungs_keeps_its_own_size_at_the_top():
    assert sizes(480, 720) == [(480, 720), (360, 540)]


def test_a_picture_hardly_larger_than_a_rung_gets_one_rung():
    assert sizes(400, 700) == [(400, 700)]


def test_a_small_picture_gets_one_rung_of_its_own_size():
    assert sizes(320, 240) == [(320, 240)]


def test_a_strip_is_held_by_its_long_side():
    assert fit(8000, 600, 540)[0] <= 1300


@given(sides, sides)
def test_rungs_are_even_unique_falling_and_never_larger_than_the_picture(width, height):
    plans = choose_ladder(width, height)
    assert len({plan.name for plan in plans}) == len(plans)
    for plan in plans:
        assert plan.width % 2 == plan.height % 2 == 0
        # Rounding to even, and the smallest side there may be, are all that may be added.
        assert plan.width <= max(width + 1, MIN_SIDE)
        assert plan.height <= max(height + 1, MIN_SIDE)
    areas = [plan.width * plan.height for plan in plans]
    assert areas == sorted(areas, reverse=True)


@given(st.integers(200, 4000), st.integers(200, 4000))
def test_rungs_keep_the_shape_of_the_picture(width, height):
    for plan in choose_ladder(width, height):
        error = abs(plan.width / plan.height / (width / height) - 1)
        assert error < 2 / min(plan.width, plan.height) + 1e-9


@pytest.mark.parametrize(
    ("average", "expected"),
    [
        (Fraction(30), Fraction(30)),
        (Fraction(60), Fraction(30)),
        (Fraction(240), Fraction(30)),
        (Fraction(60000, 1001), Fraction(30000, 1001)),
        (Fraction(50), Fraction(25)),
        (Fraction(24), Fraction(24)),
        (Fraction(90000, 3001), Fraction(30)),
        (Fraction(298, 10), Fraction(30000, 1001)),
        (Fraction(17), Fraction(30)),
        (Fraction(1, 10), Fraction(30)),
        (None, Fraction(30)),
    ],
)
def test_a_frame_rate_becomes_the_standard_one_that_it_means(average, expected):
    assert choose_fps(average) == expected


@given(st.fractions(min_value=Fraction(1, 100), max_value=1000))
def test_a_frame_rate_is_never_above_the_rungs_limit(average):
    assert 0 < choose_fps(average) <= MAX_FPS


def test_key_frames_are_at_0_1_2_and_then_every_second_second():
    assert sorted(keyframe_slots(200, Fraction(30))) == [0, 30, 60, 120, 180]
    assert sorted(keyframe_slots(10, Fraction(30))) == [0]


@given(st.integers(1, 2000), st.sampled_from([Fraction(30), Fraction(30000, 1001), Fraction(12)]))
def test_no_fragment_is_longer_than_two_seconds(frames, fps):
    slots = [*sorted(keyframe_slots(frames, fps)), frames]
    assert slots[0] == 0
    assert all(b - a <= round(2 * fps) + 1 for a, b in pairwise(slots))
