"""A finished rung becomes something a player can fetch in one request.

Each rung is one fragmented MP4: header, index, fragments. HLS, DASH and a plain Range request all read
the same object, so an edge caches it once. What the muxer wrote is measured here, from the bytes
themselves: nothing about a rung is published that was not read back.
"""

import struct
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from actors.media import ByteSpan, Rung
from media.boxes import Box, MalformedBox, find, walk, with_edit_lists
from media.ladder import RungPlan

#: How much must play from the start span alone, in seconds.
START_S = Fraction(3, 2)

#: Frames by which both tracks of a rung begin late: what x264 needs to reorder B-frames. Done here and
#: not left to the muxer, which would move the two tracks apart; see `media.boxes`.
REORDER_FRAMES = 2

#: One file a rung: every fragment starts with an IDR frame, offsets count from its own moof, one index
#: in front and nothing behind. `mend` writes the edit lists. Waiting for the other track without end keeps
#: sound and picture of a fragment together however the source lay.
FRAGMENTED = {
    "movflags": "+frag_keyframe+empty_moov+default_base_moof+global_sidx+skip_trailer",
    "max_interleave_delta": "0",
    "avoid_negative_ts": "disabled",
    "use_editlist": "0",
    "fflags": "+bitexact",
}

FASTSTART = {"movflags": "+faststart", "fflags": "+bitexact"}


