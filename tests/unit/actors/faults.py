"""Ports that can be held up, broken and counted, around the real adapters."""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter

from sharding.errors import StorageUnavailable


class Port:
    """Passes every call on; `before` and `after` hold what is awaited around the calls of a method."""

    def __init__(self, target):
        self._target = target
        self.calls: Counter[str] = Counter()
        self.before = {}
        self.after = {}

    def __getattr__(self, name):
        found = getattr(self._target, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*arguments, **more):
            self.calls[name] += 1
            if name in self.before:
                await self.before[name](*arguments, **more)
            result = await found(*arguments, **more)
            if name in self.after:
                await self.after[name](*arguments, **more)
            return result

        return call

    def heal(self):
        self.before.clear()
        self.after.clear()


class Held:
    """Holds up whoever comes, until it is let go."""

    def __init__(self):
        self.reached = asyncio.Event()
        self._open = asyncio.Event()

    async def __call__(self, *arguments, **more):
        self.reached.set()
        await self._open.wait()

    def let_go(self):
        self._open.set()


class Failing:
    """Fails so often, then no more."""

    def __init__(self, times, error=StorageUnavailable):
        self.left = times
        self._error = error

    async def __call__(self, *arguments, **more):
        if self.left > 0:
            self.left -= 1
            raise self._error()


class Sockets:
    """Fills `actors.ports.sockets.SocketHub`; remembers what every connection got."""

    def __init__(self):
        self.frames = {}
        self.ended = []
        self.detached = []

    def deliver(self, connection, seq, frame):
        self.frames.setdefault(connection, []).append(frame)

    def detach(self, connection):
        self.detached.append(connection)

    def end(self, connection):
        self.ended.append(connection)


class Alarms(list[tuple[str, BaseException]]):
    """What went wrong and was nobody's answer."""

    def __call__(self, name, error):
        self.append((name, error))
