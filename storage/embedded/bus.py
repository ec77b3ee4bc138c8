"""`InProcessBus`: events from shard to shard, in memory, without a queue that could lose them.

`publish` returns only when a receiver has returned for every envelope, so the sender's outbox stays the one
durable queue and a kill loses nothing. Each target shard has a lane: first come, first delivered, one call
at a time, and whatever came meanwhile shares the next call (and so the receiver's next commit). A receiver
that fails is asked again, ever more slowly; its lane waits, the others go on.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence

import msgspec

from actors.events import Broadcast
from actors.ports.bus import Envelope, Listener, Receiver
from actors.ports.clock import Clock
from actors.tasks import TaskSet
from sharding.codec import Codec
from sharding.errors import NotOwner, StorageUnavailable

#: What a simulator does to a delivery: it may wait, split, repeat and bring back older envelopes, but every
#: one that it was given must be in what it returns.
Mischief = Callable[[Sequence[Envelope]], Awaitable[Iterable[Sequence[Envelope]]]]

ENVELOPES: Codec[Envelope] = Codec(Envelope)


class BusSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of an `InProcessBus`."""

    #: Envelopes that may wait for one target shard; a publish beyond is refused.
    max_waiting: int = 4096
    #: Envelopes in one call of a receiver, at most, unless one publish alone has more.
    max_together: int = 256
    #: Pause before a failed receiver is asked again, in seconds; doubles up to the longest.
    retry_first_s: float = 0.01
    retry_longest_s: float = 1.0
    #: Broadcasts that may wait for the loop; the oldest are dropped beyond.
    max_broadcasts: int = 1024
    #: Pass every envelope through its bytes, as a real wire would.
    serialise: bool = False


class BusStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What the bus has done."""

    delivered: int
    waiting: int
    #: Calls of receivers that failed.
    failures: int
    broadcasts_dropped: int
    listener_failures: int


class _Lane:
    """What waits for one target shard."""

    __slots__ = ("groups", "under_way", "waiting")

    def __init__(self) -> None:
        self.groups: deque[tuple[Sequence[Envelope], asyncio.Future[None]]] = deque()
        #: Who waits for the call that is being made.
        self.under_way: list[asyncio.Future[None]] = []
        #: Envelopes in `groups` and in that call.
        self.waiting = 0

    def next_call(self, max_together: int) -> list[Envelope]:
        """Take the groups that came first, at least one, as many as fit in one call."""
        together, future = list(self.groups[0][0]), self.groups[0][1]
        self.groups.popleft()
        self.under_way = [future]
        while self.groups and len(together) + len(self.groups[0][0]) <= max_together:
            group, future = self.groups.popleft()
            together.extend(group)
            self.under_way.append(future)
        return together

    def resolve(self, count: int) -> None:
        """The call has returned for `count` envelopes."""
        self.waiting -= count
        for future in self.under_way:
            if not future.done():
                future.set_result(None)
        self.under_way = []

    def fail(self) -> None:
        """Refuse everybody who waits."""
        for future in (*self.under_way, *(future for _, future in self.groups)):
            _fail(future)
        self.groups.clear()
        self.under_way = []


class InProcessBus:
    """Fills `actors.ports.bus.EventBus`.

    Several receivers may subscribe (nodes of one simulated fleet): one that says `NotOwner` passes the
    envelopes on to the next.
    """

    def __init__(
        self,
        clock: Clock,
        tasks: TaskSet,
        settings: BusSettings | None = None,
        mischief: Mischief | None = None,
    ) -> None:
        self._clock = clock
        self._tasks = tasks
        self._settings = settings or BusSettings()
        self._mischief = mischief
        self._receivers: list[Receiver] = []
        self._listeners: list[Listener] = []
        self._lanes: dict[int, _Lane] = {}
        self._whispers: deque[Broadcast] = deque(maxlen=self._settings.max_broadcasts)
        self._whispering = False
        self._closed = False
        self._delivered = self._failures = self._dropped = self._listener_failures = 0

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Return when receivers have returned for every envelope.

        A caller that is cancelled does not take back what it handed in.

        Raises:
            StorageUnavailable: the bus was closed, or too much waits for a target; repeat the whole call.
        """
        groups: dict[int, list[Envelope]] = {}
        for envelope in envelopes:
            groups.setdefault(envelope.target, []).append(envelope)
        await asyncio.gather(*[self._enqueue(target, group) for target, group in groups.items()])

    def subscribe(self, receiver: Receiver) -> None:
        """Hand envelopes to `receiver`."""
        self._receivers.append(receiver)

    def unsubscribe(self, receiver: Receiver) -> None:
        """Never call `receiver` again."""
        self._receivers.remove(receiver)

    def broadcast(self, message: Broadcast) -> None:
        """Call every listener with `message` on the next turn of the loop."""
        if self._closed:
            return
        if len(self._whispers) == self._settings.max_broadcasts:
            self._dropped += 1
        self._whispers.append(message)
        if not self._whispering:
            self._whispering = True
            asyncio.get_running_loop().call_soon(self._whisper)

    def listen(self, listener: Listener) -> None:
        """Call `listener` with every broadcast."""
        self._listeners.append(listener)

    def unlisten(self, listener: Listener) -> None:
        """Never call `listener` again."""
        self._listeners.remove(listener)

    def close(self) -> None:
        """Take and deliver nothing more; whoever waits in `publish` is refused."""
        self._closed = True
        for lane in self._lanes.values():
            lane.fail()
        self._lanes.clear()

    def statistics(self) -> BusStatistics:
        """Numbers as of now."""
        return BusStatistics(
            delivered=self._delivered,
            waiting=sum(lane.waiting for lane in self._lanes.values()),
            failures=self._failures,
            broadcasts_dropped=self._dropped,
            listener_failures=self._listener_failures,
        )

    def _enqueue(self, target: int, group: list[Envelope]) -> "asyncio.Future[None]":
        taken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lane = self._lanes.get(target)
        if self._closed or (
            lane is not None and lane.waiting + len(group) > self._settings.max_waiting
        ):
            _fail(taken)
            return taken
        idle = lane is None
        if lane is None:
            lane = self._lanes[target] = _Lane()
        lane.groups.append((group, taken))
        lane.waiting += len(group)
        if idle:
            _ = self._tasks.spawn(self._drain(target, lane), name=f"bus lane {target}")
        return taken

    async def _drain(self, target: int, lane: _Lane) -> None:
        try:
            while lane.groups:
                together = lane.next_call(self._settings.max_together)
                if not await self._deliver(together):
                    return
                lane.resolve(len(together))
        finally:
            # However this ends, nobody is left waiting, and the next publish opens a new lane.
            lane.fail()
            if self._lanes.get(target) is lane:
                del self._lanes[target]

    async def _deliver(self, envelopes: Sequence[Envelope]) -> bool:
        if self._settings.serialise:
            envelopes = [ENVELOPES.decode(ENVELOPES.encode(each)) for each in envelopes]
        deliveries: Iterable[Sequence[Envelope]] = (envelopes,)
        if self._mischief is not None:
            deliveries = await self._mischief(envelopes)
        for delivery in deliveries:
            pause = self._settings.retry_first_s
            while not self._closed and not await self._received(delivery):
                await self._clock.sleep(pause)
                pause = min(pause * 2, self._settings.retry_longest_s)
        if self._closed:
            return False
        self._delivered += len(envelopes)
        return True

    async def _received(self, envelopes: Sequence[Envelope]) -> bool:
        for receiver in tuple(self._receivers):
            try:
                await receiver(envelopes)
                return True
            except NotOwner:
                continue
            except Exception:
                break
        self._failures += 1
        return False

    def _whisper(self) -> None:
        self._whispering = False
        messages = tuple(self._whispers)
        self._whispers.clear()
        for message in messages:
            for listener in tuple(self._listeners):
                try:
                    listener(message)
                except Exception:
                    # A cache that chokes on a hint must not keep it from the others.
                    self._listener_failures += 1

    def __repr__(self) -> str:
        return f"<InProcessBus lanes={len(self._lanes)} {self.statistics()}>"


def _fail(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_exception(StorageUnavailable("The bus is closed or full."))
