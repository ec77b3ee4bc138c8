"""Time that stands still while anything can run, and jumps to the next timer when nothing can.

A test on this loop sleeps for an hour in no time, and two runs of it take the same steps in the same order.
Where nothing can run and no timer is set, waiting would last for ever; that is an error with a name.
"""

from __future__ import annotations

import asyncio
import selectors

#: The Unix millisecond at which every such loop begins: 2027-01-15T08:00:00Z.
BEGIN_MS = 1_800_000_000_000
#: What its own clock shows then, in seconds; not zero, which stands for "no deadline".
BEGIN_S = 1_000.0


class NothingWillHappen(RuntimeError):
    """Everything waits for something else."""


class _Jump(selectors.DefaultSelector):
    """Where the loop would wait, it turns the clock on."""

    def __init__(self):
        super().__init__()
        self.now = BEGIN_S

    def select(self, timeout=None):
        if timeout is None:
            raise NothingWillHappen("nothing can run and no timer is set")
        self.now += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock of its own."""

    def __init__(self):
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self):
        return self._jump.now


class VirtualClock:
    """Fills `actors.ports.clock.Clock` on a `VirtualLoop`; its wall clock can be set."""

    def __init__(self):
        self._ahead_ms = 0

    def unix_ms(self):
        return BEGIN_MS + round((self.monotonic() - BEGIN_S) * 1000) + self._ahead_ms

    def pass_ms(self, ms):
        """Set the wall clock on, or back: nothing that sleeps wakes up."""
        self._ahead_ms += ms

    def monotonic(self):
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds):
        await asyncio.sleep(seconds)


async def settled(turns=200):
    """Let everything run that can, without time passing."""
    for _ in range(turns):
        await asyncio.sleep(0)
