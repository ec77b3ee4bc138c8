"""What every finished encode promises, looked at with a decoder of its own."""

import base64
import io
import re
import subprocess
import sys
from itertools import pairwise

import av
import pytest

from media.boxes import walk


def test_the_ladder_is_the_source_size_and_360p_start_rung_first(made):
    sizes = [(rung.name, rung.width, rung.height) for rung in made.media.rungs]
    assert sizes == [("450", 450, 800), ("360", 360, 640)]
    assert (made.media.width, made.media.height) == (450, 800)
    assert made.media.duration_s == pytest.approx(2.5, abs=0.001)


def test_every_rung_decodes_whole_in_the_size_it_says(made, picture):
    for rung in made.media.rungs:
        seen = picture(made.path(rung.file))
        assert (seen.width, seen.height) == (rung.width, rung.height)
        assert len(seen.times) == 75
        assert seen.times[0] == 0
        steps = {round(b - a, 4) for a, b in pairwise(seen.times)}
        assert steps <= {0.0333, 0.0334}
        assert rung.size_bytes == made.path(rung.file).stat().st_size


def test_key_frames_of_all_rungs_are_at_the_same_times(made, picture):
    assert {tuple(picture(made.path(rung.file)).keys) for rung in made.media.rungs} == {
        (0.0, 1.0, 2.0)
    }


def test_sound_lasts_as_long_as_the_picture_in_every_file(made, sound):
    for name in [rung.file for rung in made.media.rungs] + [made.media.mp4]:
        start, samples = sound(made.path(name))
        assert start == pytest.approx(0, abs=0.001)
        assert len(samples) / 48_000 == pytest.approx(2.5, abs=0.022)


def test_one_range_request_for_the_start_span_plays(made, picture, sound):
    for rung in made.media.rungs:
        first, last = rung.start
        data = made.path(rung.file).read_bytes()[first : last + 1]
        assert first == 0
        assert len(data) < rung.size_bytes
        assert picture(io.BytesIO(data)).times[-1] >= 1.5
        assert len(sound(io.BytesIO(data))[1]) / 48_000 >= 1.5


def test_init_and_index_spans_hold_what_they_say(made):
    for rung in made.media.rungs:
        data = made.path(rung.file).read_bytes()
        init = data[rung.init[0] : rung.init[1] + 1]
        index = data[rung.index[0] : rung.index[1] + 1]
        assert [box.kind for box in walk(init)] == [b"ftyp", b"moov"]
        assert {box.kind for box in walk(index)} == {b"sidx"}
        assert rung.index[0] == rung.init[1] + 1
        with av.open(io.BytesIO(init)) as container:
            assert [stream.type for stream in container.streams] == ["video", "audio"]


def test_codecs_are_what_the_decoder_finds(made):
    for rung in made.media.rungs:
        assert re.fullmatch(r"avc1\.[0-9a-f]{6},mp4a\.40\.2", rung.codecs)
    # High for the start rung, Main for the small one.
    assert [rung.codecs[5:7] for rung in made.media.rungs] == ["64", "4d"]


def test_init_and_a_single_fragment_play_on_their_own(made, picture):
    """What an HLS or DASH player does: the header, then any fragment, without the ones before it."""
    rung = made.media.rungs[0]
    playlist = made.path(f"{rung.name}.m3u8").read_text()
    data = made.path(rung.file).read_bytes()
    ranges = [
        (int(size), int(start)) for size, start in re.findall(r"BYTERANGE:(\d+)@(\d+)", playlist)
    ]
    assert len(ranges) == 3
    for (size, start), frames in zip(ranges, [30, 30, 15], strict=True):
        piece = data[: rung.init[1] + 1] + data[start : start + size]
        assert len(picture(io.BytesIO(piece)).times) == frames
    assert sum(ranges[-1]) == len(data)


def test_the_hls_master_names_a_playlist_and_bandwidth_for_every_rung(made):
    lines = made.path(made.media.hls).read_text().splitlines()
    assert lines[0] == "#EXTM3U"
    streams = [line for line in lines if line.startswith("#EXT-X-STREAM-INF")]
    assert [line for line in lines if not line.startswith("#")] == ["450.m3u8", "360.m3u8"]
    for line, rung in zip(streams, made.media.rungs, strict=True):
        assert f'CODECS="{rung.codecs}"' in line
        assert f"RESOLUTION={rung.width}x{rung.height}" in line
        peak = int(re.findall(r":BANDWIDTH=(\d+)", line)[0])
        assert rung.bitrate <= peak <= 3 * rung.bitrate


def test_a_real_hls_player_reads_the_whole_video(made):
    options = {"allowed_extensions": "ALL", "allowed_segment_extensions": "ALL"}
    with av.open(str(made.path("450.m3u8")), options={**options, "extension_picky": "0"}) as player:
        assert sum(1 for _ in player.decode(video=0)) == 75


def test_the_shared_mp4_has_its_header_in_front_and_plays(made, picture):
    path = made.path(made.media.mp4)
    kinds = [box.kind for box in walk(path.read_bytes())]
    assert kinds.index(b"moov") < kinds.index(b"mdat")
    assert b"moof" not in kinds
    assert len(picture(path).times) == 75


def test_the_cover_is_a_jpeg_of_the_start_rung(made):
    data = made.path(made.media.cover).read_bytes()
    assert data.startswith(b"\xff\xd8\xff")
    with av.open(io.BytesIO(data), "r") as container:
        frame = next(container.decode(video=0))
    assert (frame.width, frame.height) == (450, 800)


def test_the_preview_is_an_animated_webp_of_two_seconds(made):
    data = made.path(made.media.preview).read_bytes()
    assert data[:4] == b"RIFF"
    assert data[8:12] == b"WEBP"
    assert data.count(b"ANMF") == 20


def test_the_thumbhash_is_short_and_printable(made):
    text = made.media.thumbhash
    assert 15 <= len(base64.b64decode(text + "=" * (-len(text) % 4))) <= 30


def test_the_files_are_all_there_is_and_add_up(made):
    there = {path.name: path.stat().st_size for path in made.folder.iterdir()}
    assert set(made.files) == set(there)
    assert made.media.total_bytes == sum(there.values())


def test_a_tone_is_louder_than_silence_and_gets_a_measured_gain(made):
    assert -20 <= made.media.loudness_gain_db <= 12
    assert made.media.loudness_gain_db != 0


def test_the_side_that_serves_does_not_load_the_decoder():
    code = (
        "import sys, media.worker, media.ports, media.encoder, media.avatar, media.child;"
        "sys.exit('av' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
