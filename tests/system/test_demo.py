"""`kinora demo` against a product of its own: with what it makes itself, with real clips, and through crashes.

The demo is the judge here. It repeats what got no answer under the same key, and holds everything that was
confirmed to it against what GET says at the end; so its exit code says whether an acknowledged deed was lost
or done twice.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from media.clip import make_clip
from tests.support.product import (
    ROOT,
    ChildProduct,
    child_product,
    children_of,
    command,
    environment,
    kinora,
    runs,
)

#: Clips that other people made, each with what must become of it.
REAL_CLIPS = Path(os.environ.get("KINORA_TEST_MEDIA", ROOT.parent / "shared" / "media"))
#: How long one demo may take before it counts as hung, in seconds.
DEMO_S = 90
REAL_DEMO_S = 240


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four clips, each a second or two of work."""
    folder = tmp_path_factory.mktemp("demo-clips")
    for number in range(4):
        make_clip(folder / f"made-{number}.mp4", 1.5, seed=number, width=360, height=640)
    return folder


@pytest.fixture
def product(tmp_path: Path) -> Iterator[ChildProduct]:
    # The limits are the default ones: a demo must fit under them.
    with child_product(tmp_path / "data") as child:
        yield child


def demo(product: ChildProduct, report: Path, *words: str, timeout_s: int) -> dict[str, Any]:
    """The report of a demo that ran to its end and found nothing wrong."""
    done = kinora(
        product.data,
        "demo",
        *("--json", str(report), "--timeout-s", str(timeout_s), *words),
        timeout_s=timeout_s + 20,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{product.tail()}"
    return read(report)


def read(report: Path) -> dict[str, Any]:
    said: dict[str, Any] = msgspec.json.decode(report.read_bytes())
    return said


def check_numbers(report: dict[str, Any]) -> None:
    """Each count that was confirmed is the count that GET says, or within what doubt allows."""
    assert report["faults"] == []
    assert {each["what"] for each in report["counts"]} >= {"likes", "comments", "followers"}
    for each in report["counts"]:
        low, _, high = each["confirmed"].partition(" to ")
        if low.isdigit() and not high:
            assert int(low) == each["said"], each


def test_the_demo_ends_well_on_a_fresh_product(product: ChildProduct, clips: Path, tmp_path: Path):
    report = demo(
        product, tmp_path / "report.json", "--users", "4", "--clips", str(clips), timeout_s=DEMO_S
    )
    check_numbers(report)
    assert [each["status"] for each in report["clips"]] == ["ready"] * 4
    assert (report["lost"], report["later"]) == (0, {}), "no default limit was touched"
    assert report["notes"] == []
    assert report["done"]["like"] > 0
    assert {"video.liked", "comment.created", "user.followed", "video.ready"} <= set(
        report["events"]
    )
    found = kinora(product.data, "check")
    assert found.returncode == 0, found.stdout


@pytest.mark.timeout(REAL_DEMO_S + 60)
@pytest.mark.skipif(not REAL_CLIPS.is_dir(), reason=f"no clips in {REAL_CLIPS}")
def test_real_clips_end_as_expected(product: ChildProduct, tmp_path: Path):
    words = ("--users", "4", "--clips", str(REAL_CLIPS))
    report = demo(product, tmp_path / "report.json", *words, timeout_s=REAL_DEMO_S)
    check_numbers(report)
    assert len(report["clips"]) >= 1
    assert [each for each in report["clips"] if each["complaint"]] == []


class Running:
    """A demo as a child process, whose acts can be waited for."""

    def __init__(self, product: ChildProduct, folder: Path, *words: str) -> None:
        self._product = product
        self.report = folder / "report.json"
        self._out = folder / "demo.out"
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(
                command("demo", "--json", str(self.report), "--timeout-s", str(DEMO_S), *words),
                cwd=ROOT,
                env=environment(product.data),
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self._out.read_text(errors="replace")

    def wait_for(self, moment: str) -> None:
        """Return when the product encodes, or when the demo has said this."""
        until = time.monotonic() + DEMO_S
        while not (children_of(self._product.pid) if moment == "encoding" else moment in self.said):
            assert self.process.poll() is None, f"it ended before {moment}:\n{self.said}"
            assert time.monotonic() < until, f"no {moment}:\n{self.said}"
            time.sleep(0.005)

    def wait(self) -> int:
        return self.process.wait(DEMO_S + 20)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


#: Where the product is killed: by what the demo says, or by what it has under way.
MOMENTS = ("Uploading", "encoding", "Liking", "Answering")


def test_the_same_after_kill_9_in_the_midst_of_it(
    product: ChildProduct, clips: Path, tmp_path: Path
):
    running = Running(product, tmp_path, "--users", "4", "--clips", str(clips))
    try:
        for moment in MOMENTS:
            running.wait_for(moment)
            encoders = children_of(product.pid)
            product.kill()
            until = time.monotonic() + 5
            while any(runs(each) for each in encoders):
                assert time.monotonic() < until, "the encoder outlives who started it"
                time.sleep(0.02)
            product.start()
        assert running.wait() == 0, f"{running.said}\n{product.tail()}"
    finally:
        running.close()
    report = read(running.report)
    check_numbers(report)
    assert [each["status"] for each in report["clips"]] == ["ready"] * 4
    assert report["lost"] > 0, "nobody noticed that it was away"
    product.kill()
    found = kinora(product.data, "check")
    assert found.returncode == 0, found.stdout
