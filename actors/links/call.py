"""One ask on its way from a gateway to a node, and the two ways in which it can go astray."""

import asyncio
from typing import Any

from sharding.table import Moved


class MovedAway(Exception):
    """The node does not own the shard; it did nothing, and says what it knows."""

    def __init__(self, node: str, moved: Moved) -> None:
        super().__init__(moved)
        #: Who said so.
        self.node = node
        self.moved = moved


class LinkLost(Exception):
    """The connection ended after the ask was written and before it was answered."""


class Call:
    """An ask as bytes, and who waits for its answer."""

    __slots__ = (
        "command",
        "deadline",
        "entity",
        "future",
        "parked",
        "parked_until",
        "payload",
        "shard",
    )

    def __init__(
        self,
        future: asyncio.Future[Any],
        shard: int,
        entity: int,
        payload: bytes,
        deadline: float,
        command: bool,
    ) -> None:
        self.future = future
        self.shard = shard
        self.entity = entity
        self.payload = payload
        #: On the gateway's monotonic scale; 0 is never.
        self.deadline = deadline
        #: Whether it changes something, so that an answer that was lost matters.
        self.command = command
        #: Whether it counts among those that wait for a node.
        self.parked = False
        #: When it has waited for long enough, in all; 0 until it first waits.
        self.parked_until = 0.0

    def again(self, future: asyncio.Future[Any]) -> "Call":
        """The same ask for another try."""
        call = Call(future, self.shard, self.entity, self.payload, self.deadline, self.command)
        call.parked_until = self.parked_until
        return call

    def fail(self, error: BaseException) -> None:
        """Tell who waits, if somebody still does."""
        if not self.future.done():
            self.future.set_exception(error)
            # Whoever waited may have gone away in this very turn of the loop.
            self.future.exception()

    def __repr__(self) -> str:
        return f"<Call shard={self.shard} entity={self.entity} {len(self.payload)} bytes>"
