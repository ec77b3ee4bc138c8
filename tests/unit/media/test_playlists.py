"""Playlists say what RFC 8216 asks for and players check."""

import re
from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from media.ladder import choose_ladder
from media.package import Fragment, Layout, describe
from media.playlists import master_playlist, media_playlist, peak_bitrate


def layout(*lengths: tuple[Fraction, int]) -> Layout:
    """A file of fragments of (seconds, bytes)."""
    at, fragments = 1500, []
    for seconds, size in lengths:
        fragments.append(Fragment(at, at + size, Fraction(seconds)))
        at += size
    return Layout(at, (0, 1299), (1300, 1499), tuple(fragments), "avc1.64001f,mp4a.40.2")


fragments = st.lists(
    st.tuples(st.fractions(Fraction(1, 30), 3), st.integers(1000, 10**6)), min_size=1, max_size=32
)


@given(fragments)
def test_every_segment_is_a_range_of_the_file_and_none_is_longer_than_promised(lengths):
    made = layout(*lengths)
    rung = describe(choose_ladder(540, 960)[0], made, Fraction(30))
    text = media_playlist(rung, made)
    target = int(re.findall(r"TARGETDURATION:(\d+)", text)[0])
    assert all(round(float(length)) <= target for length in re.findall(r"#EXTINF:([\d.]+),", text))
    ranges = [(int(a), int(b)) for a, b in re.findall(r"#EXT-X-BYTERANGE:(\d+)@(\d+)", text)]
    assert ranges[0][1] == 1500
    assert all(a + b == c for (a, b), (_, c) in pairwise(ranges))
    assert sum(ranges[-1]) == made.size
    assert 'BYTERANGE="1300@0"' in text
    assert text.endswith("#EXT-X-ENDLIST\n")


@given(fragments)
def test_the_peak_is_never_below_the_average(lengths):
    made = layout(*lengths)
    rung = describe(choose_ladder(540, 960)[0], made, Fraction(30))
    assert peak_bitrate(made) >= rung.bitrate - 1


@given(fragments)
def test_the_start_span_passes_a_second_and_a_half_wherever_the_clip_does(lengths):
    made = layout(*lengths)
    first, last = made.start
    assert first == 0
    played = sum(f.duration_s for f in made.fragments if f.end <= last + 1)
    assert played > Fraction(3, 2) or last + 1 == made.size


def test_the_start_rung_is_named_first():
    made = layout((Fraction(1), 100_000), (Fraction(1), 90_000))
    rungs = [
        (describe(plan, made, Fraction(30)), made, f"{plan.name}.m3u8")
        for plan in choose_ladder(1080, 1920)
    ]
    lines = master_playlist(rungs).splitlines()
    assert [line for line in lines if not line.startswith("#")] == ["540.m3u8", "360.m3u8"]
