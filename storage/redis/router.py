"""`Router`: which master has a slot, and what to do when it is another one, or none.

A command is tried again, with pauses that grow, until it succeeds or `give_up_after_s` has passed: a failover
takes a few seconds, and whoever waits meanwhile should not have to know of it. That is safe because every
script of ours may be sent any number of times, late ones included: the fence turns away what comes twice. MOVED is
followed at once and makes us look at the cluster anew; nothing is ever sent to a replica.

What is said in the end is exact: `executed` is False when no attempt can have taken effect.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from actors.ports.clock import Clock
from actors.tasks import TaskSet
from storage.redis.faults import ErrorReply, Fault, LinkLost
from storage.redis.master import Master
from storage.redis.port import Address, Command, RedisPort
from storage.redis.scripts import Script, Scripts
from storage.redis.settings import RedisSettings
from storage.redis.statistics import Meter, RedisStatistics

T = TypeVar("T")

#: One attempt at one master; the second argument says that the slot is on its way there (ASK).
Attempt = Callable[[Master, bool], Awaitable[T]]


class Router:
    """The masters of a cluster."""

    def __init__(
        self,
        port: RedisPort,
        scripts: Scripts,
        settings: RedisSettings,
        clock: Clock,
        tasks: TaskSet,
    ) -> None:
        self.scripts = scripts
        self._port = port
        self._settings = settings
        self._clock = clock
        self._tasks = tasks
        self._meter = Meter()
        self._table: Mapping[int, Address] = {}
        self._masters: dict[Address, Master] = {}
        self._looking: asyncio.Task[Fault | None] | None = None
        self._looked_at = -math.inf

    async def write(
        self, slot: int, script: Script, keys: tuple[bytes, ...], args: tuple[bytes, ...]
    ) -> tuple[Any, bool]:
        """What a script answers, once it is safe; and whether an earlier attempt may have taken effect.

        Raises:
            StorageUnavailable: no attempt succeeded in time.
        """
        self._meter.writes += 1
        return await self._run(slot, lambda m, asking: m.write(script, keys, args, asking=asking))

    async def script(
        self, slot: int, script: Script, keys: tuple[bytes, ...], args: tuple[bytes, ...]
    ) -> Any:
        """What a script answers whose writes may be lost with the master.

        Raises:
            StorageUnavailable: no attempt succeeded in time.
        """
        self._meter.writes += 1
        answer, _ = await self._run(
            slot, lambda m, asking: m.script(script, keys, args, asking=asking)
        )
        return answer

    async def read(self, slot: int, commands: Sequence[Command]) -> list[Any]:
        """The answers of the slot's master to reads that are sent together.

        Raises:
            StorageUnavailable: no attempt succeeded in time.
        """
        self._meter.reads += 1
        answers, _ = await self._run(slot, lambda m, asking: m.read(commands, asking=asking))
        return answers

    async def ping(self) -> None:
        """Every master answers, now.

        Raises:
            StorageUnavailable: one does not, or nobody says who they are.
        """
        try:
            await self.reload()
            masters = {self._master(address) for address in self._table.values()}
            await asyncio.gather(*[master.read(((b"PING",),), asking=False) for master in masters])
        except Fault as fault:
            raise fault.error(unknown=False) from fault

    async def reload(self) -> None:
        """Look at the shape of the cluster; callers share one look.

        Raises:
            Fault: nobody answers.
        """
        looking = self._begin_look()
        fault = None if looking is None else await asyncio.shield(looking)
        if fault is not None:
            raise fault

    def statistics(self) -> RedisStatistics:
        """Numbers as of now."""
        masters = self._masters.values()
        meter = self._meter
        return RedisStatistics(
            writes=meter.writes,
            reads=meter.reads,
            waits=meter.waits,
            resent=meter.resent,
            reloads=meter.reloads,
            connects=meter.connects,
            scripts_reloaded=meter.scripts_reloaded,
            crowded=meter.crowded,
            single_copy_writes=meter.single_copy_writes,
            single_copy_masters=sum(each.copies.single for each in masters),
            in_flight=sum(each.in_flight for each in masters),
            waiting=sum(each.waiting for each in masters),
        )

    def close(self) -> None:
        """End all connections; whoever waits for an answer fails."""
        for master in self._masters.values():
            master.close()
        if self._looking is not None:
            self._looking.cancel()

    async def _run(self, slot: int, attempt: Attempt[T]) -> tuple[T, bool]:
        started = self._clock.monotonic()
        try:
            return await attempt(self._master(self._address(slot)), False), False
        except Fault as fault:
            first = fault
        return await self._again(slot, attempt, first, started + self._settings.give_up_after_s)

    async def _again(
        self, slot: int, attempt: Attempt[T], fault: Fault, give_up_at: float
    ) -> tuple[T, bool]:
        unknown, pause, followed = fault.unknown, self._settings.retry_first_s, 0
        while fault.passing and self._clock.monotonic() < give_up_at:
            self._meter.resent += 1
            pointed = fault.address if isinstance(fault, ErrorReply) else None
            asking = pointed is not None and isinstance(fault, ErrorReply) and fault.code == "ASK"
            try:
                looking = None if asking else self._begin_look()
                if pointed is None and looking is not None:
                    # Should nobody answer: whoever was master may still be there.
                    await asyncio.shield(looking)
                followed = 0 if pointed is None else followed + 1
                if followed != 1:
                    # Two nodes in the midst of a failover may point at each other.
                    await self._clock.sleep(pause)
                    pause = min(pause * 2, self._settings.retry_longest_s)
                address = pointed or self._address(slot)
                return await attempt(self._master(address), asking), unknown
            except Fault as another:
                fault = another
                unknown = unknown or fault.unknown
        raise fault.error(unknown=unknown) from fault

    def _begin_look(self) -> "asyncio.Task[Fault | None] | None":
        if self._looking is None or self._looking.done():
            since = self._clock.monotonic() - self._looked_at
            if since < self._settings.reload_at_most_every_s:
                return None
            self._looking = self._tasks.spawn(self._look(), name="redis cluster table")
        return self._looking

    async def _look(self) -> Fault | None:
        self._meter.reloads += 1
        try:
            found = await self._port.masters()
        except Exception as error:
            fault = self._port.fault(error, sent=False)
            if fault is None:
                raise
            return fault
        finally:
            self._looked_at = self._clock.monotonic()
        self._table = found
        for address in set(self._masters) - set(found.values()):
            self._masters.pop(address).retire()
        return None

    def _address(self, slot: int) -> Address:
        address = self._table.get(slot)
        if address is None:
            raise LinkLost(f"slot {slot} has no master", sent=False)
        return address

    def _master(self, address: Address) -> Master:
        master = self._masters.get(address)
        if master is None:
            master = self._masters[address] = Master(
                address,
                self._port,
                self.scripts,
                self._settings,
                self._clock,
                self._tasks,
                self._meter,
            )
        return master

    def __repr__(self) -> str:
        return f"<Router {list(self._masters.values())} over {self._port!r}>"
