"""One pass over a clip: decoded once, every rung, the sound, the cover and the preview from the same frames.

One source frame is held at a time, and a bounded queue of scaled ones, so memory depends on the size of
a picture and not on the length of a clip. What comes out is regular whatever came in: constant frame
rate from 0, all rungs cut at the same frames, sound exactly as long as the picture.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from actors.media import MediaLimits
from media.errors import Refused
from media.ladder import RungPlan, choose_fps, choose_ladder, keyframe_slots
from media.package import REORDER_FRAMES
from media.picture import Orientation, PictureScaler, shown_size
from media.probe import WHOLE_SHARE, SourceInfo, open_source, restrict
from media.rungs import RungWriter
from media.sound import SoundTrack
from media.stills import CoverChooser, PreviewMaker
from media.timeline import SAMPLE_RATE, FrameGrid

#: The share of a clip's packets that may fail to decode before it counts as damaged.
MAX_ERROR_SHARE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcoded:
    """What one pass found and made; the rungs' files lie in the scratch folder under their plans' names."""

    plans: tuple[RungPlan, ...]
    fps: Fraction
    frames: int
    #: As shown, after rotation.
    width: int
    height: int
    gain_db: float
    #: The frame chosen for the cover, in the start rung's size.
    cover: VideoFrame


class Transcoder:
    """Runs the pass over one clip, writing into *scratch*."""

    def __init__(
        self,
        info: SourceInfo,
        limits: MediaLimits,
        scratch: Path,
        *,
        threads: int,
        progress: Callable[[float], None],
    ) -> None:
        self._info = info
        self._limits = limits
        self._scratch = scratch
        self._threads = threads
        self._progress = progress
        self._fps = choose_fps(info.average_rate)
        self._total = max(1, round(info.duration_s * self._fps))
        self._keys = keyframe_slots(self._total, self._fps)
        self._grid = FrameGrid(self._fps, self._total)
        self._sound = SoundTrack(
            info.start_s,
            lead=round(REORDER_FRAMES / self._fps * SAMPLE_RATE),
            total=round(self._total / self._fps * SAMPLE_RATE),
        )
        self._covers = CoverChooser(self._total)
        self._plans: tuple[RungPlan, ...] = ()
        self._shown = (0, 0)
        self._writers: list[RungWriter] = []
        self._scaler: PictureScaler | None = None
        self._preview: PreviewMaker | None = None
        #: Sound that was decoded before the first frame opened the rungs.
        self._early: list[av.AudioFrame] = []

    def run(self, file: BinaryIO) -> Transcoded:
        """Do it.

        Raises:
            Refused: `damaged` where too little of the clip can be decoded, `too_many_pixels` where it
                grows beyond the limit in the middle.
        """
        with open_source(file) as container:
            self._decode(container)
        for frame in self._sound.finish():
            self._hear(frame)
        self._close()
        assert self._covers.best is not None
        return Transcoded(
            plans=self._plans,
            fps=self._fps,
            frames=self._total,
            width=self._shown[0],
            height=self._shown[1],
            gain_db=self._sound.gain_db,
            cover=self._covers.best,
        )

    def _decode(self, container: InputContainer) -> None:
        video = container.streams[self._info.video_index]
        if not isinstance(video, VideoStream):
            raise Refused("damaged", "The video track changed while it was read.")
        streams: list[VideoStream | AudioStream] = [video]
        restrict(video, self._limits, self._threads)
        if self._info.audio_index is not None:
            audio = container.streams[self._info.audio_index]
            if isinstance(audio, AudioStream):
                restrict(audio, self._limits, 1)
                streams.append(audio)
        previous: VideoFrame | None = None
        reached = Fraction(0)
        for frame in self._frames(container, video, streams):
            at = self._time_of(frame, reached)
            if previous is None:
                self._open(frame, video)
            elif at <= reached:
                continue  # a frame out of order; the one that is shown stays
            else:
                self._show(previous, self._grid.slots_before(at))
            previous, reached = frame, at
        if previous is None:
            raise Refused("damaged", "No frame of the video can be decoded.")
        frame_s = 1 / self._info.average_rate
        if reached + 2 * frame_s < self._info.duration_s * WHOLE_SHARE:
            raise Refused("damaged", "A part of the video cannot be decoded.")
        self._show(previous, self._grid.rest())

    def _frames(
        self,
        container: InputContainer,
        video: VideoStream,
        streams: list[VideoStream | AudioStream],
    ) -> Iterator[VideoFrame]:
        errors = 0
        for packet in self._packets(container, streams):
            if packet.stream_index != video.index:
                for block in self._sound.feed(packet):
                    self._hear(block)
                continue
            try:
                frames = packet.decode()
            except (av.error.FFmpegError, ValueError):
                errors += 1
                if errors > self._info.frames * MAX_ERROR_SHARE + 1:
                    raise Refused("damaged", "The video cannot be decoded.") from None
                continue
            for frame in frames:
                if not isinstance(frame, VideoFrame):
                    continue
                if frame.width * frame.height > self._limits.max_pixels:
                    raise Refused("too_many_pixels", "The picture is too large.")
                yield frame

    def _packets(
        self, container: InputContainer, streams: list[VideoStream | AudioStream]
    ) -> Iterator["av.Packet[Stream]"]:
        packets = container.demux(streams)
        while True:
            try:
                yield next(packets)
            except StopIteration:
                return
            except av.error.FFmpegError:
                return  # the file ends here; whether that is enough is decided by what was shown

    def _time_of(self, frame: VideoFrame, reached: Fraction) -> Fraction:
        """Seconds from the first frame of the clip."""
        if frame.pts is None or frame.time_base is None:
            return reached + 1 / self._info.average_rate
        return frame.pts * frame.time_base - self._info.start_s

    def _open(self, frame: VideoFrame, video: VideoStream) -> None:
        """Choose the ladder by the first frame: only it knows how the picture is turned."""
        turn = Orientation.of(frame)
        self._shown = shown_size(frame, video.sample_aspect_ratio, turn)
        self._plans = choose_ladder(*self._shown)
        self._scaler = PictureScaler(self._plans, turn)
        for plan in self._plans:
            file = (self._scratch / plan.file).open("w+b")
            shared = self._writers[0].sound if self._writers else None
            self._writers.append(RungWriter(file, plan, self._fps, self._threads, shared))
        small = self._plans[-1]
        preview = (self._scratch / "preview.webp").open("w+b")
        self._preview = PreviewMaker(preview, small.width, small.height, self._total, self._fps)
        for block in self._early:
            self._hear(block)
        self._early.clear()

    def _show(self, frame: VideoFrame, slots: range) -> None:
        if not slots:
            return
        assert self._scaler is not None
        assert self._preview is not None
        sizes = self._scaler.scale(frame)
        for slot in slots:
            for writer, size in zip(self._writers, sizes, strict=True):
                writer.add(slot, size, key=slot in self._keys)
            self._covers.consider(slot, sizes[0], sizes[-1])
            self._preview.add(slot, sizes[-1])
        self._progress(slots.stop / self._total)

    def _hear(self, frame: av.AudioFrame) -> None:
        if not self._writers:
            self._early.append(frame)
            return
        self._mux_sound(self._writers[0].sound.encode(frame))

    def _mux_sound(self, packets: "list[av.Packet[AudioStream]]") -> None:
        for packet in packets:
            for writer in self._writers:
                writer.mux(packet)

    def _close(self) -> None:
        assert self._preview is not None
        self._mux_sound(self._writers[0].sound.encode(None))
        for writer in self._writers:
            writer.close()
        self._preview.close()
