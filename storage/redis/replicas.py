"""Whether a replica has it: one WAIT for all writes that a connection sent before it.

A write is acknowledged when a replica has it, since the master alone may die with it. WAIT n blocks a
connection until n replicas have all writes *of that connection*: Redis compares their offsets with the offset
after the connection's own last write. On another connection that one may lie before ours, or at nought, and
WAIT would say yes to what no replica has. So WAIT is sent on the connection that wrote, behind the scripts;
and a script that finds its work done by an earlier attempt, on a connection that is gone, writes again what is
there already, so that this connection's offset lies behind it.

Writes that are sent while a WAIT is under way share the next one: a busy connection asks once per round trip,
not once per write.

When no replica has answered for a second, the master's word alone counts (single-copy mode), said once in the
log and by a metric; Cassandra's quorum stands behind the facts. The mode ends as soon as a WAIT succeeds again,
which is tried once a second, for 20 ms.
"""

import asyncio
import logging
from enum import Enum
from typing import Any

from actors.ports.clock import Clock
from storage.redis.port import NodeLink
from storage.redis.settings import RedisSettings
from storage.redis.statistics import Meter

_LOG = logging.getLogger(__name__)


class Copy(Enum):
    """Who has a write."""

    REPLICA = "a replica has it"
    MASTER = "only the master has it, and that must do now"
    UNKNOWN = "the connection ended before anybody said"


class CopyMode:
    """Whether the replicas of one master answer; outlives its connections."""

    __slots__ = ("_clock", "_name", "_next_probe", "_settings", "_silent_since", "single")

    def __init__(self, name: str, settings: RedisSettings, clock: Clock) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self._silent_since: float | None = None
        self._next_probe = 0.0
        #: Writes are acknowledged without a replica.
        self.single = False

    def asked(self) -> None:
        """A WAIT was sent."""
        if self._silent_since is None:
            self._silent_since = self._clock.monotonic()

    def heard(self) -> None:
        """A replica has answered."""
        self._silent_since = None
        if self.single:
            self.single = False
            _LOG.warning("a replica of redis %s answers again", self._name)

    def silent(self) -> bool:
        """No replica answered a WAIT; True when the master's word is enough now."""
        since = self._silent_since
        if not self.single and since is not None:
            silence = self._clock.monotonic() - since
            if silence >= self._settings.single_copy_after_s:
                self.single = True
                self._next_probe = self._clock.monotonic() + self._settings.probe_every_s
                _LOG.warning("no replica of redis %s answers: single-copy mode", self._name)
        return self.single

    def probe_is_due(self) -> bool:
        """Whether to ask again now; at most once a period."""
        now = self._clock.monotonic()
        if now < self._next_probe:
            return False
        self._next_probe = now + self._settings.probe_every_s
        return True


class ReplicaLine:
    """The WAITs of one connection."""

    __slots__ = ("_asking", "_link", "_loop", "_meter", "_mode", "_next", "_settings", "_under_way")

    def __init__(
        self, link: NodeLink, mode: CopyMode, settings: RedisSettings, meter: Meter
    ) -> None:
        self._link = link
        self._mode = mode
        self._settings = settings
        self._meter = meter
        self._loop = asyncio.get_running_loop()
        #: Who waits for the WAIT that is under way, and who for the next.
        self._under_way: list[asyncio.Future[Copy]] = []
        self._next: list[asyncio.Future[Copy]] = []
        self._asking = False

    def after_write(self) -> "asyncio.Future[Copy]":
        """Who has what was just sent on this connection."""
        copied: asyncio.Future[Copy] = self._loop.create_future()
        if self._mode.single:
            copied.set_result(Copy.MASTER)
            if not self._asking and self._mode.probe_is_due():
                self._ask_soon()
            return copied
        self._next.append(copied)
        if not self._asking:
            self._ask_soon()
        return copied

    def _ask_soon(self) -> None:
        # At the end of this turn of the loop, behind everything that is sent in it.
        self._asking = True
        self._loop.call_soon(self._ask)

    def _ask(self) -> None:
        self._under_way, self._next = self._next, []
        patience = self._settings.probe_ms if self._mode.single else self._settings.wait_slice_ms
        self._mode.asked()
        self._meter.waits += 1
        try:
            answer = self._link.send((b"WAIT", b"1", b"%d" % patience))
        except Exception:
            self._settle(Copy.UNKNOWN)
            return
        answer.add_done_callback(self._answered)

    def _answered(self, answer: "asyncio.Future[Any]") -> None:
        if answer.cancelled() or answer.exception() is not None:
            self._settle(Copy.UNKNOWN)
            return
        if answer.result() >= 1:
            self._mode.heard()
            _settle(self._under_way, Copy.REPLICA)
        elif self._mode.silent():
            _settle(self._under_way, Copy.MASTER)
            _settle(self._next, Copy.MASTER)
            self._next = []
        else:
            self._next = self._under_way + self._next
        self._under_way = []
        if self._next:
            self._ask()
        else:
            self._asking = False

    def _settle(self, copy: Copy) -> None:
        self._asking = False
        waiting, self._under_way, self._next = self._under_way + self._next, [], []
        _settle(waiting, copy)


def _settle(waiting: "list[asyncio.Future[Copy]]", copy: Copy) -> None:
    for each in waiting:
        if not each.done():
            each.set_result(copy)
