"""`Master`: one master of the cluster, and how much it is asked at once.

Scripts that write go over one connection, whose WAITs hold it up; reads and limits over another, so that a
slow replica slows no read. Both count against one bound of commands on their way: when Redis stalls, work
waits here in the order in which it came, and beyond a second bound it is turned away, instead of growing in a
driver's buffers.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from actors.ports.clock import Clock
from actors.tasks import TaskSet
from storage.redis.faults import Crowded, ErrorReply, LinkLost
from storage.redis.line import Line, OpenLine
from storage.redis.port import Address, Command, RedisPort
from storage.redis.replicas import Copy, CopyMode
from storage.redis.scripts import Script, Scripts
from storage.redis.settings import RedisSettings
from storage.redis.statistics import Meter


class Master:
    """One node that owns slots; every method is one attempt, and raises a `Fault` when it fails."""

    def __init__(
        self,
        address: Address,
        port: RedisPort,
        scripts: Scripts,
        settings: RedisSettings,
        clock: Clock,
        tasks: TaskSet,
        meter: Meter,
    ) -> None:
        self.address = address
        #: Whether its replicas answer.
        self.copies = CopyMode(f"{address[0]}:{address[1]}", settings, clock)
        self._port = port
        self._meter = meter
        self._max_waiting = settings.max_waiting
        self._patience_s = settings.give_up_after_s
        self._turns = asyncio.Semaphore(settings.max_in_flight)
        #: Commands on their way, and commands that wait for their turn.
        self.in_flight = 0
        self.waiting = 0
        self._retired = False
        shared = (port, scripts, self.copies, settings, clock, tasks, meter)
        self._writes = Line(address, *shared)
        self._reads = Line(address, *shared)

    async def write(
        self, script: Script, keys: tuple[bytes, ...], args: tuple[bytes, ...], *, asking: bool
    ) -> Any:
        """What a script answers, once a replica has what it wrote or none is there to have it."""
        async with self._turn():
            line = await self._writes.opened()
            try:
                return await self._written(line, script.call(keys, args), asking)
            except ErrorReply as reply:
                if reply.code != "NOSCRIPT":
                    raise
            self._meter.scripts_reloaded += 1
            line.load(script)
            return await self._written(line, script.call(keys, args), asking)

    async def script(
        self, script: Script, keys: tuple[bytes, ...], args: tuple[bytes, ...], *, asking: bool
    ) -> Any:
        """What a script answers whose writes may be lost with the master."""
        async with self._turn():
            line = await self._reads.opened()
            command = script.call(keys, args)
            try:
                (answer,) = await self._answers(line, (command,), asking)
                return answer
            except ErrorReply as reply:
                if reply.code != "NOSCRIPT":
                    raise
            self._meter.scripts_reloaded += 1
            line.load(script)
            (answer,) = await self._answers(line, (command,), asking)
            return answer

    async def read(self, commands: Sequence[Command], *, asking: bool) -> list[Any]:
        """The answers to reads that are sent together."""
        async with self._turn():
            return await self._answers(await self._reads.opened(), commands, asking)

    def retire(self) -> None:
        """It is no master any more: who waits is turned away, what is on its way may end."""
        self._retired = True
        if not self.in_flight:
            self.close()

    def close(self) -> None:
        """End the connections; whatever they owe fails."""
        self._writes.close()
        self._reads.close()

    async def _written(self, line: OpenLine, command: Command, asking: bool) -> Any:
        if asking:
            line.tell((b"ASKING",))
        answer = line.send(command)
        try:
            # The script is answered before its WAIT, so this one wait is for both.
            copy = await line.replicas.after_write()
            if copy is Copy.MASTER:
                self._meter.single_copy_writes += 1
            result = await answer
        except Exception as error:
            raise self._fault(error) from error
        finally:
            _forget(answer)
        if copy is Copy.UNKNOWN:
            raise LinkLost("the connection ended before a replica had it", sent=True)
        return result

    async def _answers(
        self, line: OpenLine, commands: Sequence[Command], asking: bool
    ) -> list[Any]:
        owed: list[asyncio.Future[Any]] = []
        try:
            for command in commands:
                if asking:
                    line.tell((b"ASKING",))
                owed.append(line.send(command))
            return [await each for each in owed]
        except Exception as error:
            raise self._fault(error) from error
        finally:
            for each in owed:
                _forget(each)

    def _fault(self, error: Exception) -> Exception:
        return self._port.fault(error, sent=True) or error

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._turns.locked():
            if self.waiting >= self._max_waiting:
                self._meter.crowded += 1
                raise Crowded(f"{self.waiting} commands wait for redis {self.address}")
            self.waiting += 1
            try:
                async with asyncio.timeout(self._patience_s):
                    await self._turns.acquire()
            except TimeoutError as error:
                raise LinkLost("its turn did not come", sent=False) from error
            finally:
                self.waiting -= 1
        else:
            await self._turns.acquire()
        self.in_flight += 1
        try:
            if self._retired:
                raise LinkLost(f"redis {self.address} is no master any more", sent=False)
            yield
        finally:
            self.in_flight -= 1
            self._turns.release()
            if self._retired and not self.in_flight:
                self.close()

    def __repr__(self) -> str:
        host, port = self.address
        return f"<Master {host}:{port} in_flight={self.in_flight} single={self.copies.single}>"


def _forget(answer: "asyncio.Future[Any]") -> None:
    # Left by a caller that was cancelled or failed before: nobody will ask for it any more.
    if not answer.done():
        answer.cancel()
    elif not answer.cancelled():
        answer.exception()
