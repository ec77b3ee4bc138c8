"""`Lane`: the inbox of one followed shard, read in order, handed over one call at a time.

The stream is a log and the lane knows how far it has come. A message that was just stored is heard from the
server together with the number of the one before it: where that is the last one the lane knows, it joins the
queue at once. Anything else (messages were missed, the queue was full, the connection was away) makes the
lane *behind*, and it reads the stream from where it stands. So the order holds whatever was lost on the way,
and what waits in memory is bounded.

What has been handled is forgotten in the stream a little later. Whoever follows the shard next begins with
what still lies there: a few copies at worst, which receivers drop by number.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from actors.ports.clock import Clock
from sharding.codec import UnknownMessage
from sharding.errors import KinoraError, StorageUnavailable, Unavailable
from storage.nats.log import Stored
from storage.nats.posts import Post, posts_of
from storage.nats.settings import NatsSettings

#: Reads in a row that may find nothing of what is known to be there; a copy of the stream may lag.
_FRUITLESS = 8


class LaneWork:
    """What a lane needs of its inbox."""

    __slots__ = ("bury", "hand_over", "read")

    def __init__(
        self,
        read: Callable[[int, int], Awaitable[tuple[Sequence[Stored], bool]]],
        hand_over: Callable[[Sequence[Post]], Awaitable[None]],
        bury: Callable[[int, bytes | Post, str], Awaitable[None]],
    ) -> None:
        self.read = read
        self.hand_over = hand_over
        self.bury = bury


class Lane:
    """What waits for one shard here."""

    __slots__ = (
        "_clock",
        "_life",
        "_newest",
        "_settings",
        "_waiting",
        "_work",
        "behind",
        "failures",
        "followed",
        "forgotten",
        "handled",
        "position",
        "posts",
        "running",
        "shard",
    )

    def __init__(self, shard: int, work: LaneWork, clock: Clock, settings: NatsSettings) -> None:
        self.shard = shard
        self._work = work
        self._clock = clock
        self._settings = settings
        self._waiting: deque[Stored] = deque()
        #: How often the stream's numbers began anew.
        self._life = 0
        #: The newest message that is known to have been stored.
        self._newest = 0
        #: The last message that joined the queue, was handled, was forgotten in the stream.
        self.position = self.handled = self.forgotten = 0
        self.behind = False
        self.followed = True
        self.running = False
        #: Posts handed over, and calls that failed.
        self.posts = self.failures = 0

    def heard(self, stored: Stored) -> None:
        """The server has stored a message for this shard."""
        if stored.seq <= self.position:
            return
        self._newest = max(self._newest, stored.seq)
        full = len(self._waiting) >= self._settings.lane_max_messages
        if self.behind or full or stored.before > self.position:
            self.behind = True
            return
        self._join(stored)

    def start_over(self) -> None:
        """The stream's numbers begin anew."""
        self._waiting.clear()
        self._life += 1
        self._newest = self.position = self.handled = self.forgotten = 0
        self.behind = True

    @property
    def busy(self) -> bool:
        """Whether there is something to do."""
        return self.followed and (self.behind or bool(self._waiting))

    @property
    def waiting(self) -> int:
        """Messages in memory."""
        return len(self._waiting)

    async def run(self) -> None:
        """Hand over what waits and read what was missed, until nothing is left or the shard is let go."""
        pause = self._settings.retry_first_s
        fruitless = 0
        while self.busy:
            if self._waiting:
                await self._hand_over_waiting()
                continue
            try:
                found, complete = await self._work.read(self.shard, self.position)
            except StorageUnavailable:
                # The next connection makes the lane look again; until then it only asks ever more slowly.
                await self._clock.sleep(pause)
                pause = min(pause * 2, self._settings.retry_longest_s)
                continue
            for stored in found:
                self._join(stored)
            if complete and self.position >= self._newest:
                self.behind = False
            elif not found:
                fruitless += 1
                if fruitless > _FRUITLESS:
                    # Whoever followed before has handled and forgotten it meanwhile.
                    self._newest = self.position
                await self._clock.sleep(self._settings.retry_first_s)

    def _join(self, stored: Stored) -> None:
        self._waiting.append(stored)
        self.position = stored.seq
        self._newest = max(self._newest, stored.seq)

    async def _hand_over_waiting(self) -> None:
        """Take what fits in one call, and return when all of it has been handled or laid aside."""
        posts: list[Post] = []
        last, life = 0, self._life
        while self._waiting and len(posts) < self._settings.max_together:
            stored = self._waiting[0]
            try:
                more = posts_of(stored.data)
            except UnknownMessage as error:
                if posts:
                    break
                await self._lay_aside(stored.seq, stored.data, str(error))
                more = []
            self._waiting.popleft()
            last = stored.seq
            posts.extend(more)
        if await self._all_handled(posts, last) and life == self._life:
            self.handled = max(self.handled, last)

    async def _all_handled(self, posts: list[Post], seq: int) -> bool:
        """Hand posts over again and again; False when the shard was let go before the last."""
        first, longest = self._settings.retry_first_s, self._settings.retry_longest_s
        pause, tries, width = first, 0, len(posts)
        while posts:
            if not self.followed:
                return False
            run = _of_one_kind(posts[:width])
            try:
                await self._work.hand_over(run)
            except Unavailable:
                # Not the owner, not yet the owner, or a store that is away: that passes.
                self.failures += 1
            except Exception as error:
                self.failures += 1
                if len(run) > 1:
                    # One by one, so that only the one that cannot be borne is counted against.
                    width = 1
                else:
                    tries += 1
                if tries >= self._settings.max_tries:
                    await self._lay_aside(seq, run[0], f"{type(error).__name__}: {error}")
                    del posts[0]
                    pause, tries, width = first, 0, len(posts)
                    continue
            else:
                self.posts += len(run)
                del posts[: len(run)]
                pause, tries = first, 0
                continue
            await self._clock.sleep(pause)
            pause = min(pause * 2, longest)
        return True

    async def _lay_aside(self, seq: int, what: bytes | Post, why: str) -> None:
        pause = self._settings.retry_first_s
        while self.followed:
            try:
                await self._work.bury(self.shard, what, f"message {seq}: {why}")
                return
            except KinoraError:
                await self._clock.sleep(pause)
                pause = min(pause * 2, self._settings.retry_longest_s)

    def __repr__(self) -> str:
        return (
            f"<Lane {self.shard} position={self.position} handled={self.handled}"
            f" waiting={self.waiting} behind={self.behind}>"
        )


def _of_one_kind(posts: list[Post]) -> Sequence[Post]:
    """The first posts, as far as they are of the first one's kind."""
    kind = type(posts[0])
    for count, post in enumerate(posts):
        if type(post) is not kind:
            return posts[:count]
    return posts