@dataclass(frozen=True, slots=True)
class Fragment:
    """A moof with its mdat: bytes `start..end` (end exclusive) and its length in seconds."""

    start: int
    end: int
    duration_s: Fraction


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things lie in a fragmented MP4."""

    size: int
    init: ByteSpan
    index: ByteSpan
    fragments: tuple[Fragment, ...]
    codecs: str

    @property
    def duration_s(self) -> Fraction:
        """Length of the picture."""
        return sum((fragment.duration_s for fragment in self.fragments), Fraction(0))

    @property
    def start(self) -> ByteSpan:
        """Byte 0 to the end of the fragment that passes `START_S`, or the whole of a shorter file."""
        played = Fraction(0)
        for fragment in self.fragments:
            played += fragment.duration_s
            if played > START_S:
                return (0, fragment.end - 1)
        return (0, self.size - 1)


def mend(data: bytes, delay_s: Fraction) -> bytes:
    """*data* with an edit list in every track that takes away its first *delay_s*; see `media.boxes`."""
    scales, _ = _tracks(data, find(data, b"moov"))
    return with_edit_lists(data, {track: round(delay_s * scale) for track, scale in scales.items()})


def measure(data: bytes) -> Layout:
    """Read the layout of a fragmented MP4 with video as its first track.

    Raises:
        MalformedBox: it is not one.
    """
    top = list(walk(data))
    moov = next((box for box in top if box.kind == b"moov"), None)
    indexes = [box for box in top if box.kind == b"sidx"]
    if moov is None or not indexes:
        raise MalformedBox("no moov or no sidx")
    scales, codecs = _tracks(data, moov)
    fragments: list[Fragment] = []
    for moof, mdat in pairwise(top):
        if moof.kind == b"moof" and mdat.kind == b"mdat":
            fragments.append(Fragment(moof.start, mdat.end, _video_length(data, moof, scales)))
    if not fragments:
        raise MalformedBox("no fragments")
    return Layout(
        size=len(data),
        init=(0, moov.end - 1),
        index=(indexes[0].start, indexes[-1].end - 1),
        fragments=tuple(fragments),
        codecs=codecs,
    )


def describe(plan: RungPlan, layout: Layout, fps: Fraction) -> Rung:
    """The rung as cards and playlists carry it."""
    return Rung(
        name=plan.name,
        file=plan.file,
        codecs=layout.codecs,
        width=plan.width,
        height=plan.height,
        fps=round(float(fps), 3),
        bitrate=round(layout.size * 8 / float(layout.duration_s)),
        size_bytes=layout.size,
        init=layout.init,
        index=layout.index,
        start=layout.start,
    )


def _tracks(data: bytes, moov: Box) -> tuple[dict[int, int], str]:
    """Ticks a second by track id, and the RFC 6381 codecs in track order."""
    scales: dict[int, int] = {}
    codecs: list[str] = []
    for trak in (box for box in walk(data, moov.body, moov.end) if box.kind == b"trak"):
        tkhd = find(data, b"tkhd", start=trak.body, end=trak.end)
        (track,) = struct.unpack_from(">I", data, tkhd.body + (20 if data[tkhd.body] else 12))
        mdhd = find(data, b"mdia", b"mdhd", start=trak.body, end=trak.end)
        (scale,) = struct.unpack_from(">I", data, mdhd.body + (20 if data[mdhd.body] else 12))
        scales[track] = scale
        stsd = find(data, b"mdia", b"minf", b"stbl", b"stsd", start=trak.body, end=trak.end)
        entry = next(walk(data, stsd.body + 8, stsd.end))
        codecs.append(_codec(data, entry))
    return scales, ",".join(codecs)


def _codec(data: bytes, entry: Box) -> str:
    if entry.kind == b"avc1":
        # 78 bytes of a visual sample entry come before its boxes.
        avcc = find(data, b"avcC", start=entry.body + 78, end=entry.end)
        return "avc1." + data[avcc.body + 1 : avcc.body + 4].hex()
    if entry.kind == b"mp4a":
        esds = find(data, b"esds", start=entry.body + 28, end=entry.end)
        return f"mp4a.40.{_audio_object_type(data[esds.body + 4 : esds.end])}"
    raise MalformedBox(f"unexpected sample entry {entry.kind!r}")


def _audio_object_type(descriptors: bytes) -> int:
    """The object type in the AudioSpecificConfig, found by walking MPEG-4 descriptors."""
    #: Bytes of fixed fields before the nested descriptors, by descriptor tag.
    fixed = {0x03: 3, 0x04: 13}
    at = 0
    while at < len(descriptors):
        tag = descriptors[at]
        at += 1
        while descriptors[at] & 0x80:
            at += 1
        at += 1
        if tag == 0x05:
            return descriptors[at] >> 3
        at += fixed.get(tag, len(descriptors))
    raise MalformedBox("no AudioSpecificConfig")


def _video_length(data: bytes, moof: Box, scales: dict[int, int]) -> Fraction:
    traf = find(data, b"traf", start=moof.body, end=moof.end)
    track, _, samples = _traf(data, traf)
    return Fraction(sum(duration for duration, _ in samples), scales[track])


def _traf(data: bytes, traf: Box) -> tuple[int, int, list[tuple[int, int]]]:
    """Track id, decode time of the first sample, and (duration, composition offset) of each sample."""
    track = default_duration = decode_time = 0
    samples: list[tuple[int, int]] = []
    for box in walk(data, traf.body, traf.end):
        version, flags = data[box.body], int.from_bytes(data[box.body + 1 : box.body + 4], "big")
        at = box.body + 4
        if box.kind == b"tfhd":
            (track,) = struct.unpack_from(">I", data, at)
            # Optional base offset (8 bytes) and sample description (4) come before the duration.
            at += 4 + (8 if flags & 0x1 else 0) + (4 if flags & 0x2 else 0)
            if flags & 0x8:
                (default_duration,) = struct.unpack_from(">I", data, at)
        elif box.kind == b"tfdt":
            (decode_time,) = struct.unpack_from(">Q" if version else ">I", data, at)
        elif box.kind == b"trun":
            (count,) = struct.unpack_from(">I", data, at)
            at += 4 + (4 if flags & 0x1 else 0) + (4 if flags & 0x4 else 0)
            for _ in range(count):
                duration, offset = default_duration, 0
                if flags & 0x100:
                    (duration,) = struct.unpack_from(">I", data, at)
                at += 4 * bool(flags & 0x100) + 4 * bool(flags & 0x200) + 4 * bool(flags & 0x400)
                if flags & 0x800:
                    (offset,) = struct.unpack_from(">i" if version else ">I", data, at)
                    at += 4
                samples.append((duration, offset))
    return track, decode_time, samples
