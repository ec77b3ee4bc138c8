"""The gateway's end of the link to one node: connects, asks, waits, and tells the truth when it breaks.

What became of an ask when the connection is lost:

| the ask was | then |
|---|---|
| not written | it was not executed; it waits for the next connection |
| written, a query | `LinkLost`; its owner may ask again |
| written, a command under a key | `LinkLost`; its owner may ask again under the same op id |
| written, another command | `LinkLost`; nobody may repeat it, and nobody knows |

A node that is stopped or cut off says nothing, and its connection stays open for minutes. It is pinged, and
after `silence_s` without a byte the connection is ended from here, with the same table.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NoReturn

import msgspec

from actors.links import wire
from actors.links.call import Call
from actors.links.line import Line
from actors.links.parking import RETRY_AFTER_S, Parking
from actors.links.settings import CallerSettings
from actors.links.wire import FarewellReason, Hello
from actors.ports.clock import Clock
from sharding.errors import DeadlineExceeded, KinoraError, Unavailable

#: Connects a protocol to wherever the node is now.
Dial = Callable[[Callable[[], asyncio.BaseProtocol]], Awaitable[object]]


class LinkEvents(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a link tells what."""

    #: A push for the gateway's websocket of that number: action, number, seq, frame.
    pushed: Callable[[int, int, int, bytes], None]
    #: The node of that name was lost: whoever was attached there is not any more.
    lost: Callable[[str], None]


class LinkStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """One link at one moment, and what it did."""

    node: str
    up: bool
    in_flight: int
    waiting: int
    window: int
    connected: int
    lost: int
    late: int
    #: Why the node last ended it, if it said so.
    farewell: FarewellReason | None


