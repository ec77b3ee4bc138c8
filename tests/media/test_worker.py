"""The worker against a queue and a store that do what a test wants; the children are real where it matters."""

import asyncio
import os
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from actors.media import Claim, EncodedMedia, MediaJob, MediaLimits
from media.encoder import CRASHED, SubprocessRunner
from media.messages import ChildBounds
from media.worker import MediaWorker, WorkerSettings, sweep
from sharding.errors import NotFound, StorageUnavailable, TooLarge
from tests.media import bad_child
from tests.media.helpers import until

BOUNDS = ChildBounds(nice=0)


class Queue:
    """One job after the other; remembers what it was told."""

    def __init__(self, *jobs: MediaJob) -> None:
        self.due = deque(jobs)
        #: (video, EncodedMedia or MediaFailure)
        self.outcomes: list[tuple[int, Any]] = []
        self.given_back: list[int] = []
        self.heartbeats: list[float] = []
        self.unwanted: set[int] = set()
        self.settled = asyncio.Event()
        self.failures = 0

    async def claim(self, worker):
        if not self.due:
            return None
        return Claim(job=self.due.popleft(), attempt=1, token="t")

    async def heartbeat(self, claim, progress):
        self.heartbeats.append(progress)
        return claim.job.video_id not in self.unwanted

    async def finish(self, claim, outcome):
        if self.failures:
            self.failures -= 1
            raise StorageUnavailable
        self.outcomes.append((claim.job.video_id, outcome))
        self.settled.set()

    async def give_back(self, claim):
        if claim.job.video_id not in [video for video, _ in self.outcomes]:
            self.given_back.append(claim.job.video_id)
        self.settled.set()

    async def wait(self, timeout_s):
        await asyncio.sleep(0.01)


class Blobs:
    def __init__(self, **sources: bytes) -> None:
        self.sources = sources
        self.stored: dict[str, tuple[str, int]] = {}
        self.failures = 0

    async def fetch(self, name, path, *, max_bytes):
        self._fail()
        if name not in self.sources:
            raise NotFound
        data = self.sources[name]
        if len(data) > max_bytes:
            raise TooLarge
        path.write_bytes(data)
        return len(data)

    async def put(self, name, path, *, content_type):
        self._fail()
        self.stored[name] = (content_type, path.stat().st_size)

    def _fail(self):
        if self.failures:
            self.failures -= 1
            raise StorageUnavailable


class FastClock:
    """Real time, a hundred times faster: deadlines of seconds pass in hundredths."""

    def __init__(self, speed: float = 100) -> None:
        self.speed = speed

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time() * self.speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)


def job(video_id: int = 1, size: int = 0, source: str = "up") -> MediaJob:
    return MediaJob(video_id=video_id, author_id=2, generation=3, source=source, size_bytes=size)


def worker_for(queue, blobs, tmp_path, *, clock=None, **settings) -> MediaWorker:
    settings.setdefault("bounds", BOUNDS)
    return MediaWorker(
        "w1",
        queue,
        blobs,
        SubprocessRunner("tests.media.bad_child"),
        clock or FastClock(1),
        tmp_path,
        WorkerSettings(**settings),
    )


class serving:
    """Runs a worker for the length of a block."""

    def __init__(self, worker: MediaWorker) -> None:
        self.worker = worker

    async def __aenter__(self):
        self.task = asyncio.ensure_future(self.worker.run())
        return self.worker

    async def __aexit__(self, *_):
        await self.worker.stop()
        await self.task


async def settled(queue: Queue) -> None:
    async with asyncio.timeout(20):
        await queue.settled.wait()


async def test_a_job_ends_with_every_object_stored_under_its_generation(tmp_path, small_clip):
    data = small_clip.read_bytes()
    queue, blobs = Queue(job(size=len(data))), Blobs(up=data)
    async with serving(worker_for(queue, blobs, tmp_path, heartbeat_s=0.05)):
        await settled(queue)
    ((video_id, media),) = queue.outcomes
    assert video_id == 1
    assert isinstance(media, EncodedMedia)
    assert set(blobs.stored) == {
        f"v/1/3/{name}"
        for name in ("128.mp4", "128.m3u8", "master.m3u8", "video.mp4", "cover.jpg", "preview.webp")
    }
    assert blobs.stored["v/1/3/128.mp4"] == ("video/mp4", media.rungs[0].size_bytes)
    assert blobs.stored["v/1/3/cover.jpg"][0] == "image/jpeg"
    assert sum(size for _, size in blobs.stored.values()) == media.total_bytes
    assert queue.heartbeats == sorted(queue.heartbeats)
    assert not list(tmp_path.iterdir())


async def test_a_refused_clip_ends_with_its_code_and_stores_nothing(tmp_path):
    queue, blobs = Queue(job(size=5)), Blobs(up=b"hello")
    async with serving(worker_for(queue, blobs, tmp_path)):
        await settled(queue)
    assert [(video, outcome.code) for video, outcome in queue.outcomes] == [(1, "not_a_video")]
    assert not blobs.stored


