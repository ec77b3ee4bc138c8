"""Opens a stranger's file and decides, before a frame is decoded, whether it may be decoded at all.

Three allow-lists stand between the bytes and FFmpeg's 370 demuxers and 540 decoders: demuxers by name
(a text file called `x.mp4` is otherwise a concat script that reads other files), decoders by name both
while probing and while decoding (the second is not inherited from the first), and sizes. Packets are
always counted, because what a header declares is what the uploader wants us to believe.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from actors.media import MediaLimits
from media.errors import Refused

#: Names of the demuxers that may open a file: ISO-BMFF with its relatives, and Matroska with WebM.
DEMUXERS = "mov,matroska"

VIDEO_DECODERS = frozenset({"h264", "hevc", "libdav1d", "vp8", "vp9", "mpeg4", "h263"})

AUDIO_DECODERS = frozenset(
    {"aac", "mp3", "mp3float", "opus", "libopus", "vorbis", "amrnb", "amrwb", "alac", "flac"}
    | {"pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_f32le", "pcm_u8"}
)

DECODERS = ",".join(sorted(VIDEO_DECODERS | AUDIO_DECODERS))

#: Tracks a file may have; phones write six at most (two videos, sound, three of metadata).
MAX_STREAMS = 16

#: Frames a second at which a clip of the longest allowed duration stops being a clip: slow motion at 240.
MAX_FRAME_RATE = 250

#: The share of its declared length that a file must really contain.
WHOLE_SHARE = Fraction(95, 100)

EBML_MAGIC = b"\x1a\x45\xdf\xa3"
BMFF_FIRST_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"styp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceInfo:
    """What is known of a clip once its packets were counted."""

    video_index: int
    #: None where there is no sound that may be decoded.
    audio_index: int | None
    #: Coded size in pixels, before rotation.
    width: int
    height: int
    #: Time of the first frame to be shown, in seconds of the file's own clock.
    start_s: Fraction
    #: From the first frame to the end of the last one.
    duration_s: Fraction
    #: Frames a second on average, as counted.
    average_rate: Fraction
    frames: int


@dataclass(slots=True)
class _Span:
    """The packets of one stream, counted; times in seconds."""

    packets: int = 0
    first: Fraction | None = None
    last: Fraction = Fraction(0)
    end: Fraction = Fraction(0)

    @property
    def length(self) -> Fraction:
        return self.end - self.first if self.first is not None else Fraction(0)

    @property
    def rate(self) -> Fraction | None:
        """Packets a second, by the times between them: the length of the last is often made up."""
        if self.first is None or self.last <= self.first:
            return None
        return Fraction(self.packets - 1) / (self.last - self.first)


def open_source(file: BinaryIO) -> InputContainer:
    """Open *file* behind the allow-lists, from its first byte.

    Raises:
        Refused: `not_a_video`, or `damaged` where it starts like a video.
    """
    file.seek(0)
    head = file.read(12)
    file.seek(0)
    try:
        return av.open(
            file,
            "r",
            options={
                "format_whitelist": DEMUXERS,
                "codec_whitelist": DECODERS,
                "protocol_whitelist": "",
                "max_streams": str(MAX_STREAMS),
            },
        )
    except MemoryError:
        # What FFmpeg answers when a file has more streams than allowed.
        raise Refused("damaged", "The file has too many tracks.") from None
    except (av.error.FFmpegError, ValueError):
        if head[:4] == EBML_MAGIC or head[4:8] in BMFF_FIRST_BOXES:
            raise Refused("damaged", "The file is damaged or incomplete.") from None
        raise Refused("not_a_video", "The file is not a video of a supported kind.") from None


def probe(file: BinaryIO, limits: MediaLimits) -> SourceInfo:
    """Measure the clip in *file* by its packets.

    Raises:
        Refused: whatever API.md lists for a clip that may not or cannot be decoded.
    """
    with open_source(file) as container:
        video = _choose_video(container)
        audio = _choose_audio(container)
        width, height = video.codec_context.width, video.codec_context.height
        if width <= 0 or height <= 0:
            raise Refused("damaged", "The size of the picture is unknown.")
        if width * height > limits.max_pixels:
            raise Refused("too_many_pixels", f"The picture of {width} x {height} is too large.")
        spans = _count(container, video, limits)
        span = spans[video.index]
        if span.first is None:
            raise Refused("damaged", "The video track is empty.")
        duration = span.length or 1 / (video.average_rate or Fraction(30))
        if duration > limits.max_duration_s or span.packets > _max_frames(limits):
            raise Refused("too_long", f"The video is longer than {limits.max_duration_s:.0f} s.")
        _check_whole(container, video, spans)
        if duration < limits.min_duration_s:
            raise Refused("too_short", f"The video is shorter than {limits.min_duration_s} s.")
        return SourceInfo(
            video_index=video.index,
            audio_index=None if audio is None else audio.index,
            width=width,
            height=height,
            start_s=span.first,
            duration_s=duration,
            average_rate=span.rate or span.packets / duration,
            frames=span.packets,
        )


def restrict(stream: Stream, limits: MediaLimits, threads: int) -> None:
    """Bind the decoder of *stream* to the allow-list and the pixel limit; before its first packet.

    FFmpeg does not hand the container's options down to decoders that are opened later.
    """
    context = stream.codec_context
    context.options = {"codec_whitelist": DECODERS, "max_pixels": str(limits.max_pixels)}
    context.thread_type = "AUTO"
    context.thread_count = threads


def _choose_video(container: InputContainer) -> VideoStream:
    candidates: list[VideoStream] = []
    unknown = False
    for stream in container.streams:
        if not isinstance(stream, VideoStream):
            unknown = unknown or (stream.type == "video")
        elif stream.disposition & Disposition.attached_pic:
            continue  # the cover of a song
        elif _decoder(stream) not in VIDEO_DECODERS:
            unknown = True
        else:
            candidates.append(stream)
    if candidates:
        return max(candidates, key=lambda s: s.codec_context.width * s.codec_context.height)
    if unknown:
        raise Refused("unsupported_codec", "The video is encoded in a way that is not supported.")
    raise Refused("no_video_track", "The file has no video track.")


def _choose_audio(container: InputContainer) -> AudioStream | None:
    for stream in container.streams:
        if isinstance(stream, AudioStream) and _decoder(stream) in AUDIO_DECODERS:
            return stream
    return None


def _decoder(stream: Stream) -> str | None:
    """The name of the decoder; None where the file does not say what the stream is."""
    name: str | None = getattr(getattr(stream, "codec_context", None), "name", None)
    return name


def _count(container: InputContainer, video: VideoStream, limits: MediaLimits) -> dict[int, _Span]:
    """Read every packet; stop early once the picture is certainly too long."""
    spans: dict[int, _Span] = {stream.index: _Span() for stream in container.streams}
    span = spans[video.index]
    most = _max_frames(limits)
    frame_s = 1 / video.average_rate if video.average_rate else Fraction(1, 30)
    try:
        for packet in container.demux():
            _add(spans[packet.stream_index], packet, frame_s)
            if span.packets > most or span.length > limits.max_duration_s + 1:
                break
    except av.error.FFmpegError:
        pass  # what could be read counts; whether it is enough is decided by its length
    return spans


def _add(span: _Span, packet: "av.Packet[Stream]", frame_s: Fraction) -> None:
    # A packet without data ends a stream; one to be discarded lies outside the edit list.
    time = packet.pts if packet.pts is not None else packet.dts
    if time is None or packet.size == 0 or packet.is_discard:
        return
    at = time * packet.time_base
    span.packets += 1
    if span.first is None or at < span.first:
        span.first = at
    # The last frame's length is often not written down; then it lasts as long as any other.
    length = packet.duration * packet.time_base if packet.duration else Fraction(0)
    if at >= span.last or span.packets == 1:
        span.last = at
        span.end = at + (length or frame_s)


def _check_whole(container: InputContainer, video: VideoStream, spans: dict[int, _Span]) -> None:
    declared: list[tuple[Fraction, Fraction]] = []
    if video.duration and video.time_base:
        declared.append((video.duration * video.time_base, spans[video.index].length))
    elif container.duration:
        longest = max(span.length for span in spans.values())
        declared.append((Fraction(container.duration, av.time_base), longest))
    for promised, found in declared:
        if found < promised * WHOLE_SHARE and promised - found > Fraction(1, 10):
            raise Refused("damaged", "The file is incomplete.")


def _max_frames(limits: MediaLimits) -> int:
    return int(limits.max_duration_s * MAX_FRAME_RATE)
