"""Makes clips to try the product with: moving patterns and a tone, really encoded.

Drawn by numpy from a seed, so that a demo has as many different videos as it wants and a test needs no
file from anywhere. H.264 and AAC in an ordinary MP4, like a phone's.
"""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

from media.timeline import BLOCK, SAMPLE_RATE

#: Pixels of the drawing for one of the picture: patterns are smooth, and drawing is the slow part.
COARSE = 4


def make_clip(
    path: Path,
    seconds: float,
    *,
    seed: int,
    width: int = 540,
    height: int = 960,
    fps: int = 30,
    sound: bool = True,
) -> None:
    """Write a clip of *seconds* to *path*, `mp4` by its bytes whatever its name; same seed, same picture."""
    dice = np.random.default_rng(seed)
    pattern = _Pattern(dice, -(-width // COARSE), -(-height // COARSE))
    pitch = float(dice.uniform(180, 660))
    with av.open(
        str(path), "w", "mp4", {"movflags": "+faststart", "fflags": "+bitexact"}
    ) as output:
        video = output.add_stream(
            "libx264", fps, {"preset": "ultrafast", "crf": "23", "threads": "1"}
        )
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio = output.add_stream("aac", SAMPLE_RATE, layout="stereo") if sound else None
        frames = max(1, round(seconds * fps))
        heard = 0
        for number in range(frames):
            frame = VideoFrame.from_ndarray(pattern.draw(number / fps), "rgb24")
            frame = frame.reformat(width=width, height=height, format="yuv420p", threads=1)
            frame.pts, frame.time_base = number, Fraction(1, fps)
            output.mux(video.encode(frame))
            while audio is not None and heard < (number + 1) * SAMPLE_RATE // fps:
                output.mux(audio.encode(_tone(heard, pitch)))
                heard += BLOCK
        output.mux(video.encode(None))
        if audio is not None:
            output.mux(audio.encode(None))


class _Pattern:
    """Waves of two colours that drift, and a ball that crosses them."""

    def __init__(self, dice: np.random.Generator, width: int, height: int) -> None:
        rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
        self._x, self._y = columns / width, rows / max(1, height)
        self._colours = dice.uniform(30, 225, (3, 3)).astype(np.float32)
        self._waves = dice.uniform(2, 9, (2, 2))
        self._speed = dice.uniform(0.6, 2.0, 3)
        self._phase = dice.uniform(0, 2 * np.pi, 2)
        self._aspect = height / width

    def draw(self, time_s: float) -> npt.NDArray[np.uint8]:
        """The picture at *time_s*, shape (height, width, 3)."""
        first = np.sin(
            self._waves[0, 0] * self._x + self._waves[0, 1] * self._y + self._speed[0] * time_s
        )
        second = np.sin(
            self._waves[1, 0] * self._x - self._waves[1, 1] * self._y - self._speed[1] * time_s
        )
        mix = ((first + second) / 4 + 0.5)[..., None]
        picture = self._colours[0] * mix + self._colours[1] * (1 - mix)
        at = self._speed[2] * time_s + self._phase
        ball_x, ball_y = 0.5 + 0.35 * np.sin(at[0]), 0.5 + 0.4 * np.sin(0.7 * at[1])
        far = (self._x - ball_x) ** 2 + ((self._y - ball_y) * self._aspect) ** 2
        picture[far < 0.02] = self._colours[2]
        return np.ascontiguousarray(picture.astype(np.uint8))


def _tone(start: int, pitch: float) -> AudioFrame:
    times = np.arange(start, start + BLOCK) / SAMPLE_RATE
    # A beat a second, so that sound and picture can be told apart by ear when they drift.
    wave = 0.2 * np.sin(2 * np.pi * pitch * times) * (0.6 + 0.4 * np.cos(2 * np.pi * times))
    frame = AudioFrame.from_ndarray(np.stack([wave, wave]).astype(np.float32), "fltp", "stereo")
    frame.sample_rate, frame.pts = SAMPLE_RATE, start
    frame.time_base = Fraction(1, SAMPLE_RATE)
    return frame
