"""The node's way to websockets that gateways hold: the `SocketHub` of the fleet.

A connection's id begins with its gateway's name (`gateway-0-17f3/42`), so a frame finds its way without a
table. Frames that come up in one turn of the loop leave in one write a gateway. What a gateway has not read
waits within a bound in bytes; beyond it all of that is dropped, and the gateway is told to attach its
websockets anew: they resume by number, so nobody is silently behind and nobody is waited for.
"""

from collections.abc import Callable

import msgspec

from actors.links.wire import DELIVER, DETACH, DETACH_ALL, END, push_frame


class PushStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What went to websockets."""

    pushed: int
    #: For gateways that are not connected.
    skipped: int
    #: Lost because a gateway did not read; its sockets were told to attach again.
    dropped: int
    floods: int


class PushLane:
    """What waits for one gateway."""

    __slots__ = ("_bound", "_bytes", "_out", "_wake", "dropped", "flooded", "floods")

    def __init__(self, bound: int, wake: Callable[[], None]) -> None:
        """`wake` is called when there is something to write; at most `bound` bytes wait."""
        self._bound = bound
        self._wake = wake
        self._out: list[bytes] = []
        self._bytes = 0
        self.flooded = False
        self.dropped = 0
        self.floods = 0

    def put(self, frame: bytes) -> None:
        """Have a frame written in this turn of the loop, or when the gateway reads again."""
        if self.flooded:
            self.dropped += 1
            return
        out = self._out
        self._bytes += len(frame)
        if self._bytes > self._bound:
            self.flooded = True
            self.floods += 1
            self.dropped += len(out) + 1
            # Said when the gateway reads again, instead of all that.
            out[:] = [push_frame(DETACH_ALL, 0)]
            return
        out.append(frame)
        if len(out) == 1:
            self._wake()

    @property
    def waiting(self) -> bool:
        """Whether there is anything to write."""
        return bool(self._out)

    def take(self) -> list[bytes]:
        """What is to be written now."""
        out, self._out = self._out, []
        self._bytes = 0
        self.flooded = False
        return out


class RemoteSockets:
    """Fills `actors.ports.sockets.SocketHub` over the links of a node's door."""

    __slots__ = ("_lanes", "_past_dropped", "_past_floods", "_pushed", "_skipped")

    def __init__(self) -> None:
        self._lanes: dict[str, PushLane] = {}
        self._pushed = 0
        self._skipped = 0
        self._past_dropped = 0
        self._past_floods = 0

    def open(self, gateway: str, lane: PushLane) -> None:
        """From now on `lane` leads to the gateway of that name."""
        self._lanes[gateway] = lane

    def close(self, gateway: str, lane: PushLane) -> None:
        """`lane` is no more; a newer one to the same gateway stays."""
        if self._lanes.get(gateway) is lane:
            del self._lanes[gateway]
        self._past_dropped += lane.dropped
        self._past_floods += lane.floods

    def deliver(self, connection: str, seq: int, frame: bytes) -> None:
        """Send a JSON text frame; `seq` is its number among the user's events, 0 for one without."""
        self._put(connection, DELIVER, seq, frame)

    def end(self, connection: str) -> None:
        """Close a connection whose session has ended."""
        self._put(connection, END, 0, b"")

    def detach(self, connection: str) -> None:
        """Have a connection attach again, wherever its actor is now."""
        self._put(connection, DETACH, 0, b"")

    def _put(self, connection: str, action: int, seq: int, frame: bytes) -> None:
        gateway, _, number = connection.rpartition("/")
        lane = self._lanes.get(gateway)
        if lane is None or not number.isdecimal():
            self._skipped += 1
            return
        self._pushed += 1
        lane.put(push_frame(action, int(number), seq, frame))

    def statistics(self) -> PushStatistics:
        """What was done so far."""
        lanes = self._lanes.values()
        return PushStatistics(
            pushed=self._pushed,
            skipped=self._skipped,
            dropped=self._past_dropped + sum(lane.dropped for lane in lanes),
            floods=self._past_floods + sum(lane.floods for lane in lanes),
        )

    def __repr__(self) -> str:
        return f"<RemoteSockets gateways={sorted(self._lanes)}>"
