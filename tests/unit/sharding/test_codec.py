"""The codec: what one build writes another reads, and everything else is one typed refusal."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sharding.codec import Codec, UnknownMessage


class Ping(msgspec.Struct, frozen=True, tag=True):
    text: str


class Pong(msgspec.Struct, frozen=True, tag=True):
    number: int
    parts: tuple[bytes, ...] = ()


class LaterPing(msgspec.Struct, frozen=True, tag="Ping"):
    text: str
    hops: int = 3


CODEC: Codec[Ping | Pong] = Codec(Ping | Pong)
LATER: Codec[LaterPing | Pong] = Codec(LaterPing | Pong)

messages = st.builds(Ping, st.text(max_size=20)) | st.builds(
    Pong, st.integers(-(2**63), 2**63 - 1), st.lists(st.binary(max_size=8), max_size=3).map(tuple)
)


@settings(max_examples=50)
@given(messages)
def test_a_message_comes_back_as_it_was(message):
    assert CODEC.decode(CODEC.encode(message)) == message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x90",
        b"hello",
        msgspec.msgpack.encode({"type": "Nobody"}),
        msgspec.msgpack.encode({"type": "Ping"}),
        msgspec.msgpack.encode({"type": "Ping", "text": 1}),
        msgspec.msgpack.encode({"text": "no type"}),
        CODEC.encode(Ping("whole"))[:-1],
        CODEC.encode(Ping("whole")) + b"\x00",
    ],
)
def test_bytes_that_are_no_member_of_the_union_are_refused(data):
    with pytest.raises(UnknownMessage):
        CODEC.decode(data)


@settings(max_examples=60)
@given(st.binary(max_size=60))
def test_noise_is_decoded_or_refused_and_nothing_else(data):
    try:
        assert isinstance(CODEC.decode(data), Ping | Pong)
    except UnknownMessage:
        pass


def test_a_newer_build_reads_what_an_older_one_wrote():
    assert LATER.decode(CODEC.encode(Ping("hi"))) == LaterPing("hi", hops=3)


def test_an_older_build_reads_what_a_newer_one_wrote():
    assert CODEC.decode(LATER.encode(LaterPing("hi", hops=9))) == Ping("hi")
