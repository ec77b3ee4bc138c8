"""What the runtime knows of an actor: five things, whatever it stands for."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, ClassVar, Literal, Protocol

from actors.events import AnyEvent
from actors.messages import Message
from actors.turn import Turn

Kind = Literal["user", "video"]


class Actor(Protocol):
    """One entity's state in memory and the handlers that change it. Never blocks, never waits."""

    KIND: ClassVar[Kind]

    @property
    def heard(self) -> int:
        """How many events it has heard; what was counted is good only if this stood still meanwhile."""
        ...

    @property
    def suspect(self) -> bool:
        """Whether its counts may be wrong and should be taken anew."""
        ...

    def ask(self, message: Message[Any], turn: Turn, session: int) -> Any:
        """Answer a message on behalf of a session.

        Raises:
            Need: something must be fetched first; nothing was changed.
            KinoraError: refused; nothing was changed.
        """
        ...

    def hear(self, event: AnyEvent, turn: Turn) -> None:
        """Take note of what happened elsewhere. Raises Need as `ask` does, and refuses nothing."""
        ...

    def tick(self, turn: Turn) -> None:
        """Let go what was held back to be coalesced; called about once a second while `restless`."""
        ...

    def dump(self, part: str) -> bytes | None:
        """One part of the state as it is stored."""
        ...

    def count(self, tally: Any, turn: Turn) -> int:
        """Set the counts to what the facts say; returns by how much they were off."""
        ...

    @property
    def restless(self) -> bool:
        """Whether `tick` has something to do."""
        ...

    @property
    def connections(self) -> Collection[str]:
        """The websockets attached to it; with one it must stay in memory."""
        ...


#: Makes an actor from the parts of its state and whatever facts it reads itself.
Loader = Callable[[int, Mapping[str, bytes]], Awaitable[Actor]]
