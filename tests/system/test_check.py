"""`kinora check` over a folder in which something was deleted: it names it, and repairs what it can."""

import asyncio
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from actors.media import media_prefix
from storage.embedded.blob_folder import path_of
from tests.support.people import open_people
from tests.support.product import ChildProduct, child_product, kinora


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What a product leaves behind: a folder, and what is in it."""

    data: Path
    liked: str
    other: str
    liker: str


@pytest.fixture
def left(tmp_path: Path, clip: Path) -> Iterator[Left]:
    with child_product(tmp_path / "data") as product:
        left = asyncio.run(use(product, clip))
        product.tell(signal.SIGTERM)
        assert product.wait(20) == 0
        yield left


async def use(product: ChildProduct, clip: Path) -> Left:
    """Two videos, one of them liked."""
    async with open_people(product.url) as people:
        author, liker = await people.join("author"), await people.join("liker")
        liked, other = await author.publish(clip), await author.publish(clip)
        await liker.call("POST", f"/video/{liked}/like")
        await liker.call("POST", f"/video/{liked}/comments", {"text": "there"})
        await liker.call("POST", f"/user/{author.user_id}/follow")
        return Left(data=product.data, liked=liked, other=other, liker=liker.user_id)


def execute(data: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(data / "kinora.db")) as database, database:
        assert database.execute(statement, values).rowcount == 1


def test_what_was_used_and_left_in_order_has_no_faults(left: Left):
    found = kinora(left.data, "check")
    assert (found.returncode, "fit" in found.stdout) == (0, True), found.stdout


def test_one_deleted_blob_is_found_and_named(left: Left):
    prefix = media_prefix(int(left.other), 1)
    rungs = path_of(left.data / "blobs", f"{prefix}any.mp4").parent.glob("*.mp4~")
    rung = max(rungs, key=lambda each: each.stat().st_size)
    rung.unlink()
    found = kinora(left.data, "check")
    assert found.returncode == 1, found.stdout
    text = "".join(found.stdout.split())
    assert "media_missing" in text
    assert left.other in text
    assert rung.name.rstrip("~") in text
    assert "count_differs" not in text
    again = kinora(left.data, "check", "--repair")
    assert again.returncode == 1, "a lost file cannot be made anew, and that is said"
    assert "media_missing" in again.stdout


def test_a_deleted_like_and_a_changed_count_are_found_and_mended(left: Left):
    execute(
        left.data,
        "DELETE FROM likes WHERE user_id = ? AND video_id = ?",
        int(left.liker),
        int(left.liked),
    )
    execute(left.data, "UPDATE counts SET comments = 7 WHERE entity_id = ?", int(left.liked))
    execute(left.data, "DELETE FROM counts WHERE entity_id = ?", int(left.liker))
    found = kinora(left.data, "check")
    assert found.returncode == 1, found.stdout
    words = " ".join(found.stdout.split())
    for fault in ("likes: 1 kept, 0 counted", "comments: 7 kept, 1 counted", "following: 0 kept"):
        assert fault in words, found.stdout
    assert left.liked in words
    assert left.liker in words
    mended = kinora(left.data, "check", "--repair")
    assert mended.returncode == 0, mended.stdout
    found = kinora(left.data, "check")
    assert found.returncode == 0, found.stdout


def test_a_running_product_can_be_checked_and_not_repaired(tmp_path: Path, clip: Path):
    with child_product(tmp_path / "data") as product:
        asyncio.run(use(product, clip))
        found = kinora(product.data, "check")
        assert found.returncode == 0, found.stdout
        refused = kinora(product.data, "check", "--repair")
        assert refused.returncode == 3
        assert f"in use by process {product.pid}" in refused.stderr
