"""The sound of a clip: any codec, rate and layout in; blocks of 48 kHz stereo and one loudness out.

The promise: there is always a sound track, exactly as long as the picture, whatever the source's track
does; one that cannot be decoded becomes silence from there on. Loudness is measured, not applied: a
player can turn a gain off, a re-encoded level it cannot.
"""

import math
from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.filter import Graph
from av.stream import Stream

from media.timeline import BLOCK, SAMPLE_RATE, Samples, SoundLine

#: What players are asked to reach, in LUFS, and how far a gain may go, in dB: a whisper is not turned
#: into a roar of noise, and a roar may be turned down further than a whisper up.
TARGET_LUFS = -14.0
MAX_GAIN_DB = 12.0
MIN_GAIN_DB = -20.0

#: Below this ebur128 measures its own floor: silence, which needs no gain.
SILENCE_LUFS = -69.0

#: Packets that may fail to decode before the rest of the track is given up.
MAX_ERRORS = 50


def gain_for(loudness_lufs: float | None) -> float:
    """What a player adds, in dB, to bring sound of *loudness_lufs* to the target; 0 for silence."""
    if loudness_lufs is None or not math.isfinite(loudness_lufs) or loudness_lufs <= SILENCE_LUFS:
        return 0.0
    return round(min(MAX_GAIN_DB, max(MIN_GAIN_DB, TARGET_LUFS - loudness_lufs)), 2)


class SoundTrack:
    """Decodes one audio stream onto a line that begins at *start_s* of the source and lasts *total* samples.

    In the encoded track time 0 comes *lead* samples late, the encoder's own run-in included: see
    `media.boxes`.
    """

    def __init__(self, start_s: Fraction, *, lead: int, total: int) -> None:
        self._start_s = start_s
        # The AAC encoder puts one block of its own in front.
        self._lead = lead - BLOCK
        self._line = SoundLine(self._lead + total)
        self._resampler: AudioResampler | None = None
        self._shape: tuple[str, str, int] | None = None
        self._meter = LoudnessMeter()
        self._errors = 0
        self._heard = False
        #: Time of the next block, in samples; the encoder's run-in then lands on 0.
        self._next = BLOCK

    @property
    def gain_db(self) -> float:
        """See `gain_for`; final once `finish` is drained."""
        return gain_for(self._meter.integrated_lufs) if self._heard else 0.0

    def feed(self, packet: "av.Packet[Stream]") -> Iterator[AudioFrame]:
        """Blocks that are complete once *packet* is decoded."""
        if self._errors > MAX_ERRORS:
            return
        try:
            frames = [frame for frame in packet.decode() if isinstance(frame, AudioFrame)]
            pieces = [piece for frame in frames for piece in self._resample(frame)]
        except (av.error.FFmpegError, ValueError):
            self._errors += 1
            return
        for at, samples in pieces:
            self._heard = True
            yield from self._emit(self._line.add(at, samples))

    def finish(self) -> Iterator[AudioFrame]:
        """The blocks up to the end, silent where the source has nothing left."""
        yield from self._emit(self._line.finish())

    def _resample(self, frame: AudioFrame) -> list[tuple[int, Samples]]:
        pieces = []
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or shape != self._shape:
            # A stream may change its rate or layout; a new resampler takes it from here.
            self._resampler = AudioResampler("fltp", "stereo", SAMPLE_RATE)
            self._shape = shape
        for piece in self._resampler.resample(frame):
            samples = piece.to_ndarray()
            if piece.pts is None or piece.time_base is None:
                continue
            at = round((piece.pts * piece.time_base - self._start_s) * SAMPLE_RATE)
            # A decoder may produce NaN from broken bits, and an encoder must never see one.
            clean = np.nan_to_num(samples.astype(np.float32), nan=0.0, posinf=1.0, neginf=-1.0)
            pieces.append((self._lead + at, np.clip(clean, -4.0, 4.0)))
        return pieces

    def _emit(self, blocks: list[Samples]) -> Iterator[AudioFrame]:
        for block in blocks:
            frame = AudioFrame.from_ndarray(np.ascontiguousarray(block), "fltp", "stereo")
            frame.sample_rate = SAMPLE_RATE
            frame.time_base = Fraction(1, SAMPLE_RATE)
            frame.pts = self._next
            self._next += BLOCK
            self._meter.add(frame)
            yield frame


class LoudnessMeter:
    """EBU R 128 integrated loudness of 48 kHz stereo, by FFmpeg's own meter."""

    def __init__(self) -> None:
        #: In LUFS; None before the first 400 ms are heard.
        self.integrated_lufs: float | None = None
        graph = Graph()
        self._source = graph.add_abuffer(
            sample_rate=SAMPLE_RATE,
            format="fltp",
            layout="stereo",
            time_base=Fraction(1, SAMPLE_RATE),
        )
        meter = graph.add("ebur128", "metadata=1:framelog=quiet")
        self._sink = graph.add("abuffersink")
        graph.link_nodes(self._source, meter, self._sink)
        graph.configure()
        self._graph = graph

    def add(self, frame: AudioFrame) -> None:
        """Hear *frame*."""
        self._source.push(frame)
        while True:
            try:
                measured = self._sink.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            value = measured.metadata.get("lavfi.r128.I")
            if value is not None:
                self.integrated_lufs = float(value)
