"""The way from an actor to the websockets of its user, wherever they are held."""

from collections.abc import Sequence
from typing import Protocol


class SocketHub(Protocol):
    """Hands frames to connections; never blocks and never fails: a connection that is gone is skipped.

    A connection that cannot keep up is closed by its holder (4408); the client resumes by number.
    """

    def deliver(self, connection: str, frames: Sequence[bytes]) -> None:
        """Send JSON text frames in this order."""
        ...

    def end(self, connection: str) -> None:
        """Close a connection whose session has ended (4401)."""
        ...