async def test_a_crash_of_the_child_is_internal_and_the_next_job_is_served(tmp_path):
    queue = Queue(job(1, bad_child.DIE), job(2, 5))
    blobs = Blobs(up=b"hello")
    async with serving(worker_for(queue, blobs, tmp_path)):
        while len(queue.outcomes) < 2:
            queue.settled.clear()
            await settled(queue)
    assert [outcome.code for _, outcome in queue.outcomes] == ["internal", "not_a_video"]
    assert queue.outcomes[0][1].curable


async def test_a_hanging_child_is_killed_at_the_deadline(tmp_path):
    queue, blobs = Queue(job(1, bad_child.HANG)), Blobs(up=b"x")
    # Ten seconds and six times a minute, at a thousand times the speed: 0.4 s.
    async with serving(worker_for(queue, blobs, tmp_path, clock=FastClock(1000), heartbeat_s=10)):
        await settled(queue)
    ((_, outcome),) = queue.outcomes
    assert outcome.code == "timeout"
    assert outcome.curable
    assert not list(tmp_path.iterdir())


async def test_a_lost_claim_stops_the_child_and_publishes_nothing(tmp_path):
    queue, blobs = Queue(job(1, bad_child.HANG), job(2, 5)), Blobs(up=b"hello")
    async with serving(worker_for(queue, blobs, tmp_path, heartbeat_s=0.02)):
        await until(lambda: bool(queue.heartbeats))
        queue.unwanted.add(1)
        await settled(queue)
    # Only the second job, which the worker went on to, has an outcome.
    assert [video for video, _ in queue.outcomes] == [2]
    assert not blobs.stored
    assert not queue.given_back


async def test_stopping_ends_the_child_and_gives_the_job_back(tmp_path):
    queue, blobs = Queue(job(1, bad_child.HANG)), Blobs(up=b"x")
    worker = worker_for(queue, blobs, tmp_path, heartbeat_s=0.02)
    async with asyncio.timeout(10), serving(worker):
        await until(lambda: bool(queue.heartbeats))
        await worker.stop()
    assert queue.given_back == [1]
    assert not queue.outcomes
    assert not list(tmp_path.iterdir())


async def test_cancelling_the_worker_gives_the_job_back_too(tmp_path):
    queue, blobs = Queue(job(1, bad_child.HANG)), Blobs(up=b"x")
    task = asyncio.ensure_future(worker_for(queue, blobs, tmp_path, heartbeat_s=0.02).run())
    await until(lambda: bool(queue.heartbeats))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert queue.given_back == [1]


async def test_an_outage_of_the_store_or_queue_is_waited_out(tmp_path, small_clip):
    data = small_clip.read_bytes()
    queue, blobs = Queue(job(size=len(data))), Blobs(up=data)
    blobs.failures, queue.failures = 3, 2
    async with serving(
        worker_for(queue, blobs, tmp_path, clock=FastClock(50), deadline_base_s=9999)
    ):
        await settled(queue)
    assert isinstance(queue.outcomes[0][1], EncodedMedia)


async def test_a_store_that_stays_away_costs_the_attempt_and_not_the_worker(tmp_path):
    queue, blobs = Queue(job(size=5)), Blobs(up=b"hello")
    blobs.failures = 10**6
    async with serving(worker_for(queue, blobs, tmp_path, clock=FastClock(1000))):
        await settled(queue)
    assert queue.outcomes == [(1, CRASHED.failure)]


async def test_an_upload_that_is_gone_is_internal_and_one_too_large_is_refused(tmp_path):
    queue = Queue(job(1, 5, "gone"), job(2, 5, "large"))
    blobs = Blobs(large=bytes(2000))
    limits = MediaLimits(max_bytes=1000)
    async with serving(worker_for(queue, blobs, tmp_path, limits=limits)):
        while len(queue.outcomes) < 2:
            queue.settled.clear()
            await settled(queue)
    assert [outcome.code for _, outcome in queue.outcomes] == ["internal", "too_large"]


async def test_two_lanes_serve_two_jobs_at_once(tmp_path):
    queue, blobs = Queue(job(1, bad_child.HANG), job(2, 5)), Blobs(up=b"hello")
    async with serving(worker_for(queue, blobs, tmp_path, concurrency=2)):
        await settled(queue)
        assert [video for video, _ in queue.outcomes] == [2]
    assert queue.given_back == [1]


def test_folders_of_dead_workers_are_swept_and_those_of_living_ones_are_not(tmp_path):
    dead, alive = (
        tmp_path / "kinora-media-99999999999-x",
        tmp_path / f"kinora-media-{os.getpid()}-x",
    )
    other = tmp_path / "somebody-elses"
    for folder in (dead, alive, other):
        folder.mkdir()
    assert sweep(Path(tmp_path)) == 1
    assert {path.name for path in tmp_path.iterdir()} == {alive.name, other.name}
