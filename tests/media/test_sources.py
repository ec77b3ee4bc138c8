"""Sources as phones and editors really make them: turned, skipping, without sound, late, odd-sized."""

from fractions import Fraction

import numpy as np
import pytest

from tests.media.helpers import (
    corners,
    encode,
    levels,
    picture_of,
    sound_of,
    with_matrix,
    write_clip,
)

#: Display matrix (a, b, c, d), the size as shown, and the corners as shown, row by row.
TURNS = {
    "upright": ((1, 0, 0, 1), (480, 360), [0, 1, 2, 3]),
    "quarter turn right": ((0, 1, -1, 0), (360, 480), [2, 0, 3, 1]),
    "half turn": ((-1, 0, 0, -1), (480, 360), [3, 2, 1, 0]),
    "quarter turn left": ((0, -1, 1, 0), (360, 480), [1, 3, 0, 2]),
    "mirrored": ((-1, 0, 0, 1), (480, 360), [1, 0, 3, 2]),
    "upside down mirrored": ((1, 0, 0, -1), (480, 360), [2, 3, 0, 1]),
    "transposed": ((0, 1, 1, 0), (360, 480), [0, 2, 1, 3]),
    "transposed the other way": ((0, -1, -1, 0), (360, 480), [3, 1, 2, 0]),
}


@pytest.mark.parametrize("turn", TURNS)
async def test_a_turned_clip_is_shown_upright(tmp_path, turn):
    matrix, size, expected = TURNS[turn]
    source = write_clip(tmp_path / "in.mp4", [corners()] * 9)
    made = await encode(with_matrix(source, *matrix), tmp_path / "out")
    seen = picture_of(made.path(made.media.rungs[0].file))
    assert (made.media.width, made.media.height) == size
    assert (seen.width, seen.height) == size
    assert levels(seen.last) == expected


def flash_and_beep(seconds: float, at: float) -> tuple[list[np.ndarray], np.ndarray]:
    """Dark and silent, but for 0.2 s from *at*: then white and a tone."""
    dark, white = np.full((160, 128), 30, np.uint8), np.full((160, 128), 220, np.uint8)
    frames = [white if at <= n / 30 < at + 0.2 else dark for n in range(round(seconds * 30))]
    times = np.arange(round(seconds * 48_000)) / 48_000
    heard = (times >= at) & (times < at + 0.2)
    return frames, np.where(heard, 0.5 * np.sin(2 * np.pi * 880 * times), 0)


@pytest.mark.parametrize("late_ms", [0, 300, -200])
async def test_flash_and_beep_stay_together_within_20_ms(tmp_path, late_ms):
    """Also where the sound track starts later or earlier than the picture."""
    frames, beep = flash_and_beep(2.0, 1.0)
    cut = max(0, late_ms) * 48
    lead = np.zeros(max(0, -late_ms) * 48)
    source = write_clip(
        tmp_path / "in.mp4",
        frames,
        times_ms=[round(n * 1000 / 30) + max(0, -late_ms) for n in range(len(frames))],
        sound=np.concatenate([lead, beep[cut:]]),
        sound_at_ms=max(0, late_ms),
    )
    made = await encode(source, tmp_path / "out")
    for name in (made.media.rungs[0].file, made.media.mp4):
        seen = picture_of(made.path(name))
        flash = next(
            time for time, light in zip(seen.times, seen.light, strict=True) if light > 120
        )
        start, samples = sound_of(made.path(name))
        beeped = start + int(np.argmax(np.abs(samples) > 0.1)) / 48_000
        assert flash == pytest.approx(1.0, abs=0.034)
        assert beeped == pytest.approx(flash, abs=0.02)


async def test_a_clip_without_sound_gets_a_silent_track(tmp_path):
    source = write_clip(tmp_path / "in.mp4", [corners(128, 160)] * 20)
    made = await encode(source, tmp_path / "out")
    _, samples = sound_of(made.path(made.media.rungs[0].file))
    assert np.abs(samples).max() < 0.001
    assert len(samples) / 48_000 == pytest.approx(20 / 30, abs=0.022)
    assert made.media.loudness_gain_db == 0


async def test_sound_longer_than_the_picture_is_cut_and_shorter_is_filled(tmp_path):
    tone = 0.3 * np.sin(np.arange(3 * 48_000) / 20)
    for seconds in (3, 0.4):
        source = write_clip(
            tmp_path / "in.mp4", [corners(128, 160)] * 36, sound=tone[: int(seconds * 48_000)]
        )
        made = await encode(source, tmp_path / f"out{seconds}")
        _, samples = sound_of(made.path(made.media.rungs[0].file))
        assert len(samples) / 48_000 == pytest.approx(1.2, abs=0.022)


async def test_60_frames_a_second_become_30(tmp_path):
    source = write_clip(
        tmp_path / "in.mp4",
        [corners(128, 160)] * 90,
        times_ms=[round(n * 1000 / 60) for n in range(90)],
    )
    made = await encode(source, tmp_path / "out")
    assert made.media.rungs[0].fps == 30
    assert len(picture_of(made.path(made.media.rungs[0].file)).times) == 45


async def test_a_skipping_camera_gives_a_constant_rate_of_the_same_length(tmp_path):
    times = [0, 33, 70, 100, 400, 433, 500, 900, 933, 1000, 1200]
    source = write_clip(tmp_path / "in.mp4", [corners(128, 160)] * len(times), times_ms=times)
    made = await encode(source, tmp_path / "out")
    seen = picture_of(made.path(made.media.rungs[0].file))
    steps = np.diff(seen.times)
    assert steps.max() - steps.min() < 0.001
    assert made.media.duration_s == pytest.approx(1.23, abs=0.25)


async def test_pixels_that_are_not_square_are_made_square(tmp_path):
    source = write_clip(tmp_path / "in.mp4", [corners(180, 360)] * 9, aspect=Fraction(2))
    made = await encode(source, tmp_path / "out")
    assert (made.media.width, made.media.height) == (360, 360)


async def test_an_odd_and_tiny_picture_gets_one_even_rung(tmp_path):
    source = write_clip(tmp_path / "in.mp4", [corners(62, 98)] * 9)
    made = await encode(source, tmp_path / "out")
    (rung,) = made.media.rungs
    assert (rung.width, rung.height) == (62, 98)


async def test_nothing_of_the_source_but_its_frames_is_in_the_result(tmp_path):
    """Phones write where and with what a clip was taken; none of it may be published."""
    source = write_clip(
        tmp_path / "in.mp4",
        [corners(128, 160)] * 12,
        sound=np.zeros(20_000),
        metadata={"title": "SECRET-TITLE", "location": "+48.1374+011.5755/", "comment": "SECRET"},
    )
    assert b"SECRET" in source.read_bytes()
    made = await encode(source, tmp_path / "out")
    for name in made.files:
        data = made.path(name).read_bytes()
        assert b"SECRET" not in data
        assert b"+48.13" not in data
