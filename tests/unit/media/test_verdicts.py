"""What a child says is looked at before it is believed."""

import io
import os

import msgspec
import pytest

from actors.media import EncodedMedia, Rung
from media.child import Reporter
from media.encoder import content_type, find_fault
from media.messages import Encoded
from media.picture import Orientation
from media.sound import gain_for

RUNG = Rung(
    name="540", file="540.mp4", codecs="avc1.64001f,mp4a.40.2", width=540, height=960, fps=30.0,
    bitrate=1, size_bytes=4, init=(0, 1), index=(1, 2), start=(0, 3),
)  # fmt: skip

FILES = ("540.mp4", "540.m3u8", "master.m3u8", "video.mp4", "cover.jpg", "preview.webp")


def verdict(files=FILES, **changes) -> Encoded:
    media = EncodedMedia(
        duration_s=1.0, width=540, height=960, thumbhash="x", loudness_gain_db=0.0,
        cover="cover.jpg", preview="preview.webp", hls="master.m3u8", mp4="video.mp4",
        rungs=(RUNG,), total_bytes=24,
    )  # fmt: skip
    return Encoded(media=msgspec.structs.replace(media, **changes), files=files)


@pytest.fixture
def scratch(tmp_path):
    for name in FILES:
        (tmp_path / name).write_bytes(b"1234")
    return tmp_path


def test_a_complete_verdict_has_no_fault(scratch):
    assert find_fault(verdict(), scratch) is None


@pytest.mark.parametrize("name", ["../up.mp4", "/etc/passwd", "a.exe", "A.mp4", "x.mp4\n", ".mp4"])
def test_a_name_that_is_not_a_plain_media_file_is_a_fault(scratch, name):
    assert find_fault(verdict((*FILES, name)), scratch) is not None


def test_links_folders_empty_and_missing_files_are_faults(scratch):
    changes = {
        "symlink": lambda path: path.symlink_to("/etc/passwd"),
        "hard link": lambda path: os.link(scratch / "540.mp4", path),
        "folder": lambda path: path.mkdir(),
        "empty": lambda path: path.touch(),
        "missing": lambda path: None,
    }
    for change in changes.values():
        target = scratch / "extra.mp4"
        change(target)
        assert find_fault(verdict((*FILES, "extra.mp4"), total_bytes=28), scratch) is not None
        if target.is_dir() and not target.is_symlink():
            target.rmdir()
        else:
            target.unlink(missing_ok=True)


def test_sums_and_lists_must_agree(scratch):
    assert find_fault(verdict(total_bytes=25), scratch) is not None
    assert find_fault(verdict(FILES[1:]), scratch) is not None
    assert find_fault(verdict((*FILES, FILES[0])), scratch) is not None
    assert find_fault(verdict(rungs=()), scratch) is not None
    resized = msgspec.structs.replace(RUNG, size_bytes=5)
    assert find_fault(verdict(rungs=(resized,)), scratch) is not None


def test_every_kind_of_file_has_its_content_type():
    assert content_type("540.m3u8") == "application/vnd.apple.mpegurl"
    assert content_type("preview.webp") == "image/webp"


@pytest.mark.parametrize(
    ("loudness", "gain"),
    [
        (-14.0, 0.0),
        (-20.5, 6.5),
        (-50.0, 12.0),
        (10.0, -20.0),
        (-70.0, 0.0),
        (None, 0.0),
        (float("-inf"), 0.0),
        (float("nan"), 0.0),
    ],
)
def test_a_gain_brings_sound_to_the_target_within_its_bounds(loudness, gain):
    assert gain_for(loudness) == gain


def test_a_display_matrix_that_is_short_or_odd_leaves_the_picture_upright():
    assert Orientation.from_matrix(b"") == Orientation()
    assert Orientation.from_matrix(bytes(36)) == Orientation()


def test_degrees_turn_like_the_matrix_they_come_from():
    assert Orientation.from_degrees(-90).filters == (("transpose", "clock"),)
    assert Orientation.from_degrees(90).filters == (("transpose", "cclock"),)
    assert Orientation.from_degrees(-180).filters == (("hflip", ""), ("vflip", ""))
    assert Orientation.from_degrees(0) == Orientation()


def test_progress_is_said_a_few_times_a_second_and_never_falls():
    class Pipe(io.BytesIO):
        @property
        def lines(self):
            return self.getvalue().count(b"\n")

    now = [0.0]
    pipe = Pipe()
    reporter = Reporter(pipe, lambda: now[0])
    for step in range(100):
        now[0] = step / 100
        reporter.progress(step / 100)
    assert 3 <= pipe.lines <= 5
    now[0] = 100
    before = pipe.lines
    reporter.progress(0.1)
    assert pipe.lines == before