class NodeLink:
    """One node, whether it is there or not."""

    def __init__(
        self,
        node: str,
        hello: Hello,
        dial: Dial,
        parking: Parking,
        settings: CallerSettings,
        *,
        clock: Clock,
        dice: random.Random,
        events: LinkEvents,
    ) -> None:
        """`hello` introduces this gateway. No I/O before `run`."""
        self.node = node
        self._hello = hello
        self._dial = dial
        self._parking = parking
        self._settings = settings
        self._clock = clock
        self._monotonic = clock.monotonic
        self._dice = dice
        self._events = events
        self._line: Line | None = None
        self._waiting: deque[Call] = deque()
        self._swept_at = clock.monotonic()
        #: Set to cut a wait between two tries short.
        self._hurry = asyncio.Event()
        self._connected = 0
        self._lost = 0
        self._late = 0
        self._farewell: FarewellReason | None = None

    # Asking.

    def ask(self, call: Call) -> None:
        """Send a call, or let it wait for the node; `call.future` gets what becomes of it.

        Raises:
            Overloaded: too many wait already; it was not sent.
        """
        line = self._line
        if line is not None and not self._waiting and line.room:
            line.send(call, self._monotonic())
            return
        self._parking.enter(call, self._monotonic())
        self._waiting.append(call)

    def take_waiting(self) -> list[Call]:
        """Give up what waits, because it belongs to another node now; it still counts as parked."""
        waiting, self._waiting = self._waiting, deque()
        return list(waiting)

    @property
    def up(self) -> bool:
        """Whether the node can be asked."""
        return self._line is not None and self._line.up

    @property
    def incarnation(self) -> str | None:
        """The start of the node that it is connected to."""
        line = self._line
        return line.peer.incarnation if line is not None and line.peer is not None else None

    def sweep(self) -> None:
        """Look for deadlines that have passed and for silence."""
        now = self._monotonic()
        paused = now - self._swept_at > self._settings.heartbeat_s
        self._swept_at = now
        self._sweep_waiting(now)
        line = self._line
        if line is None:
            return
        for call in line.calls.values():
            if call.deadline and now >= call.deadline and not call.future.done():
                call.fail(_too_late(call))
        if line.heard or paused:
            # After a pause of our own, what the node said meanwhile has not been read yet.
            line.heard, line.heard_at = False, now
        elif now - line.heard_at >= self._settings.silence_s:
            line.close()
            return
        if now - line.pinged_at >= self._settings.heartbeat_s:
            line.pinged_at = now
            line.ping()

    def _sweep_waiting(self, now: float) -> None:
        if not self._waiting:
            return
        kept: deque[Call] = deque()
        for call in self._waiting:
            if call.future.done():
                self._parking.leave(call)
            elif call.deadline and now >= call.deadline:
                self._drop(
                    call, DeadlineExceeded("Its time was over before it began.", executed=False)
                )
            elif now >= call.parked_until:
                self._drop(call, _away())
            else:
                kept.append(call)
        self._waiting = kept

    def _drop(self, call: Call, error: KinoraError) -> None:
        self._parking.leave(call)
        call.fail(error)

    # Being connected.

    async def run(self) -> NoReturn:
        """Connect, and again whenever it is lost, until cancelled."""
        pause = self._settings.retry_first_s
        while True:
            self._hurry.clear()
            if await self._connected_once():
                pause = self._settings.retry_first_s
            wait = self._dice.uniform(pause / 2, pause)
            pause = min(pause * 2, self._settings.retry_longest_s)
            await self._wait(wait)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        except TimeoutError:
            return

    async def _connected_once(self) -> bool:
        """Be connected for as long as it lasts; whether that was long enough to hurry back."""
        line = Line(self, self._hello, self._settings, self._monotonic())
        try:
            async with asyncio.timeout(self._settings.hello_s):
                await self._dial(lambda: line)
                await line.greeted
            began = self._monotonic()
            await line.ended
        except (OSError, TimeoutError):
            return False
        finally:
            line.close()
        # A node that hangs up at once, again and again, is not dialled in a tight loop.
        return self._monotonic() - began >= self._settings.retry_longest_s

    def redial(self) -> None:
        """The node is somewhere else, or another: let go of what there is and connect at once."""
        self._hurry.set()
        if self._line is not None:
            self._line.close()

    def close(self) -> None:
        """Refuse what waits; nothing of it was done. What is under way ends with the connection."""
        for call in self.take_waiting():
            self._drop(call, _away())
        if self._line is not None:
            self._line.close()

    # What the line tells.

    def opened(self, line: Line) -> None:
        """Fills `LineOwner`."""
        self._line = line
        self._connected += 1
        self._farewell = None
        self.has_room(line)

    def has_room(self, line: Line) -> None:
        """Fills `LineOwner`: those that wait go first, in the order in which they came."""
        waiting, now = self._waiting, self._monotonic()
        while waiting and line.room and line is self._line:
            call = waiting.popleft()
            self._parking.leave(call)
            if not call.future.done():
                line.send(call, now)

    def pushed(self, action: int, number: int, seq: int, frame: bytes) -> None:
        """Fills `LineOwner`."""
        if action == wire.DETACH_ALL:
            self._events.lost(self.node)
        else:
            self._events.pushed(action, number, seq, frame)

    def closed(self, line: Line, unsent: list[Call]) -> None:
        """Fills `LineOwner`."""
        self._late += line.late
        if line.farewell is not None:
            self._farewell = line.farewell.reason
        if line is not self._line:
            return
        self._line = None
        self._lost += 1
        now = self._monotonic()
        for call in reversed(unsent):
            try:
                self._parking.enter(call, now)
            except KinoraError as error:
                call.fail(error)
            else:
                self._waiting.appendleft(call)
        self._events.lost(self.node)

    def statistics(self) -> LinkStatistics:
        """The link at this moment."""
        line = self._line
        return LinkStatistics(
            node=self.node,
            up=self.up,
            in_flight=len(line.calls) if line is not None else 0,
            waiting=len(self._waiting),
            window=line.window if line is not None else 0,
            connected=self._connected,
            lost=self._lost,
            late=self._late + (line.late if line is not None else 0),
            farewell=self._farewell,
        )

    def __repr__(self) -> str:
        return f"<NodeLink {self.node} {self._line!r} waiting={len(self._waiting)}>"


def _away() -> Unavailable:
    return Unavailable("The user's node is not there.", executed=False, retry_after_s=RETRY_AFTER_S)


def _too_late(call: Call) -> DeadlineExceeded:
    """What is said of an ask that was sent and not answered in time; a query changes nothing."""
    if call.command:
        return DeadlineExceeded()
    return DeadlineExceeded("The time for this request is over.", executed=False)
