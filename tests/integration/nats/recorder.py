"""What tests of the bus over NATS send and keep."""

from __future__ import annotations

from actors.events import VideoViewed
from tests.contracts.make import envelope


class Recorder:
    """A receiver that keeps what it got."""

    def __init__(self):
        self.received = []

    async def __call__(self, envelopes):
        self.received.extend(envelopes)

    @property
    def numbers(self):
        """Numbers in the order in which each came first."""
        return list(dict.fromkeys(each.number for each in self.received))


def viewed(number, **more):
    return envelope(VideoViewed(views=number), number, **more)
