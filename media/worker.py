"""The worker: claims a job, has a child encode it, stores every object, then says so.

The promises: nothing is finished before it is readable whole; nothing is published for a claim that was
lost; a job that hangs is ended by the clock, one whose worker stops is given back unspent; and no clip,
store or queue ends the worker. Leases, attempts and retries are the queue's.
"""

import asyncio
import logging
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from actors.media import Claim, EncodedMedia, MediaFailure, MediaLimits, media_prefix
from media.encoder import CRASHED, TOO_SLOW, ChildRunner, OnProgress, content_type
from media.errors import ClaimLost, DeadlinePassed
from media.messages import ChildBounds, Encoded, EncodeRequest, Failed
from media.ports import BlobStore, Clock, JobQueue
from sharding.errors import KinoraError, NotFound, TooLarge, Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Shares of the progress an author sees: until the file is here, until it is encoded.
FETCHED, ENCODED = 0.05, 0.95

SCRATCH_PREFIX = "kinora-media-"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """How hard a worker works; every number has its unit in its name."""

    concurrency: int = 1
    #: Threads of a child's decoder and of each of its encoders.
    threads: int = 2
    #: A job may take `deadline_base_s` and `deadline_factor` times the longest clip there may be.
    deadline_base_s: float = 10.0
    deadline_factor: float = 6.0
    heartbeat_s: float = 1.0
    #: How long an idle worker waits before it looks again.
    idle_s: float = 5.0
    #: How long a store or queue that does not answer is asked again before the attempt fails.
    patience_s: float = 60.0
    limits: MediaLimits = field(default_factory=MediaLimits)
    bounds: ChildBounds = field(default_factory=ChildBounds)

    @property
    def deadline_s(self) -> float:
        """Wall time after which a job is ended."""
        return self.deadline_base_s + self.deadline_factor * self.limits.max_duration_s


