"""One small clip and its encode, made once: most tests look at the same result from different sides."""

import os
from pathlib import Path

import pytest

from media.clip import make_clip
from tests.media.helpers import Made, encode_now, picture_of, sound_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two and a half seconds, 450 x 800, with sound."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    make_clip(path, 2.5, seed=7, width=450, height=800)
    return path


@pytest.fixture(scope="session")
def small_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second, 128 x 160, for tests that encode it many times."""
    path = tmp_path_factory.mktemp("clip") / "small.mp4"
    make_clip(path, 1.0, seed=3, width=128, height=160)
    return path


@pytest.fixture(scope="session")
def made(clip, tmp_path_factory) -> Made:
    """The encode of `clip`."""
    return encode_now(clip, tmp_path_factory.mktemp("made"))


def real_clips() -> Path | None:
    """The folder of real clips that may lie beside the checkout; KINORA_TEST_MEDIA names another."""
    named = os.environ.get("KINORA_TEST_MEDIA")
    folder = Path(named) if named else ROOT.parent / "shared" / "media"
    return folder if (folder / "expected.json").is_file() else None


@pytest.fixture
def picture():
    """Reads the frames of a file; see `helpers.picture_of`."""
    return picture_of


@pytest.fixture
def sound():
    """Reads the sound of a file; see `helpers.sound_of`."""
    return sound_of
