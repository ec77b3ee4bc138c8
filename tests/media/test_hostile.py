"""Files that are not what they say. Each gets a typed verdict, and the process that asked goes on."""

import hashlib
import random
import struct
import zlib

import pytest

from actors.media import MediaLimits
from media.boxes import find, walk
from media.clip import make_clip
from media.messages import ChildBounds, Encoded, Failed
from tests.media.helpers import corners, encode, refuse, run, write_clip


def png(width: int = 8, height: int = 8) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x80" * width) * height)
    signature = b"\x89PNG\r\n\x1a\n"
    return signature + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


NOT_VIDEOS = {
    "empty": b"",
    "one byte": b"\0",
    "text": b"hello, this is my video\n" * 20,
    "concat script": b"ffconcat version 1.0\nfile small.mp4\n",
    "HLS playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nsmall.mp4\n#EXT-X-ENDLIST\n",
    "HLS playlist of the network": b"#EXTM3U\n#EXTINF:2,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
    "picture": png(),
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='/etc/passwd'/></svg>",
    "random bytes": random.Random(1).randbytes(50_000),
    "AVI head": b"RIFF\x00\x10\x00\x00AVI LIST" + bytes(4000),
    "MPEG-TS": (b"\x47\x40\x00\x10" + bytes(184)) * 40,
}


@pytest.mark.parametrize("kind", NOT_VIDEOS)
async def test_what_is_not_a_video_is_refused_as_that(tmp_path, small_clip, kind):
    # A file that a script could reach must not be reached.
    (tmp_path / "small.mp4").write_bytes(small_clip.read_bytes())
    path = tmp_path / "upload.mp4"
    path.write_bytes(NOT_VIDEOS[kind])
    assert (await refuse(path, tmp_path / "out")).code == "not_a_video"


@pytest.mark.parametrize("share", [0.05, 0.5, 0.8])
async def test_a_file_cut_short_is_damaged(tmp_path, small_clip, share):
    data = small_clip.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: int(len(data) * share)])
    assert (await refuse(path, tmp_path / "out")).code == "damaged"


async def test_a_file_whose_index_was_at_its_lost_end_is_damaged(tmp_path):
    path = write_clip(tmp_path / "in.mp4", [corners(128, 160)] * 30)
    path.write_bytes(path.read_bytes()[:-400])
    assert (await refuse(path, tmp_path / "out")).code == "damaged"


async def test_a_header_without_any_frames_is_damaged(tmp_path, small_clip):
    data = small_clip.read_bytes()
    moov = find(data, b"moov")
    path = tmp_path / "in.mp4"
    path.write_bytes(data[: moov.end])
    assert (await refuse(path, tmp_path / "out")).code == "damaged"


async def test_sound_alone_has_no_video_track(tmp_path, small_clip):
    import av

    path = tmp_path / "in.mp4"
    with av.open(str(small_clip)) as reader, av.open(str(path), "w", "mp4") as writer:
        copy = writer.add_stream_from_template(reader.streams.audio[0])
        for packet in reader.demux(audio=0):
            if packet.dts is not None:
                packet.stream = copy
                writer.mux(packet)
    assert (await refuse(path, tmp_path / "out")).code == "no_video_track"


async def test_a_decoder_that_is_not_on_the_list_is_not_used(tmp_path, small_clip):
    """The sample entry says another codec; the bytes would decode if anybody asked."""
    data = bytearray(small_clip.read_bytes())
    at = data.index(b"avc1", data.index(b"stsd"))
    data[at : at + 4] = b"M8RG"  # MagicYUV
    path = tmp_path / "in.mp4"
    path.write_bytes(data)
    assert (await refuse(path, tmp_path / "out")).code == "unsupported_codec"


async def test_limits_are_checked_before_anything_is_encoded(tmp_path, small_clip):
    cases = {
        "too_long": MediaLimits(max_duration_s=0.5),
        "too_short": MediaLimits(min_duration_s=5),
        "too_many_pixels": MediaLimits(max_pixels=128 * 160 - 1),
        "too_large": MediaLimits(max_bytes=1000),
    }
    for code, limits in cases.items():
        assert (await refuse(small_clip, tmp_path / code, limits=limits)).code == code
        assert not list((tmp_path / code).iterdir())


async def test_the_file_must_be_the_one_that_was_announced(tmp_path, small_clip):
    data = small_clip.read_bytes()
    other = hashlib.sha256(b"other").hexdigest()
    assert (await refuse(small_clip, tmp_path / "a", size_bytes=5)).code == "size_mismatch"
    assert (await refuse(small_clip, tmp_path / "b", sha256=other)).code == "checksum_mismatch"
    await encode(small_clip, tmp_path / "c", sha256=hashlib.sha256(data).hexdigest())


async def test_a_declared_length_counts_for_nothing(tmp_path):
    """Ten minutes of repeated frames under a header that says one second."""
    path = tmp_path / "in.mp4"
    write_clip(path, [corners(32, 32)] * 40, times_ms=[n * 15_000 for n in range(40)])
    data = bytearray(path.read_bytes())
    moov = find(data, b"moov")
    mvhd = find(data, b"mvhd", start=moov.body, end=moov.end)
    struct.pack_into(">I", data, mvhd.body + 16, 1000)
    path.write_bytes(data)
    assert (await refuse(path, tmp_path / "out")).code == "too_long"


@pytest.mark.parametrize("seed", range(10))
async def test_flipped_bytes_give_a_video_or_a_typed_refusal(tmp_path, small_clip, seed):
    dice = random.Random(seed)
    data = bytearray(small_clip.read_bytes())
    # Half of them in the boxes before the frames, where a byte means most.
    header = next(box.start for box in walk(data) if box.kind == b"mdat")
    for number in range(dice.randint(1, 40)):
        data[dice.randrange(len(data) if number % 2 else header)] = dice.randrange(256)
    path = tmp_path / "in.mp4"
    path.write_bytes(data)
    verdict = await run(path, tmp_path / "out")
    if isinstance(verdict, Failed):
        assert verdict.failure.code != "timeout"
    else:
        assert isinstance(verdict, Encoded)


async def test_a_child_that_needs_more_memory_than_it_may_ends_alone(tmp_path):
    path = tmp_path / "in.mp4"
    make_clip(path, 0.4, seed=1, width=1920, height=1080)
    bounds = ChildBounds(memory_bytes=160 * 1024**2, nice=0)
    failure = await refuse(path, tmp_path / "out", bounds=bounds)
    assert failure.code == "internal"
    assert failure.curable