class MediaWorker:
    """Serves a queue until it is stopped."""

    def __init__(
        self,
        name: str,
        queue: JobQueue,
        blobs: BlobStore,
        runner: ChildRunner,
        clock: Clock,
        scratch: Path,
        settings: WorkerSettings | None = None,
    ) -> None:
        """*scratch* is an existing folder for the files of running jobs."""
        self._name = name
        self._queue = queue
        self._blobs = blobs
        self._runner = runner
        self._clock = clock
        self._scratch = scratch
        self._settings = settings or WorkerSettings()
        self._lanes: list[asyncio.Task[None]] = []
        self._stopping = False
        self._running = 0

    def __repr__(self) -> str:
        return f"<MediaWorker({self._name}, running={self._running}, stopping={self._stopping})>"

    async def run(self) -> None:
        """Serve until `stop`; when cancelled, every running job is given back first."""
        await asyncio.to_thread(sweep, self._scratch)
        async with asyncio.TaskGroup() as group:
            self._lanes = [
                group.create_task(self._lane(), name=f"media.lane.{number}")
                for number in range(0 if self._stopping else self._settings.concurrency)
            ]

    async def stop(self) -> None:
        """Claim nothing more, end the children, give their jobs back; returns when that is done."""
        self._stopping = True
        for lane in self._lanes:
            lane.cancel()
        await asyncio.gather(*self._lanes, return_exceptions=True)

    async def _lane(self) -> None:
        while not self._stopping:
            try:
                claim = await self._queue.claim(self._name)
                if claim is None:
                    await self._queue.wait(self._settings.idle_s)
                    continue
            except KinoraError as error:
                log.warning("media queue does not answer: %r", error)
                await self._clock.sleep(self._settings.idle_s)
                continue
            self._running += 1
            try:
                await self._serve(claim)
            finally:
                self._running -= 1

    async def _serve(self, claim: Claim) -> None:
        try:
            await self._attempt(claim)
        except asyncio.CancelledError:
            try:
                async with asyncio.timeout(self._settings.idle_s):
                    await self._queue.give_back(claim)
            except (KinoraError, TimeoutError) as error:
                log.warning("video %s not given back: %r", claim.job.video_id, error)
            raise
        except Exception:
            # The claim lapses, and the queue decides what becomes of it.
            log.exception("attempt %s of video %s", claim.attempt, claim.job.video_id)

    async def _attempt(self, claim: Claim) -> None:
        progress = _Progress()
        late = False
        try:
            async with asyncio.TaskGroup() as group:
                pulse = group.create_task(self._pulse(claim, progress), name="media.pulse")
                alarm = group.create_task(self._alarm(), name="media.alarm")
                outcome = await self._encode(claim, progress.set)
                alarm.cancel()
                # The pulse goes on: a finish that has to be repeated must not lose its claim.
                await self._patiently(lambda: self._queue.finish(claim, outcome))
                pulse.cancel()
        except* ClaimLost:
            log.info("video %s: claim %s was lost", claim.job.video_id, claim.token)
        except* DeadlinePassed:
            late = True
        if late:
            log.warning(
                "video %s took longer than %s s", claim.job.video_id, self._settings.deadline_s
            )
            await self._queue.finish(claim, TOO_SLOW.failure)

    async def _pulse(self, claim: Claim, progress: "_Progress") -> None:
        while True:
            await self._clock.sleep(self._settings.heartbeat_s)
            try:
                wanted = await self._queue.heartbeat(claim, progress.value)
            except KinoraError as error:
                log.warning("heartbeat for video %s: %r", claim.job.video_id, error)
                continue
            if not wanted:
                raise ClaimLost

    async def _alarm(self) -> None:
        await self._clock.sleep(self._settings.deadline_s)
        raise DeadlinePassed

    async def _encode(self, claim: Claim, progress: OnProgress) -> EncodedMedia | MediaFailure:
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, "", _prefix(), self._scratch))
        try:
            return await self._encode_in(folder, claim, progress)
        except TooLarge:
            return MediaFailure(code="too_large", title="The file is too large.")
        except NotFound:
            log.warning("video %s: its upload is gone", claim.job.video_id)
            return CRASHED.failure
        except (KinoraError, OSError) as error:
            log.error("video %s: %r", claim.job.video_id, error)
            return CRASHED.failure
        finally:
            # Not in a thread: a cancelled job must not leave its files to whoever comes next.
            shutil.rmtree(folder, ignore_errors=True)

    async def _encode_in(
        self, folder: Path, claim: Claim, progress: OnProgress
    ) -> EncodedMedia | MediaFailure:
        job, limits = claim.job, self._settings.limits
        upload, results = folder / "upload", folder / "results"
        results.mkdir()
        await self._patiently(
            lambda: self._blobs.fetch(job.source, upload, max_bytes=limits.max_bytes)
        )
        progress(FETCHED)
        request = EncodeRequest(
            size_bytes=job.size_bytes,
            sha256=job.sha256,
            limits=limits,
            bounds=self._settings.bounds,
            threads=self._settings.threads,
        )
        with upload.open("rb") as source:
            verdict = await self._runner.run(
                request,
                source,
                results,
                lambda share: progress(FETCHED + share * (ENCODED - FETCHED)),
            )
        if isinstance(verdict, Failed):
            return verdict.failure
        if not isinstance(verdict, Encoded):
            return CRASHED.failure
        await self._publish(claim, verdict, results, progress)
        return verdict.media

    async def _publish(
        self, claim: Claim, encoded: Encoded, folder: Path, progress: OnProgress
    ) -> None:
        prefix = media_prefix(claim.job.video_id, claim.job.generation)
        for done, name in enumerate(encoded.files, 1):
            await self._put(prefix + name, folder / name)
            progress(ENCODED + (1 - ENCODED) * done / len(encoded.files))

    async def _put(self, name: str, path: Path) -> None:
        await self._patiently(
            lambda: self._blobs.put(name, path, content_type=content_type(path.name))
        )

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask again while the other side does not answer; its outage is not the clip's fault."""
        pause, until = 0.1, self._clock.monotonic() + self._settings.patience_s
        while True:
            try:
                return await ask()
            except Unavailable:
                if self._clock.monotonic() + pause > until:
                    raise
                await self._clock.sleep(pause)
                pause = min(5.0, pause * 2)


class _Progress:
    """How far a job is; never falls."""

    def __init__(self) -> None:
        self.value = 0.0

    def set(self, value: float) -> None:
        self.value = max(self.value, value)


def sweep(scratch: Path) -> int:
    """Remove what jobs of dead workers left in *scratch*; returns how many folders that were."""
    removed = 0
    for folder in scratch.glob(f"{SCRATCH_PREFIX}*"):
        owner = folder.name.removeprefix(SCRATCH_PREFIX).partition("-")[0]
        if owner.isdigit() and not _alive(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed


def _prefix() -> str:
    return f"{SCRATCH_PREFIX}{os.getpid()}-"


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OverflowError:
        return False  # no process ever had that number
    except PermissionError:
        pass  # somebody else's, but there
    return True
