"""A person's picture comes back as a square JPEG of our own making, or as a typed error."""

import io
import struct
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from av.codec import CodecContext

from media.avatar import MAX_BYTES, encode_avatar
from sharding.errors import TooLarge, Unprocessable, UnsupportedMedia
from tests.media.test_hostile import png


def picture(codec: str, width: int, height: int, pix_fmt: str, muxer: str | None = None) -> bytes:
    """Left half red, right half blue."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = 255
    pixels[:, width // 2 :, 2] = 255
    frame = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format=pix_fmt)
    if muxer is not None:
        file = io.BytesIO()
        with av.open(file, "w", muxer) as output:
            stream: Any = output.add_stream(codec, 1)
            stream.width, stream.height, stream.pix_fmt = width, height, pix_fmt
            output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        return file.getvalue()
    encoder: Any = CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, pix_fmt
    encoder.time_base = Fraction(1)
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def decoded(data: bytes) -> np.ndarray:
    with av.open(io.BytesIO(data), "r") as container:
        return next(container.decode(video=0)).to_ndarray(format="rgb24")


@pytest.mark.parametrize(
    "data",
    [
        picture("png", 600, 300, "rgb24"),
        picture("mjpeg", 300, 600, "yuvj420p"),
        picture("libwebp", 64, 64, "yuv420p", "webp"),
    ],
    ids=["png", "jpeg", "webp"],
)
async def test_any_supported_picture_becomes_a_square_jpeg_of_400_pixels(data):
    result = await encode_avatar(data)
    assert result.startswith(b"\xff\xd8\xff")
    pixels = decoded(result).astype(int)
    assert pixels.shape == (400, 400, 3)
    left, right = pixels[200, 60], pixels[200, 340]
    assert left[0] > 200 > 80 > left[2]
    assert right[2] > 200 > 80 > right[0]


async def test_a_transparent_picture_is_laid_on_white():
    pixels = np.zeros((50, 50, 4), np.uint8)
    encoder: Any = CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 50, 50, "rgba", Fraction(1)
    frame = av.VideoFrame.from_ndarray(pixels, "rgba")
    data = b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])
    assert decoded(await encode_avatar(data)).mean() > 250


async def test_a_picture_taken_sideways_is_turned_upright():
    """EXIF orientation 6: the phone was held upright, so left in the file is the top."""
    data = picture("mjpeg", 400, 400, "yuvj420p")
    entry = struct.pack("<HHII", 0x0112, 3, 1, 6)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 1) + entry + bytes(4)
    turned = data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
    pixels = decoded(await encode_avatar(turned)).astype(int)
    assert pixels[60, 200][0] > 200
    assert pixels[340, 200][2] > 200


@pytest.mark.parametrize("data", [b"", b"GIF89a" + bytes(50), b"<svg/>", b"#EXTM3U\n", bytes(500)])
async def test_another_kind_of_file_is_unsupported(data):
    with pytest.raises(UnsupportedMedia):
        await encode_avatar(data)


async def test_more_than_two_megabytes_are_too_large():
    with pytest.raises(TooLarge):
        await encode_avatar(b"\xff\xd8\xff" + bytes(MAX_BYTES))


async def test_a_damaged_or_monstrous_picture_is_unprocessable():
    whole = png(64, 64)
    for data in (whole[:40], b"\xff\xd8\xff" + bytes(200), png(30_000, 2_000)):
        with pytest.raises((Unprocessable, UnsupportedMedia)):
            await encode_avatar(data)
