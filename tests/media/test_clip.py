"""Clips that the product makes for demos and tests are real videos, and differ by seed."""

import numpy as np

from media.clip import make_clip
from tests.media.helpers import picture_of, sound_of


def test_a_clip_has_the_asked_size_length_and_sound(tmp_path):
    path = tmp_path / "clip.mp4"
    make_clip(path, 0.5, seed=1, width=180, height=320)
    seen = picture_of(path)
    assert (seen.width, seen.height, len(seen.times)) == (180, 320, 15)
    assert np.abs(sound_of(path)[1]).max() > 0.05


def test_the_same_seed_gives_the_same_picture_and_another_a_different_one(tmp_path):
    last = {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        make_clip(tmp_path / name, 0.2, seed=seed, width=96, height=160)
        last[name] = picture_of(tmp_path / name).last.astype(int)
    assert (last["a"] == last["b"]).all()
    assert np.abs(last["a"] - last["c"]).mean() > 5


def test_the_picture_moves(tmp_path):
    from itertools import pairwise

    import av

    make_clip(tmp_path / "clip", 1.0, seed=4, width=96, height=160)
    with av.open(str(tmp_path / "clip")) as container:
        frames = [
            frame.to_ndarray(format="gray").astype(int) for frame in container.decode(video=0)
        ]
    assert all(np.abs(a - b).mean() > 0.1 for a, b in pairwise(frames[::5]))
