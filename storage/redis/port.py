"""What a client library must bring, so that leaving one for another is a line in the settings.

Two things only: who is master of which slot, and pipelined connections to a node. The cluster objects of
libraries cannot serve for the rest: an acknowledgement by a replica (WAIT) is worth something only on the
connection that wrote, none of them can say which that was, and what they do on a lost connection (try again
up to ten times, on a replica first) differs from library to library. So routing, retries, bounds and WAIT are
ours (`router`, `master`, `replicas`), written once and tested over both.
"""

from asyncio import Future
from collections.abc import Mapping
from typing import Any, Protocol

from storage.redis.faults import Fault

#: Host and port of a node.
Address = tuple[str, int]

#: One command of Redis, as bytes.
Command = tuple[bytes, ...]


class NodeLink(Protocol):
    """One connection to one node; commands are answered in the order in which they were sent."""

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""
        ...

    def send(self, command: Command) -> "Future[Any]":
        """Send at once, answer later: bytes, int, list or None.

        When the connection ends, every answer that it owes fails, with an error of the driver or a `Fault`.

        Raises:
            LinkLost: it is closed; nothing was sent.
        """
        ...

    def close(self) -> None:
        """End it now. Idempotent."""
        ...


class RedisPort(Protocol):
    """One client library."""

    async def masters(self) -> Mapping[int, Address]:
        """The master of each slot of `storage.redis.tags`, asked of the cluster now; uncovered slots are missing."""
        ...

    async def connect(self, address: Address) -> NodeLink:
        """A new connection to a node, ready for commands."""
        ...

    def fault(self, error: Exception, *, sent: bool) -> Fault | None:
        """What an exception of the driver means; None for one that is none of its own."""
        ...

    async def close(self) -> None:
        """Let go of what the library holds; links are closed by those who opened them."""
        ...
