"""`Outgoing`: what leaves this process for the inboxes of shards, in order and few messages.

Each target shard has a lane with at most one message under way; what is handed in meanwhile, by whichever
shard of this process, shares the next one. So a busy target costs few messages, and an event can never
overtake its predecessor: when a message fails, everything behind it in its lane is refused with it, and
comes again from the outboxes in their order.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial

from nats.aio.msg import Msg

from actors.ports.bus import Envelope
from sharding.errors import Internal, KinoraError, StorageUnavailable
from storage.nats.chores import Chores
from storage.nats.errors import WrongRevision, away
from storage.nats.log import Log, receipt
from storage.nats.names import Names
from storage.nats.posts import Post, encode_post, message_of, name_of
from storage.nats.settings import NatsSettings

#: What an array's length can say.
_MOST = 65_535


class _Group:
    """What one publish has for one target."""

    __slots__ = ("encoded", "envelopes", "size", "taken")

    def __init__(self, posts: Sequence[Post]) -> None:
        self.encoded = [encode_post(post) for post in posts]
        self.size = sum(map(len, self.encoded))
        # Only these carry a number; the same news of an upload twice may be two uploads.
        self.envelopes = all(isinstance(post, Envelope) for post in posts)
        self.taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class _Lane:
    """What goes to one shard."""

    __slots__ = ("groups", "shard", "under_way")

    def __init__(self, shard: int) -> None:
        self.shard = shard
        self.groups: deque[_Group] = deque()
        self.under_way: list[_Group] = []

    def next_message(self, settings: NatsSettings) -> tuple[bytes, str | None]:
        """The groups that came first as one message, as many as fit, and by what it is recognised."""
        posts = size = 0
        while self.groups:
            group = self.groups[0]
            posts, size = posts + len(group.encoded), size + group.size
            full = posts > settings.max_together or size > settings.max_message_bytes
            if self.under_way and full:
                break
            self.under_way.append(self.groups.popleft())
        message = message_of([each for group in self.under_way for each in group.encoded])
        numbered = all(group.envelopes for group in self.under_way)
        return message, name_of(message) if numbered else None


class Outgoing:
    """The sending side of the inboxes."""

    def __init__(self, log: Log, names: Names, chores: Chores, settings: NatsSettings) -> None:
        self._log = log
        self._names = names
        self._chores = chores
        self._settings = settings
        self._lanes: dict[int, _Lane] = {}
        self._ready: deque[_Lane] = deque()
        self._pumping = False
        self._closed = False
        self._in_flight = 0
        #: Posts that wait or are under way.
        self.waiting = 0
        #: Posts and messages that the server has taken, and posts that were refused.
        self.posts = self.messages = self.refused = 0

    async def put(self, targets: Mapping[int, Sequence[Post]]) -> None:
        """Return when the server has stored everything.

        Raises:
            StorageUnavailable: some may not have been stored; repeat the whole call.
        """
        count = sum(map(len, targets.values()))
        if self._closed or self.waiting + count > self._settings.max_outgoing:
            self.refused += count
            raise away("the bus is closed or full")
        taken = [self._enqueue(shard, _Group(posts)) for shard, posts in targets.items() if posts]
        if len(taken) == 1:
            await taken[0]
            return
        # All of them are waited for: one that fails must not leave the others' errors unheard.
        for outcome in await asyncio.gather(*taken, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    def close(self) -> None:
        """Take nothing more, and refuse whoever waits."""
        self._closed = True
        for lane in tuple(self._lanes.values()):
            self._fail(lane, away("the bus is closed", executed=None))

    def _enqueue(self, shard: int, group: _Group) -> "asyncio.Future[None]":
        if len(group.encoded) > _MOST:
            raise Internal(context=f"{len(group.encoded)} events in one publish")
        lane = self._lanes.get(shard)
        if lane is None:
            lane = self._lanes[shard] = _Lane(shard)
            self._ready.append(lane)
        lane.groups.append(group)
        self.waiting += len(group.encoded)
        self._pump()
        return group.taken

    def _pump(self) -> None:
        if self._ready and not self._pumping and not self._closed:
            self._pumping = True
            self._chores.begin(self._send_ready(), name="outgoing")

    async def _send_ready(self) -> None:
        try:
            while self._ready and self._in_flight < self._settings.max_in_flight:
                lane = self._ready.popleft()
                if lane.groups:
                    await self._send(lane)
        finally:
            self._pumping = False

    async def _send(self, lane: _Lane) -> None:
        message, name = lane.next_message(self._settings)
        try:
            subject = self._names.shard(lane.shard)
            answer = await self._log.begin_append(subject, message, name)
        except KinoraError as error:
            self._fail(lane, error)
            return
        self._in_flight += 1
        answer.add_done_callback(partial(self._answered, lane))

    def _answered(self, lane: _Lane, answer: "asyncio.Future[list[Msg]]") -> None:
        self._in_flight -= 1
        try:
            receipt(answer.result()[0])
        except WrongRevision:
            self._fail(lane, Internal(context="a receipt speaks of a revision"))
        except (KinoraError, ValueError) as error:
            known = isinstance(error, KinoraError)
            self._fail(lane, error if known else StorageUnavailable(context=str(error)))
        else:
            self._taken(lane)
        self._pump()

    def _taken(self, lane: _Lane) -> None:
        done, lane.under_way = lane.under_way, []
        self.messages += 1
        for group in done:
            self.waiting -= len(group.encoded)
            self.posts += len(group.encoded)
            if not group.taken.done():
                group.taken.set_result(None)
        if lane.groups:
            self._ready.append(lane)
        elif self._lanes.get(lane.shard) is lane:
            del self._lanes[lane.shard]

    def _fail(self, lane: _Lane, error: Exception) -> None:
        for group in (*lane.under_way, *lane.groups):
            self.waiting -= len(group.encoded)
            self.refused += len(group.encoded)
            if not group.taken.done():
                group.taken.set_exception(error)
        lane.groups.clear()
        lane.under_way = []
        if self._lanes.get(lane.shard) is lane:
            del self._lanes[lane.shard]

    def __repr__(self) -> str:
        return f"<Outgoing lanes={len(self._lanes)} waiting={self.waiting} refused={self.refused}>"
