"""The bus: how events leave a shard, and how nodes whisper to each other's caches."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import msgspec

from actors.events import AnyEvent, Broadcast


class Envelope(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One event on the link between two shards.

    `(epoch, number)` grows on each link; `after` is its predecessor. The receiver keeps the last number it
    applied: a lower one is a copy, a predecessor that it never saw means that something was lost.
    """

    source: int
    target: int
    epoch: int
    number: int
    after: tuple[int, int]
    #: Entities of the target shard that it is for.
    to: tuple[int, ...]
    event: AnyEvent


Receiver = Callable[[Sequence[Envelope]], Awaitable[None]]
Listener = Callable[[Broadcast], None]


class EventBus(Protocol):
    """Carries envelopes at least once, in order on each link unless something was lost."""

    async def publish(self, envelopes: Sequence[Envelope]) -> None:
        """Return when the bus, or the receivers themselves, have taken over every envelope.

        Repeating a publish may deliver copies, which receivers drop by number.

        Raises:
            StorageUnavailable: some may not have been taken over; repeat the whole call.
        """
        ...

    def subscribe(self, receiver: Receiver) -> None:
        """Hand every envelope for the shards of this node to `receiver`, until it returns.

        One that keeps failing for another reason than `NotOwner` or a store that does not answer may be laid
        aside after a bounded number of tries, so that those behind it are heard; its receiver then sees a gap.
        """
        ...

    def broadcast(self, message: Broadcast) -> None:
        """Tell every node, this one included, once, soon, and without promise."""
        ...

    def listen(self, listener: Listener) -> None:
        """Call `listener` with every broadcast."""
        ...


class ShardFollower(Protocol):
    """Told which shards a node owns, so that what is meant for them (envelopes, reports of jobs) comes here.

    A hint: what still comes for a shard that is gone is refused with `NotOwner`, and comes to its new owner.
    """

    def follow(self, shards: Sequence[int]) -> None:
        """This node owns these shards from now on."""
        ...

    def unfollow(self, shards: Sequence[int]) -> None:
        """This node does not own these shards any more."""
        ...
