"""`DeadLetters`: what nobody could bear, kept with the reason for whoever looks into it.

A dead letter is a loss that is known: the inbox goes on, its receiver sees a gap and counts anew. Letters are
bounded in number, bytes and age, and a metric counts them; `nats stream view <prefix>_dead` shows them.
"""

from typing import Any

import msgspec

from storage.nats.log import Log
from storage.nats.names import Names


class DeadLetters:
    """The dead letters of one installation, as this process adds to them."""

    __slots__ = ("_log", "_names", "count")

    def __init__(self, log: Log, names: Names) -> None:
        self._log = log
        self._names = names
        #: Letters that this process has added.
        self.count = 0

    async def bury(self, kind: str, origin: str, what: Any, why: str) -> None:
        """Keep `what` of `origin` as a letter of `kind`; JSON, so that anybody can read it.

        Raises:
            StorageUnavailable: unknown whether it is kept; repeat.
        """
        letter = {"origin": origin, "why": why, "what": what}
        await self._log.append(self._names.dead_letter(kind), msgspec.json.encode(letter))
        self.count += 1
