"""Clips from real phones, cameras and decoders' test suites become what `expected.json` beside them says."""

from typing import Any

import msgspec
import pytest

from media.messages import Encoded, Failed
from tests.media.conftest import real_clips
from tests.media.helpers import Made, picture_of, run, sound_of

FOLDER = real_clips()

EXPECTED: dict[str, dict[str, Any]] = (
    msgspec.json.decode((FOLDER / "expected.json").read_bytes()) if FOLDER else {}
)


@pytest.mark.skipif(FOLDER is None, reason="no real clips beside the checkout (KINORA_TEST_MEDIA)")
@pytest.mark.parametrize("name", sorted(EXPECTED) or ["none"])
async def test_a_real_clip_becomes_what_is_expected(name, tmp_path):
    assert FOLDER is not None
    expected = EXPECTED[name]
    verdict = await run(FOLDER / name, tmp_path / "out")
    if isinstance(verdict, Failed):
        assert "failed" in expected["status"], verdict
        assert verdict.failure.code in expected["code"]
        return
    assert isinstance(verdict, Encoded)
    assert "ready" in expected["status"]
    made = Made(verdict.media, verdict.files, tmp_path / "out")
    check(made)


def check(made: Made) -> None:
    """What holds for every finished video."""
    media = made.media
    seen = [picture_of(made.path(rung.file)) for rung in media.rungs]
    assert len({tuple(each.keys) for each in seen}) == 1
    for rung, each in zip(media.rungs, seen, strict=True):
        assert (each.width, each.height) == (rung.width, rung.height)
        assert (rung.width > rung.height) == (media.width > media.height)
        assert min(rung.width, rung.height) <= 540
        assert len(each.times) / rung.fps == pytest.approx(media.duration_s, abs=0.01)
        start, samples = sound_of(made.path(rung.file))
        assert start == pytest.approx(each.times[0], abs=0.02)
        assert len(samples) / 48_000 == pytest.approx(media.duration_s, abs=0.03)


@pytest.mark.skipif(FOLDER is None, reason="no real clips beside the checkout (KINORA_TEST_MEDIA)")
async def test_a_phone_clip_recorded_upright_is_portrait(tmp_path):
    assert FOLDER is not None
    verdict = await run(FOLDER / "portrait_4k60.mp4", tmp_path / "out")
    assert isinstance(verdict, Encoded)
    assert (verdict.media.width, verdict.media.height) == (2160, 3840)
    assert [(r.width, r.height) for r in verdict.media.rungs] == [(540, 960), (360, 640)]
