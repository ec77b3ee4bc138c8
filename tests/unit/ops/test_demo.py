"""The demo against a product in miniature, good and bad."""

import msgspec
import pytest

from actors.ports.clock import SystemClock
from ops.demo.client import Patience
from ops.demo.clips import NoClips, find_clips
from ops.demo.expectations import Expectation, read_expectations
from ops.demo.feeds import crowded, repeats
from ops.demo.ledger import Ledger, Range, Ties
from ops.demo.report import show
from ops.demo.run import Plan, run_demo
from ops.errors import CannotGoOn
from tests.unit.ops.tiny_product import TinyProduct, serving

QUICK = Patience(total_s=5.0, answer_s=2.0, first_pause_s=0.001, longest_pause_s=0.01)


class Silent:
    def act(self, title):
        pass

    def uploads(self, uploads):
        pass


@pytest.fixture
def clips(tmp_path):
    for name in ("a.mp4", "b.webm", "c.mov", "d.mkv", "e.m4v", "f.MP4"):
        (tmp_path / name).write_bytes(b"a long clip of " + name.encode())
    (tmp_path / "broken.mp4").write_bytes(b"short")
    (tmp_path / "notes.txt").write_text("not a clip")
    return tmp_path


async def play(product, clips, **options):
    plan = Plan(
        clips=find_clips(clips),
        users=options.pop("users", 6),
        settle_s=options.pop("settle_s", 5.0),
        patience=QUICK,
        timeout_s=options.pop("timeout_s", 30.0),
        expected=options.pop("expected", {}),
    )
    async with serving(product) as url:
        return await run_demo(plan, lambda: url, clock=SystemClock(), entropy=7, screen=Silent())


async def test_a_product_that_keeps_its_word_passes(clips):
    expected = {
        "a.mp4": Expectation(status="ready"),
        "broken.mp4": Expectation(status="failed", code=("not_a_video",)),
    }
    report = await play(TinyProduct(), clips, expected=expected)
    assert report.faults == ()
    assert [clip.status for clip in report.clips].count("ready") == 6
    assert {clip.way for clip in report.clips} == {"post", "put", "direct"}
    counts = {each.what: each for each in report.counts}
    assert counts["likes"].said > 0
    assert all(str(each.said) == each.confirmed for each in counts.values())
    assert report.done["refused as it should be"] >= 9
    assert report.lost == 0


async def test_lost_answers_and_a_server_that_is_away_do_no_thing_twice(clips):
    product = TinyProduct()
    product.lose_every, product.away_every = 7, 11
    report = await play(product, clips)
    assert report.faults == ()
    assert report.lost > 0
    assert report.later["unavailable"] > 0
    assert len(product.users) == 6


async def test_a_like_that_was_confirmed_and_is_gone_is_found(clips):
    product = TinyProduct()
    product.forget_a_like = True
    report = await play(product, clips, settle_s=0.1)
    assert any("likes" in fault for fault in report.faults)


async def test_an_upload_that_never_ends_is_a_fault_and_not_a_hang(clips):
    product = TinyProduct()
    product.hang = True
    report = await play(product, clips, timeout_s=1.5, users=2)
    assert any("hangs" in fault or "not everything" in fault for fault in report.faults)


async def test_a_clip_that_ends_otherwise_than_expected_is_a_fault(clips):
    expected = {"broken.mp4": Expectation(status="ready"), "a.mp4": Expectation(status="failed")}
    report = await play(TinyProduct(), clips, expected=expected, users=1)
    assert len(report.faults) == 2


async def test_the_report_is_for_people_and_for_machines(clips, capsys):
    from rich.console import Console

    report = await play(TinyProduct(), clips, users=2)
    show(report, Console(width=100))
    shown = capsys.readouterr().out
    assert "everything is as it should be" in shown
    assert "following oneself: unprocessable" in shown
    assert msgspec.json.decode(msgspec.json.encode(report), type=type(report)) == report


def test_clips_are_found_by_their_ending(clips):
    assert [each.name for each in find_clips(clips)][:3] == ["a.mp4", "b.webm", "broken.mp4"]
    with pytest.raises(NoClips):
        find_clips(clips / "nowhere")


def test_expectations_are_read_and_bad_ones_told(tmp_path):
    assert read_expectations(tmp_path) == {}
    file = tmp_path / "expected.json"
    file.write_text('{"a": {"status": "ready or failed", "code": ["damaged"], "note": "?"}}')
    expectation = read_expectations(tmp_path)["a"]
    assert expectation.complaint("ready", None) is None
    assert expectation.complaint("failed", "damaged") is None
    assert expectation.complaint("refused", "too_large") is not None
    assert expectation.complaint("processing", None) is not None
    file.write_text("[]")
    with pytest.raises(CannotGoOn):
        read_expectations(tmp_path)


def test_a_third_of_one_author_within_ten_is_crowded_while_there_is_a_choice():
    assert crowded(list("aabbccddee")) == []
    assert crowded(list("aaabcdefgh")) == [2]
    assert crowded(list("bcdefgaaaa")) == []
    assert repeats(["1", "2", "1"]) == ["1"]


def test_doubt_makes_a_count_a_range():
    ties = Ties()
    ties.note("u", "v", True)
    ties.note("w", "v", None)
    assert ties.on("v") == Range(1, 2)
    ties.note_end("u", "v", True)
    assert ties.on("v") == Range(0, 1)
    ties.note_end("u", "v", False)
    assert 2 in ties.on("v")
    ledger = Ledger()
    ledger.note_share("u", "v", None)
    assert ledger.shares.on("v") == Range(0, 1)
