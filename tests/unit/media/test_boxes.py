"""The box walker trusts no size, and its edit lists land where readers look for them."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media.boxes import Box, MalformedBox, find, walk, with_edit_lists


def box(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I4s", 8 + len(body), kind) + body


def trak(track: int) -> bytes:
    tkhd = box(b"tkhd", bytes(12) + struct.pack(">I", track) + bytes(68))
    return box(b"trak", tkhd + box(b"mdia"))


def test_boxes_are_found_side_by_side_and_inside_one_another():
    data = box(b"ftyp", b"isom") + box(b"moov", box(b"mvhd", b"1") + box(b"trak", box(b"tkhd")))
    assert [found.kind for found in walk(data)] == [b"ftyp", b"moov"]
    assert find(data, b"moov", b"trak", b"tkhd").kind == b"tkhd"
    with pytest.raises(MalformedBox):
        find(data, b"moov", b"udta")


def test_large_and_open_sizes_are_understood():
    large = struct.pack(">I4sQ", 1, b"mdat", 20) + b"1234"
    rest = struct.pack(">I4s", 0, b"free") + b"12345"
    assert list(walk(large + rest)) == [Box(b"mdat", 0, 16, 20), Box(b"free", 20, 28, 33)]


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\0",
        struct.pack(">I4s", 7, b"free"),
        struct.pack(">I4s", 9, b"free"),
        struct.pack(">I4s", 1, b"free"),
        struct.pack(">I4sQ", 1, b"free", 15),
        struct.pack(">I4sQ", 1, b"free", 2**63),
    ],
)
def test_a_size_that_cannot_be_is_refused(data):
    with pytest.raises(MalformedBox):
        list(walk(data))


@given(st.binary(max_size=300))
def test_any_bytes_are_walked_to_their_end_or_refused(data):
    try:
        found = list(walk(data))
    except MalformedBox:
        return
    assert sum(each.end - each.start for each in found) == len(data)


def test_edit_lists_are_put_behind_the_header_of_their_track_and_sizes_grow():
    data = box(b"ftyp") + box(b"moov", trak(1) + trak(2)) + box(b"moof", b"x")
    mended = with_edit_lists(data, {2: 3200})
    moov = find(mended, b"moov")
    first, second = list(walk(mended, moov.body, moov.end))
    assert [b.kind for b in walk(mended, first.body, first.end)] == [b"tkhd", b"mdia"]
    assert [b.kind for b in walk(mended, second.body, second.end)] == [b"tkhd", b"edts", b"mdia"]
    elst = find(mended, b"edts", b"elst", start=second.body, end=second.end)
    assert struct.unpack_from(">IIIiHH", mended, elst.body) == (0, 1, 0, 3200, 1, 0)
    assert mended.endswith(box(b"moof", b"x"))
