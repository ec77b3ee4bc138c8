"""What the media tests share: clips that are made on the spot, a way to encode them, ways to read results."""

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np

from actors.media import EncodedMedia, MediaFailure
from media.boxes import find, walk
from media.encoder import SubprocessRunner, Verdict
from media.messages import ChildBounds, Encoded, EncodeRequest, Failed


@dataclass(frozen=True)
class Made:
    """A finished encode: what was said about it, and the folder it lies in."""

    media: EncodedMedia
    files: tuple[str, ...]
    folder: Path

    def path(self, name: str) -> Path:
        return self.folder / name


async def run(path: Path, scratch: Path, **request) -> Verdict:
    """Encode *path* in a real child."""
    asked = request_for(path, scratch, request)
    with opened(path) as source:
        return await SubprocessRunner().run(asked, source, scratch, lambda _: None)


def request_for(path: Path, scratch: Path, fields: dict[str, Any]) -> EncodeRequest:
    scratch.mkdir(exist_ok=True)
    fields.setdefault("size_bytes", path.stat().st_size)
    fields.setdefault("bounds", ChildBounds(nice=0, cpu_s=120))
    return EncodeRequest(**fields)


def opened(path: Path) -> BinaryIO:
    return path.open("rb")


async def until(holds: Callable[[], bool]) -> None:
    """Return once *holds*; fail after twenty seconds."""
    for _ in range(4000):
        if holds():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not happen in twenty seconds")


async def encode(path: Path, scratch: Path, **request) -> Made:
    """Encode *path* and expect a video."""
    verdict = await run(path, scratch, **request)
    assert isinstance(verdict, Encoded), verdict
    return Made(verdict.media, verdict.files, scratch)


async def refuse(path: Path, scratch: Path, **request) -> MediaFailure:
    """Encode *path* and expect a verdict against it."""
    verdict = await run(path, scratch, **request)
    assert isinstance(verdict, Failed), verdict
    return verdict.failure


def encode_now(path: Path, scratch: Path) -> Made:
    """`encode` for fixtures, which live longer than one test's loop."""
    return asyncio.run(encode(path, scratch))


@dataclass
class Picture:
    """The frames of a file as a player shows them."""

    times: list[float]
    keys: list[float]
    width: int
    height: int
    #: Mean brightness of each frame.
    light: list[float]
    #: The last frame's luma.
    last: np.ndarray


def picture_of(source) -> Picture:
    with av.open(source) as container:
        stream = container.streams.video[0]
        times, keys, light, luma = [], [], [], np.zeros((2, 2))
        for frame in container.decode(stream):
            luma = frame.to_ndarray(format="gray")
            times.append(float(frame.pts * frame.time_base))
            light.append(float(luma.mean()))
            if frame.key_frame:
                keys.append(round(times[-1], 3))
        context = stream.codec_context
        return Picture(times, keys, context.width, context.height, light, luma)


def sound_of(source) -> tuple[float, np.ndarray]:
    """When the sound of a file starts, in seconds, and its samples (n,) at 48 kHz."""
    with av.open(source) as container:
        frames = list(container.decode(container.streams.audio[0]))
        assert {frame.sample_rate for frame in frames} == {48_000}
        start = float(frames[0].pts * frames[0].time_base)
        return start, np.concatenate([frame.to_ndarray()[0] for frame in frames])


def write_clip(
    path: Path,
    pictures: list[np.ndarray],
    *,
    times_ms: list[int] | None = None,
    sound: np.ndarray | None = None,
    sound_at_ms: int = 0,
    metadata: dict[str, str] | None = None,
    aspect: Fraction | None = None,
) -> Path:
    """Encode gray *pictures* (height, width) at *times_ms* (30 fps unless given) and mono *sound* at 48 kHz."""
    times_ms = times_ms or [round(number * 1000 / 30) for number in range(len(pictures))]
    height, width = pictures[0].shape
    with av.open(str(path), "w", "mp4", {"movflags": "use_metadata_tags"}) as output:
        output.metadata.update(metadata or {})
        video = output.add_stream("libx264", 30, {"preset": "ultrafast", "bf": "0", "crf": "20"})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.time_base = video.codec_context.time_base = Fraction(1, 1000)
        if aspect:
            video.codec_context.sample_aspect_ratio = aspect
        audio = None
        if sound is not None:
            audio = output.add_stream("aac", 48_000, layout="mono")
        for picture, time in zip(pictures, times_ms, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, "gray").reformat(format="yuv420p")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        if audio is not None and sound is not None:
            for start in range(0, len(sound) - 1023, 1024):
                block = sound[None, start : start + 1024].astype(np.float32)
                piece = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), "fltp", "mono")
                piece.sample_rate, piece.pts = 48_000, start + sound_at_ms * 48
                piece.time_base = Fraction(1, 48_000)
                output.mux(audio.encode(piece))
            output.mux(audio.encode(None))
    return path


def corners(width: int = 480, height: int = 360) -> np.ndarray:
    """A picture whose four corners tell how it was turned: black, dark, bright, white, row by row."""
    picture = np.full((height, width), 128, np.uint8)
    half_y, half_x = height // 2, width // 2
    picture[:half_y, :half_x], picture[:half_y, half_x:] = 20, 90
    picture[half_y:, :half_x], picture[half_y:, half_x:] = 160, 230
    return picture


def levels(picture: np.ndarray) -> list[int]:
    """Which of the levels of `corners` is in each corner: 0 (black) to 3 (white), row by row."""
    height, width = picture.shape
    spots = [(0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75)]
    seen = [float(picture[int(y * height), int(x * width)]) for y, x in spots]
    return [int(np.argsort(np.argsort(seen))[number]) for number in range(4)]


def with_matrix(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """Write a display matrix into the first track of the MP4 *path*; the numbers are -1, 0 or 1."""
    data = bytearray(path.read_bytes())
    moov = find(data, b"moov")
    trak = next(box for box in walk(data, moov.body, moov.end) if box.kind == b"trak")
    tkhd = find(data, b"tkhd", start=trak.body, end=trak.end)
    one = 1 << 16
    matrix = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    at = tkhd.end - 8 - 36
    data[at : at + 36] = matrix
    path.write_bytes(data)
    return path
