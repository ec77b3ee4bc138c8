"""A cluster of one's own making: links that remember what was sent and answer what a test tells them."""

from __future__ import annotations

import asyncio

from actors.tasks import TaskSet
from storage.redis.faults import ErrorReply, LinkLost
from storage.redis.router import Router
from storage.redis.scripts import read_scripts
from storage.redis.settings import RedisSettings
from storage.redis.tags import slot_of
from tests.contracts.clock import ManualClock

A, B = ("a", 1), ("b", 2)


class QuickClock(ManualClock):
    """Pauses pass at once; hearts never beat."""

    def __init__(self, settings):
        super().__init__()
        self._heartbeat_s = settings.heartbeat_s

    async def sleep(self, seconds):
        if seconds == self._heartbeat_s:
            await super().sleep(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)


class FakeLink:
    """Answers by `answer(command)`: a value, an error to raise, or None to owe it."""

    def __init__(self, answer=lambda command: None):
        self._answer = answer
        self.sent = []
        self.owed = []
        self.closed = False

    def send(self, command):
        if self.closed:
            raise LinkLost("closed", sent=False)
        self.sent.append(command)
        future = asyncio.get_running_loop().create_future()
        self.owed.append(future)
        answer = self._answer(command)
        if isinstance(answer, Exception):
            future.set_exception(answer)
        elif answer is not None:
            future.set_result(answer)
        return future

    def close(self):
        self.closed = True
        for future in self.owed:
            if not future.done():
                future.set_exception(LinkLost("closed", sent=True))

    def named(self, *names):
        """What was sent of these commands."""
        return [command for command in self.sent if command[0] in names]


class FakePort:
    """Nodes by address, each a function from command to answer; one that is not there refuses connections."""

    def __init__(self, nodes, master=A):
        self.nodes = nodes
        self.master = master
        self.links = {}
        self.looks = 0

    async def masters(self):
        self.looks += 1
        return {slot_of(shard): self.master for shard in range(1024)}

    async def connect(self, address):
        if address not in self.nodes:
            raise ConnectionRefusedError(str(address))
        link = FakeLink(self.nodes[address])
        self.links.setdefault(address, []).append(link)
        return link

    def fault(self, error, *, sent):
        if isinstance(error, ErrorReply | LinkLost):
            return error
        return LinkLost(error, sent=sent) if isinstance(error, OSError | TimeoutError) else None

    async def close(self):
        pass


def well(script_answer=(b"ok",)):
    """A node that does what it is asked."""

    def answer(command):
        if command[0] == b"WAIT":
            return 1
        if command[0] == b"EVALSHA":
            return list(script_answer)
        return b"OK"

    return answer


async def router(port, **more):
    """A router over `port` that knows its masters, and the tasks that it runs in."""

    def alarm(name, error):
        raise AssertionError(f"task {name!r} failed") from error

    # A period of its own, by which the clock knows a heart.
    settings = RedisSettings(heartbeat_s=0.77, **more)
    tasks = TaskSet(alarm)
    made = Router(port, read_scripts(), settings, QuickClock(settings), tasks)
    await made.reload()
    return made, tasks
