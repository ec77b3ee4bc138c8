"""The way from an actor to the websockets of its user, wherever they are held."""

from typing import Protocol


class SocketHub(Protocol):
    """Hands frames to connections; never blocks and never fails: a connection that is gone is skipped.

    A connection that cannot keep up is closed by its holder (4408); the client resumes by number.
    """

    def deliver(self, connection: str, seq: int, frame: bytes) -> None:
        """Send a JSON text frame; `seq` is its number among the user's events, 0 for one without."""
        ...

    def end(self, connection: str) -> None:
        """Close a connection whose session has ended (4401)."""
        ...

    def detach(self, connection: str) -> None:
        """The actor behind it is no longer here: its holder attaches it again, wherever the actor is now.

        What came between is resumed by number, so the client notices nothing.
        """
        ...
