"""`Line`: one connection to one master, opened when it is needed and opened anew when it was lost.

All commands share it and are answered in order, so many are on their way at once at the cost of one socket.
A question every half second (PING) shows whether it still answers: a peer that is frozen or gone without a
word is found out within a second and a half, and everything that it owes fails then. One question instead of
a timer for each command, since an answer to it answers for everything before it.
"""

import asyncio

from actors.ports.clock import Clock
from actors.tasks import TaskSet
from storage.redis.port import Address, Command, NodeLink, RedisPort
from storage.redis.replicas import CopyMode, ReplicaLine
from storage.redis.scripts import Script, Scripts
from storage.redis.settings import RedisSettings
from storage.redis.statistics import Meter


class OpenLine:
    """A connection whose node knows our scripts."""

    __slots__ = ("link", "replicas")

    def __init__(self, link: NodeLink, replicas: ReplicaLine) -> None:
        self.link = link
        #: Who has what was written on this connection.
        self.replicas = replicas

    def send(self, command: Command) -> "asyncio.Future[object]":
        """See `NodeLink.send`."""
        return self.link.send(command)

    def tell(self, command: Command) -> None:
        """Send what needs no answer: its failure shows in the next command."""
        self.link.send(command).add_done_callback(_overlook)

    def load(self, script: Script) -> None:
        """Make the node know a script, ahead of whatever is sent after this."""
        self.tell(script.load())

    def __repr__(self) -> str:
        return f"<OpenLine {self.link!r}>"


class Line:
    """The way to a master for one kind of commands."""

    def __init__(
        self,
        address: Address,
        port: RedisPort,
        scripts: Scripts,
        mode: CopyMode,
        settings: RedisSettings,
        clock: Clock,
        tasks: TaskSet,
        meter: Meter,
    ) -> None:
        self._address = address
        self._port = port
        self._scripts = scripts
        self._mode = mode
        self._settings = settings
        self._clock = clock
        self._tasks = tasks
        self._meter = meter
        self._open: OpenLine | None = None
        self._opening = asyncio.Lock()
        self._heart: asyncio.Task[None] | None = None

    async def opened(self) -> OpenLine:
        """The connection, a new one if need be.

        Raises:
            Fault: none can be had now.
        """
        line = self._open
        if line is not None and not line.link.closed:
            return line
        async with self._opening:
            if self._open is None or self._open.link.closed:
                self._open = await self._connect()
            return self._open

    def close(self) -> None:
        """End the connection; whatever it owes fails."""
        if self._heart is not None:
            self._heart.cancel()
        if self._open is not None:
            self._open.link.close()

    async def _connect(self) -> OpenLine:
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                link = await self._port.connect(self._address)
        except Exception as error:
            fault = self._port.fault(error, sent=False)
            if fault is None:
                raise
            raise fault from error
        self._meter.connects += 1
        line = OpenLine(link, ReplicaLine(link, self._mode, self._settings, self._meter))
        for script in self._scripts.every:
            line.load(script)
        if self._heart is not None:
            self._heart.cancel()
        self._heart = self._tasks.spawn(self._beat(link), name=f"redis heart {self._address}")
        return line

    async def _beat(self, link: NodeLink) -> None:
        try:
            while not link.closed:
                await self._clock.sleep(self._settings.heartbeat_s)
                async with asyncio.timeout(self._settings.attempt_timeout_s):
                    await link.send((b"PING",))
        except Exception as error:
            # Anything at all: a connection that cannot answer a PING is of no use.
            if self._port.fault(error, sent=True) is None:
                raise
        finally:
            link.close()

    def __repr__(self) -> str:
        return f"<Line {self._address} open={self._open is not None}>"


def _overlook(answer: "asyncio.Future[object]") -> None:
    if not answer.cancelled():
        answer.exception()
