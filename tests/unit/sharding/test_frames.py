"""Frames: the bytes are frozen, pieces do not matter, and nothing is buffered for who does not keep to it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sharding.frames import HEADER_BYTES, Frame, FrameKind, FrameReader, FrameRefused, encode_frame

frames = st.builds(
    Frame,
    kind=st.sampled_from(FrameKind),
    call=st.integers(0, 2**32 - 1),
    shard=st.integers(0, 2**16 - 1),
    entity=st.integers(0, 2**64 - 1),
    deadline_ms=st.integers(0, 2**32 - 1),
    flags=st.integers(0, 255),
    payload=st.binary(max_size=40),
)


def test_the_bytes_of_a_frame_are_the_ones_that_were_written_down():
    frame = Frame(
        kind=FrameKind.ASK,
        call=1,
        shard=1023,
        entity=2**63 - 1,
        deadline_ms=1_500,
        flags=2,
        payload=b"hi",
    )
    assert encode_frame(frame).hex() == "0000000200000001010203ff7fffffffffffffff000005dc6869"
    assert HEADER_BYTES == 24


def test_kinds_keep_their_numbers():
    assert {kind.name: int(kind) for kind in FrameKind} == {
        "ASK": 1,
        "TELL": 2,
        "REPLY": 3,
        "ERROR": 4,
        "MOVED": 5,
        "PUSH": 6,
        "CREDIT": 7,
        "GOAWAY": 8,
        "HELLO": 9,
        "PING": 10,
    }


@settings(max_examples=60)
@given(st.lists(frames, max_size=6), st.data())
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(sent, data):
    stream = b"".join(map(encode_frame, sent))
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12).map(sorted))
    reader = FrameReader()
    received = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += reader.feed(stream[start:end])
    assert received == sent
    assert reader.buffered_bytes == 0


def test_half_a_frame_waits_for_its_other_half():
    stream = encode_frame(Frame(kind=FrameKind.TELL, payload=b"12345"))
    reader = FrameReader()
    assert reader.feed(stream[:-1]) == []
    assert reader.buffered_bytes == len(stream) - 1
    assert [frame.payload for frame in reader.feed(stream[-1:])] == [b"12345"]


def test_a_payload_of_the_largest_size_passes():
    reader = FrameReader(max_payload=5)
    assert len(reader.feed(encode_frame(Frame(kind=FrameKind.TELL, payload=b"12345")))) == 1


def test_too_long_a_payload_is_refused_as_soon_as_its_header_is_there():
    header = encode_frame(Frame(kind=FrameKind.TELL, payload=b"123456"))[:HEADER_BYTES]
    with pytest.raises(FrameRefused, match="6 bytes; 5 are allowed"):
        FrameReader(max_payload=5).feed(header)


@pytest.mark.parametrize("kind", [0, 11, 255])
def test_an_unknown_kind_is_refused_as_soon_as_its_header_is_there(kind):
    header = bytearray(encode_frame(Frame(kind=FrameKind.TELL, payload=b"12"))[:HEADER_BYTES])
    header[8] = kind
    with pytest.raises(FrameRefused, match=f"unknown frame kind {kind}"):
        FrameReader().feed(bytes(header))


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=40), max_size=8))
def test_noise_is_refused_or_waited_for_and_never_held_beyond_the_bound(pieces):
    reader = FrameReader(max_payload=64)
    try:
        for piece in pieces:
            reader.feed(piece)
            assert reader.buffered_bytes < HEADER_BYTES + 64
    except FrameRefused:
        pass


def test_a_number_that_does_not_fit_is_never_sent():
    with pytest.raises(struct.error):
        encode_frame(Frame(kind=FrameKind.ASK, call=2**32))
