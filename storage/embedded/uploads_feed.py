"""`InProcessUploads`: news of stored uploads within one process.

The twin of the feed over NATS, for tests and simulated fleets. What nobody has taken yet waits, bounded: the
oldest is dropped beyond, since the sweep finds what the feed lost.
"""

from collections import deque

from actors.ports.clock import Clock
from actors.ports.ingest import StoredUpload, Taker
from actors.tasks import TaskSet
from sharding.errors import StorageUnavailable

#: Pause before a taker that failed is asked again, in seconds.
RETRY_S = 0.05
#: Uploads that may wait.
MAX_WAITING = 1024


class InProcessUploads:
    """Fills `actors.ports.ingest.UploadFeed`."""

    def __init__(self, clock: Clock, tasks: TaskSet) -> None:
        self._clock = clock
        self._tasks = tasks
        self._taker: Taker | None = None
        self._waiting: deque[StoredUpload] = deque(maxlen=MAX_WAITING)
        self._telling = False

    def take_by(self, taker: Taker) -> None:
        """Call `taker` again and again until it returns."""
        self._taker = taker
        self._wake()

    async def pass_on(self, upload: StoredUpload) -> None:
        """Hand one whose author is known to the taker; every shard is followed here.

        Raises:
            StorageUnavailable: too much waits already.
        """
        if len(self._waiting) == MAX_WAITING:
            raise StorageUnavailable("Too many uploads wait.", executed=False)
        self.stored(upload)

    def stored(self, upload: StoredUpload) -> None:
        """The blob store has the file of an upload."""
        self._waiting.append(upload)
        self._wake()

    def _wake(self) -> None:
        if self._taker is not None and self._waiting and not self._telling:
            self._telling = True
            self._tasks.spawn(self._tell(), name="uploads feed")

    async def _tell(self) -> None:
        try:
            while self._waiting and self._taker is not None:
                upload = self._waiting.popleft()
                try:
                    await self._taker(upload)
                except Exception:
                    # Behind the others, so that one that cannot be taken holds up none.
                    self._waiting.append(upload)
                    await self._clock.sleep(RETRY_S)
        finally:
            self._telling = False

    def __repr__(self) -> str:
        return f"<InProcessUploads waiting={len(self._waiting)}>"
