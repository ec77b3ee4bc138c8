"""One rung being written: an encoder, a muxer and a thread of its own.

Key frames only where they are asked for, so that all rungs of a clip are cut at the same frames; every
rung is given the same packets of sound, so that changing a rung cannot be heard.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from typing import BinaryIO

import av
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import PictureType, VideoFrame

from media.ladder import RungPlan
from media.package import FRAGMENTED, REORDER_FRAMES
from media.timeline import SAMPLE_RATE

#: Of the one sound track that all rungs share, in bits per second: equal sound makes changing a rung
#: inaudible, and FFmpeg's own encoder is not worth hearing far below this.
AUDIO_BITRATE = 96_000

#: Frames and packets of sound that may wait for one encoder; bounds what a slow rung holds in memory.
QUEUE = 16


class RungWriter:
    """Encodes and muxes one rung into *file*, in a thread of its own.

    FFmpeg lets go of the interpreter while it encodes, so rungs are encoded beside one another and beside
    the decoder. Whatever goes wrong there is raised by a later call here, by `close` at the latest.
    """

    def __init__(
        self, file: BinaryIO, plan: RungPlan, fps: Fraction, threads: int, sound: AudioStream | None
    ) -> None:
        self._file = file
        self._output: OutputContainer = av.open(file, "w", format="mp4", options=FRAGMENTED)
        self._video = self._output.add_stream("libx264", fps, _x264_options(plan, threads))
        self._video.width, self._video.height = plan.width, plan.height
        self._video.pix_fmt = "yuv420p"
        self._video.time_base = 1 / fps
        self._time_base = 1 / fps
        if sound is None:
            self.sound = self._output.add_stream("aac", SAMPLE_RATE, layout="stereo")
            self.sound.bit_rate = AUDIO_BITRATE
        else:
            self.sound = self._output.add_stream_from_template(sound)
        self._output.start_encoding()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"rung-{plan.name}")
        self._pending: deque[Future[None]] = deque()

    def add(self, slot: int, frame: VideoFrame, *, key: bool) -> None:
        """Encode *frame* as number *slot*; waits while the encoder is `QUEUE` steps behind."""
        self._later(self._encode, slot, frame, key)

    def mux(self, packet: "av.Packet[AudioStream]") -> None:
        """Take a packet of the shared sound; it may be given to several writers."""
        self._later(self._output.mux, packet)

    def close(self) -> None:
        """Flush the encoder and write the index."""
        for step in self._pending:
            step.result()
        self._thread.shutdown()
        self._output.mux(self._video.encode(None))
        self._output.close()
        # The container writes through it and leaves it open, with bytes in its buffer.
        self._file.close()

    def _later(self, work: Callable[..., None], *arguments: object) -> None:
        if len(self._pending) >= QUEUE:
            self._pending.popleft().result()
        self._pending.append(self._thread.submit(work, *arguments))

    def _encode(self, slot: int, frame: VideoFrame, key: bool) -> None:
        frame.pts = slot + REORDER_FRAMES
        frame.time_base = self._time_base
        frame.pict_type = PictureType.I if key else PictureType.NONE
        self._output.mux(self._video.encode(frame))


def _x264_options(plan: RungPlan, threads: int) -> dict[str, str]:
    return {
        "preset": "veryfast",
        "profile": plan.profile,
        "crf": str(plan.crf),
        "maxrate": str(plan.max_bitrate),
        "bufsize": str(plan.buffer_bits),
        # Key frames only where they are asked for, and those always IDR: rungs stay aligned.
        "sc_threshold": "0",
        "g": "100000",
        "forced-idr": "1",
        "bf": "3",
        "threads": str(threads),
        "colorspace": "bt709",
        "color_primaries": "bt709",
        "color_trc": "bt709",
        "color_range": "tv",
        "a53cc": "0",
    }
