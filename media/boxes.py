"""A reader and mender of ISO-BMFF boxes for files that this package has just written.

Only for our own output (a muxer's mistakes, not an attacker's), yet it checks every size before it
trusts it. Two jobs: find what a player must know (where the first moof is, how long each fragment
lasts, which codecs), and put edit lists into the header.

Why edit lists: H.264 with B-frames decodes two frames before it shows one, so a picture cannot start at
decode time 0 and be shown at 0. Negative composition offsets would hide that, but FFmpeg's demuxer adds
them back for video only, and sound then leads by 66 ms. So both tracks carry the same lead-in (the sound
begins with as much silence), which keeps them together for every reader, and an edit list in each takes
it away for those that read edit lists.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass


class MalformedBox(ValueError):
    """A box says a size that cannot be."""


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its type and where it lies, in bytes from the start of the data."""

    kind: bytes
    start: int
    body: int
    end: int


def walk(data: bytes | bytearray, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes side by side in *data*.

    Raises:
        MalformedBox: a size is smaller than its own header or passes the end.
    """
    end = len(data) if end is None else end
    while start < end:
        if end - start < 8:
            raise MalformedBox(f"{end - start} bytes left at {start}")
        size, kind = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1:
            if end - body < 8:
                raise MalformedBox(f"no room for a large size at {start}")
            (size,) = struct.unpack_from(">Q", data, body)
            body += 8
        elif size == 0:
            size = end - start
        if size < body - start or start + size > end:
            raise MalformedBox(f"{kind!r} at {start} says {size} bytes")
        yield Box(kind, start, body, start + size)
        start += size


def find(data: bytes | bytearray, *path: bytes, start: int = 0, end: int | None = None) -> Box:
    """The first box at *path*, one type a level.

    Raises:
        MalformedBox: there is none.
    """
    for box in walk(data, start, end):
        if box.kind == path[0]:
            return box if len(path) == 1 else find(data, *path[1:], start=box.body, end=box.end)
    raise MalformedBox(f"no {path[0]!r}")


def with_edit_lists(data: bytes, starts: dict[int, int]) -> bytes:
    """*data* with an edit list in each track of *starts*: track id to media time of its first frame."""
    moov = find(data, b"moov")
    parts = [data[: moov.start]]
    body = b""
    for box in walk(data, moov.body, moov.end):
        raw = data[box.start : box.end]
        if box.kind == b"trak":
            tkhd = find(data, b"tkhd", start=box.body, end=box.end)
            wide = data[tkhd.body] == 1
            (track,) = struct.unpack_from(">I", data, tkhd.body + (20 if wide else 12))
            if track in starts:
                cut = tkhd.end - box.start
                raw = _box(b"trak", raw[8:cut] + _edit_list(starts[track]) + raw[cut:])
        body += raw
    parts += [_box(b"moov", body), data[moov.end :]]
    return b"".join(parts)


def _edit_list(media_time: int) -> bytes:
    # Version 0, one entry; length 0 means "to the end" where the length is not known at the start.
    entry = struct.pack(">IiHH", 0, media_time, 1, 0)
    return _box(b"edts", _box(b"elst", struct.pack(">II", 0, 1) + entry))


def _box(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body
