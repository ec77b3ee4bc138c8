"""ThumbHash: a picture in about 25 bytes, painted while the real one loads.

The algorithm and format are Evan Wallace's (https://evanw.github.io/thumbhash/, public domain); this is
an encoder of our own in numpy. A hash holds the lowest frequencies of a cosine transform: up to 7x7 of
brightness (5x5 with transparency), 3x3 of two colour differences, and 5x5 of transparency. Unlike
BlurHash it keeps the aspect ratio.
"""

import base64
from math import ceil, pi

import numpy as np
import numpy.typing as npt

#: Longest side of a picture to hash, in pixels; more would change nothing that is kept.
MAX_SIDE = 100

Plane = npt.NDArray[np.float64]


def encode_text(rgba: npt.NDArray[np.uint8]) -> str:
    """The hash as base64 without padding."""
    return base64.b64encode(encode(rgba)).decode().rstrip("=")


def encode(rgba: npt.NDArray[np.uint8]) -> bytes:
    """The hash of *rgba*: shape (height, width, 4), each side 1 to `MAX_SIDE`.

    Raises:
        ValueError: another shape.
    """
    if rgba.ndim != 3 or rgba.shape[2] != 4 or not all(1 <= n <= MAX_SIDE for n in rgba.shape[:2]):
        raise ValueError(f"shape {rgba.shape} is not (1..{MAX_SIDE}, 1..{MAX_SIDE}, 4)")
    height, width = rgba.shape[:2]
    pixels = rgba.astype(np.float64) / 255
    alpha = pixels[..., 3]
    seen = alpha.sum()
    average = (pixels[..., :3] * alpha[..., None]).sum(axis=(0, 1)) / (seen or 1)
    transparent = seen < width * height
    # What shows through is painted in the average colour, so that it adds no contrast of its own.
    colour = average * (1 - alpha[..., None]) + pixels[..., :3] * alpha[..., None]
    red, green, blue = colour[..., 0], colour[..., 1], colour[..., 2]

    most = 5 if transparent else 7
    across = max(1, round_half_up(most * width / max(width, height)))
    down = max(1, round_half_up(most * height / max(width, height)))
    brightness = _channel((red + green + blue) / 3, max(3, across), max(3, down))
    yellow_blue = _channel((red + green) / 2 - blue, 3, 3)
    red_green = _channel(red - green, 3, 3)

    landscape = width > height
    head = (
        round_half_up(63 * brightness.mean)
        | round_half_up(31.5 + 31.5 * yellow_blue.mean) << 6
        | round_half_up(31.5 + 31.5 * red_green.mean) << 12
        | round_half_up(31 * brightness.scale) << 18
        | int(transparent) << 23
    )
    tail = (
        (down if landscape else across)
        | round_half_up(63 * yellow_blue.scale) << 3
        | round_half_up(63 * red_green.scale) << 9
        | int(landscape) << 15
    )
    packed = head.to_bytes(3, "little") + tail.to_bytes(2, "little")
    channels = [brightness, yellow_blue, red_green]
    if transparent:
        opacity = _channel(alpha, 5, 5)
        packed += bytes([round_half_up(15 * opacity.mean) | round_half_up(15 * opacity.scale) << 4])
        channels = [brightness, yellow_blue, red_green, opacity]
    nibbles = [step for channel in channels for step in channel.steps]
    nibbles += [0] * (len(nibbles) % 2)
    pairs = zip(nibbles[::2], nibbles[1::2], strict=True)
    return packed + bytes(low | high << 4 for low, high in pairs)


class _Channel:
    """One plane as a mean, a scale and its frequencies in 16 steps."""

    def __init__(self, mean: float, scale: float, steps: list[int]) -> None:
        self.mean, self.scale, self.steps = mean, scale, steps


def _channel(plane: Plane, across: int, down: int) -> _Channel:
    height, width = plane.shape
    wave_x = np.cos(pi / width * np.outer(np.arange(across), np.arange(width) + 0.5))
    wave_y = np.cos(pi / height * np.outer(np.arange(down), np.arange(height) + 0.5))
    table = wave_y @ plane @ wave_x.T / (width * height)
    kept = []
    for row in range(down):
        # A triangle of low frequencies; the corner is the mean.
        columns = ceil((across * (down - row)) / down)
        kept += [float(table[row, column]) for column in range(columns) if row or column]
    scale = max((abs(value) for value in kept), default=0.0)
    if scale:
        kept = [0.5 + 0.5 / scale * value for value in kept]
    return _Channel(float(table[0, 0]), scale, [round_half_up(15 * value) for value in kept])


def round_half_up(value: float) -> int:
    """JavaScript's Math.round, which the format was defined with; Python's rounds half to even."""
    return int(np.floor(value + 0.5))
