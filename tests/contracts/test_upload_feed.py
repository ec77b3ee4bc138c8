"""What every `UploadFeed` promises (actors/ports/ingest.py)."""

from __future__ import annotations

from actors.ports.ingest import StoredUpload
from tests.contracts.clock import until

ARRIVED = StoredUpload(video_id=7, size_bytes=100)
KNOWN = StoredUpload(video_id=7, size_bytes=100, author_id=9)


class Taker:
    """Keeps what it was given, and fails as often as told."""

    def __init__(self, failures=0):
        self.given = []
        self.failures = failures

    async def __call__(self, upload):
        self.given.append(upload)
        if self.failures:
            self.failures -= 1
            raise RuntimeError("not now")


async def test_a_stored_upload_is_told_without_its_author(uploads):
    feed, arrive = uploads
    taker = Taker()
    feed.take_by(taker)
    await arrive(7, 100)
    await until(lambda: taker.given)
    assert taker.given == [ARRIVED]


async def test_one_that_arrived_before_anybody_listened_is_told(uploads):
    feed, arrive = uploads
    await arrive(7, 100)
    taker = Taker()
    feed.take_by(taker)
    await until(lambda: taker.given)
    assert taker.given == [ARRIVED]


async def test_a_taker_that_raises_is_asked_again_until_it_returns(uploads):
    feed, arrive = uploads
    taker = Taker(failures=2)
    feed.take_by(taker)
    await arrive(7, 100)
    await until(lambda: len(taker.given) == 3)
    assert taker.given == [ARRIVED] * 3


async def test_one_that_is_passed_on_comes_with_its_author(uploads):
    feed, _ = uploads
    taker = Taker(failures=2)
    feed.take_by(taker)
    await feed.pass_on(KNOWN)
    await until(lambda: len(taker.given) == 3)
    assert taker.given == [KNOWN] * 3


async def test_one_that_cannot_be_taken_holds_up_no_other(uploads):
    feed, arrive = uploads
    taken = []

    async def taker(upload):
        if upload.video_id == 1:
            raise RuntimeError
        taken.append(upload.video_id)

    feed.take_by(taker)
    await arrive(1, 100)
    await arrive(2, 100)
    await until(lambda: taken == [2])
