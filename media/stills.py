"""The pictures beside a video: a cover, a moving preview, and the hash that is painted before both.

All from frames that are already decoded and scaled. The cover is the best of a dozen frames spread over
the clip, so that a fade from black does not become the face of a video; only the best one so far is held.
"""

from fractions import Fraction
from typing import BinaryIO

import av
import numpy as np
import numpy.typing as npt
from av.codec import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame

from media import thumbhash
from media.ladder import fit

#: Frames of a clip that are looked at for a cover.
CANDIDATES = 12

#: JPEG quantiser, 2 (best) to 31; 4 gives some 50 KB at 540 x 960.
JPEG_SCALE = 4

#: FFmpeg counts quantisers in 1/118.
LAMBDA = 118

#: The preview: short side in pixels, frames a second, seconds.
PREVIEW_SIDE, PREVIEW_FPS, PREVIEW_S = 240, 10, 2


class CoverChooser:
    """Keeps the best frame of a clip of *total* frames."""

    def __init__(self, total: int) -> None:
        self._step = max(1, total // CANDIDATES)
        self._score = -1.0
        self.best: VideoFrame | None = None

    def consider(self, slot: int, large: VideoFrame, small: VideoFrame) -> None:
        """Look at the picture of *slot*: judged by its *small* size, kept in its *large* one."""
        if self.best is not None and slot % self._step:
            return
        score = interest(luma(small))
        if score > self._score:
            self._score, self.best = score, large


def interest(brightness: npt.NDArray[np.uint8]) -> float:
    """How much there is to see in a luma plane: contrast and detail, less where it is near black or white."""
    plane = brightness[::4, ::4].astype(np.float32)
    mean, contrast = float(plane.mean()), float(plane.std())
    detail = float(np.abs(np.diff(plane, axis=1)).mean()) if plane.shape[1] > 1 else 0.0
    # 1 in the middle of the range, falling to 0.1 at its ends.
    lit = max(0.1, 1 - (abs(mean - 120) / 120) ** 2)
    return (contrast + 2 * detail) * lit


def luma(frame: VideoFrame) -> npt.NDArray[np.uint8]:
    """The brightness plane of a `yuv420p` frame, shape (height, width); a view, not a copy."""
    plane = frame.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width]


def jpeg(frame: VideoFrame) -> bytes:
    """*frame* as a baseline JPEG without metadata. JPEG means BT.601 and full range, so it is converted."""
    picture = frame.reformat(
        format="yuvj420p",
        src_colorspace="ITU709",
        dst_colorspace="ITU601",
        src_color_range="MPEG",
        dst_color_range="JPEG",
        threads=1,
    )
    encoder = _encoder("mjpeg", picture.width, picture.height, "yuvj420p", Fraction(1))
    encoder.options = {
        "flags": "+qscale+bitexact",
        "global_quality": str(JPEG_SCALE * LAMBDA),
        "threads": "1",
    }
    picture.pts = 0
    picture.time_base = Fraction(1)
    picture.pict_type = PictureType.NONE
    return b"".join(bytes(packet) for packet in [*encoder.encode(picture), *encoder.encode(None)])


def hash_of(frame: VideoFrame) -> str:
    """The ThumbHash of *frame*, base64 without padding."""
    scale = thumbhash.MAX_SIDE / max(frame.width, frame.height)
    small = frame.reformat(
        width=max(1, round(frame.width * scale)),
        height=max(1, round(frame.height * scale)),
        format="rgba",
        src_colorspace="ITU709",
        threads=1,
    )
    return thumbhash.encode_text(small.to_ndarray().astype(np.uint8))


class PreviewMaker:
    """Writes an animated WebP of the first `PREVIEW_S` seconds of frames of *width* x *height* to *file*."""

    def __init__(self, file: BinaryIO, width: int, height: int, total: int, fps: Fraction) -> None:
        self._file = file
        self._width, self._height = fit(width, height, PREVIEW_SIDE)
        # A little into the clip, where it has somewhere to go: people start recording too early.
        length = Fraction(total) / fps
        begin = min(length / 10, max(Fraction(0), length - PREVIEW_S))
        first = round(begin * fps)
        times = (
            first + round(Fraction(n, PREVIEW_FPS) * fps) for n in range(PREVIEW_S * PREVIEW_FPS)
        )
        self._slots = {slot for slot in times if slot < total}
        self._output = av.open(
            file, "w", format="webp", options={"loop": "0", "fflags": "+bitexact"}
        )
        # Fast method, since this is a glance at 240 pixels.
        options = {"quality": "55", "compression_level": "1", "cr_threshold": "0"}
        self._stream = self._output.add_stream("libwebp_anim", PREVIEW_FPS, options)
        self._stream.width, self._stream.height = self._width, self._height
        self._stream.pix_fmt = "yuv420p"
        self._made = 0

    def add(self, slot: int, frame: VideoFrame) -> None:
        """Take the picture of *slot* if the preview shows it."""
        if slot not in self._slots:
            return
        # WebP, like JPEG, means BT.601.
        picture = frame.reformat(
            width=self._width,
            height=self._height,
            format="yuv420p",
            src_colorspace="ITU709",
            dst_colorspace="ITU601",
            threads=1,
        )
        picture.pts = self._made
        picture.time_base = Fraction(1, PREVIEW_FPS)
        picture.pict_type = PictureType.NONE
        self._made += 1
        self._output.mux(self._stream.encode(picture))

    def close(self) -> None:
        """Write what is left and the file's end."""
        self._output.mux(self._stream.encode(None))
        self._output.close()
        self._file.close()


def _encoder(
    name: str, width: int, height: int, pix_fmt: str, time_base: Fraction
) -> VideoCodecContext:
    context = CodecContext.create(name, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, pix_fmt
    context.time_base = time_base
    return context
