"""A person's picture: any JPEG, PNG or WebP in, a square JPEG out. Runs inside the child.

Never the uploader's bytes: the picture is decoded, turned upright, cut to its middle square, scaled, laid
on white where it is transparent, and encoded anew without metadata.
"""

from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from media.errors import Refused
from media.messages import StillEncoded, StillRequest
from media.picture import Orientation
from media.stills import jpeg

DEMUXERS = "jpeg_pipe,png_pipe,webp_pipe"

DECODERS = frozenset({"mjpeg", "png", "webp"})

FILE = "still.jpg"


def encode_still(file: BinaryIO, scratch: Path, request: StillRequest) -> StillEncoded:
    """Write `still.jpg` of `request.side` pixels into *scratch*.

    Raises:
        Refused: `not_a_video` where it is no picture of a supported kind, `too_many_pixels`, `damaged`.
    """
    frame = _first_frame(file, request)
    square = _square(frame, request.side)
    (scratch / FILE).write_bytes(jpeg(square))
    return StillEncoded(file=FILE)


def _first_frame(file: BinaryIO, request: StillRequest) -> VideoFrame:
    names = ",".join(sorted(DECODERS))
    try:
        container = av.open(
            file,
            "r",
            options={
                "format_whitelist": DEMUXERS,
                "codec_whitelist": names,
                "protocol_whitelist": "",
                "max_pixels": str(request.max_pixels),
            },
        )
    except (av.error.FFmpegError, ValueError):
        raise Refused("not_a_video", "The file is not a picture of a supported kind.") from None
    with container:
        stream = container.streams[0]
        if not isinstance(stream, VideoStream) or stream.codec_context.name not in DECODERS:
            raise Refused("not_a_video", "The file is not a picture of a supported kind.")
        context = stream.codec_context
        if context.width * context.height > request.max_pixels:
            raise Refused("too_many_pixels", "The picture is too large.")
        context.options = {"codec_whitelist": names, "max_pixels": str(request.max_pixels)}
        context.thread_count = 1
        try:
            for frame in container.decode(stream):
                return frame
        except (av.error.FFmpegError, ValueError):
            pass
    raise Refused("damaged", "The picture cannot be decoded.")


def _square(frame: VideoFrame, side: int) -> VideoFrame:
    turn = Orientation.of(frame)
    scale = side / min(frame.width, frame.height)
    width = max(side, round(frame.width * scale))
    height = max(side, round(frame.height * scale))
    # A strip a thousand times longer than wide would be scaled to a monster.
    width, height = min(width, 8 * side), min(height, 8 * side)
    pixels = frame.reformat(width=width, height=height, format="rgba", threads=1).to_ndarray()
    left, top = (width - side) // 2, (height - side) // 2
    cut = pixels[top : top + side, left : left + side].astype(np.float32)
    for name, args in turn.filters:
        cut = _turned(cut, name, args)
    alpha = cut[..., 3:] / 255
    flat = cut[..., :3] * alpha + 255 * (1 - alpha)
    picture = VideoFrame.from_ndarray(np.ascontiguousarray(flat.astype(np.uint8)), "rgb24")
    return picture.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")


def _turned(
    pixels: "np.ndarray[tuple[int, ...], np.dtype[np.float32]]", name: str, args: str
) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    """The same as FFmpeg's filter of that name does, for a picture that is an array already."""
    if name == "hflip":
        return pixels[:, ::-1]
    if name == "vflip":
        return pixels[::-1]
    swapped = pixels.transpose(1, 0, 2)
    # cclock_flip is the bare transposition; the others mirror it.
    if args in ("clock", "clock_flip"):
        swapped = swapped[:, ::-1]
    if args in ("cclock", "clock_flip"):
        swapped = swapped[::-1]
    return swapped
