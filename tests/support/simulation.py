"""The world in which incarnations of a node are born and die, and what outlives them.

The database, the blobs and the wires are the world's; the code on them is the product's own, nothing is
faked. Every storage effect takes a random while before and after it takes hold and may lose its call or its
answer; a crash comes at one of these moments, counted in steps. A seed decides everything.

Scenarios, by seed: `alone` (one process that crashes and comes back), `unproven` (nobody proves its death:
its lease must run out), `double` (two start at one instant and bid for the same shards), `paused` (an owner
freezes, another takes over, it wakes), `skewed` (two whose clocks differ by more than a lease, after epochs
that lie above both).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from contextvars import copy_context
from random import Random
from typing import Any, TypeVar

import msgspec

from actors.messages import Caller, Message
from actors.ports.bus import Envelope
from actors.settings import RuntimeSettings
from actors.tasks import TaskSet
from sharding.errors import NotOwner, StorageUnavailable
from sharding.fence import Bid, Fence, Refusal, installed, may_commit, may_install
from sharding.shards import SHARD_COUNT
from storage.embedded.bus import InProcessBus
from storage.embedded.database import MEMORY, Database, open_database
from storage.embedded.runners import InlineRunner
from storage.embedded.shard_commit import FenceRules
from storage.embedded.shard_store import SqliteShardStore
from tests.support.crowd import Crowd
from tests.support.history import History, Readout
from tests.support.process import Lost, Process
from tests.support.reading import read_everything
from tests.support.simulated_blobs import Blobs
from tests.support.simulated_database import (
    leftovers,
    watch_commits,
    watched_commits,
    wrong_counts,
)
from tests.support.virtual_loop import LIFE, START_MS, VirtualClock, VirtualTimeLoop

R = TypeVar("R")

SCENARIOS = ("alone", "skewed", "double", "paused", "unproven")
#: Shards that all entities of a run share.
SHARDS = 6
#: How far the clocks of `skewed` are apart, in milliseconds; more than a lease.
_SKEW_MS = 4_000
#: Virtual seconds in which everything must have come to rest after the last client left.
_REST_S = 90.0
#: Sweeps after which no count may be suspect any more.
_SWEEPS = 10


class Mutation(msgspec.Struct, frozen=True, kw_only=True):
    """What is broken on purpose."""

    store: type[SqliteShardStore] = SqliteShardStore
    may_install: Callable[..., Refusal | None] = may_install


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """How much happens in a run."""

    users: int = 4
    #: Clients of each user that act at the same time.
    devices: int = 2
    #: Deeds of each client.
    deeds: int = 9
    #: Storage steps from one crash to the next, at least and at most.
    crash_after: tuple[int, int] = (250, 1_100)
    crashes: int = 3


class World:
    """Fills `actors.ports.sockets.SocketHub` as well: the phones are its."""

    def __init__(self, seed: int, loop: VirtualTimeLoop, scale: Scale, mutation: Mutation) -> None:
        self.dice = Random(f"world {seed}")
        self.loop = loop
        self.scale = scale
        self.clock = VirtualClock(loop)
        self.history = History(seed=seed, scenario=SCENARIOS[seed % len(SCENARIOS)])
        self.history.one_clock = self.history.scenario != "skewed"
        self.settings = RuntimeSettings(lease_ms=3_000, sweep_s=1e6, retry_longest_s=0.2)
        self.shards = sorted(self.dice.sample(range(SHARD_COUNT), SHARDS))
        self.context = copy_context()
        self.tasks = TaskSet(self._alarm)
        self.blobs = Blobs(self.clock)
        self.bus = InProcessBus(self.clock, self.tasks, mischief=self._mischief)
        self.processes: list[Process] = []
        self.dead: list[Process] = []
        #: Frames for connections that clients hold open.
        self.connections: dict[str, list[bytes]] = {}
        self.calm = False
        #: What goes on making trouble until it is calm.
        self._unruly: list[asyncio.Task[None]] = []
        self.database: Database
        self._mutation = mutation
        self._started = 0
        self._minters = 0
        self._recent: list[Envelope] = []
        self._steps = 0
        self._crashes = scale.crashes
        self._crash_at = self.dice.randint(*scale.crash_after)

    # What processes are made of.

    def make_store(self) -> SqliteShardStore:
        """A shard store whose fence writes down what it lets through."""
        history, rule = self.history, self._mutation.may_install

        def noted_install(fence: Fence, bid: Bid) -> Fence:
            history.owners.append((bid.shard, bid.epoch, bid.owner))
            return installed(fence, bid)

        rules = FenceRules(may_install=rule, installed=noted_install, may_commit=may_commit)
        return self._mutation.store(self.database, rules)

    def next_minter(self) -> int:
        """A minter number that nobody had."""
        self._minters += 1
        return self._minters

    def deliver(self, connection: str, seq: int, frame: bytes) -> None:
        """A frame reaches a phone that is still there."""
        if connection in self.connections:
            self.connections[connection].append(frame)

    def detach(self, connection: str) -> None:
        """Phones of the simulation find out by themselves."""

    def end(self, connection: str) -> None:
        """A connection is closed."""
        self.connections.pop(connection, None)

    async def step(self) -> None:
        """Stands before and after every storage effect: time passes, calls are lost, processes die."""
        life = LIFE.get()
        if life is None:
            return
        self._steps += 1
        if not self.calm and self._steps >= self._crash_at and self._crashes > 0:
            self._crashes -= 1
            self._crash_at = self._steps + self.dice.randint(*self.scale.crash_after)
            victim = next((each for each in self.processes if each.life is life), None)
            if victim is not None and self.dice.random() < 0.5 and len(self.processes) > 1:
                # The power fails for all of them, so that whoever owned last is dead for certain.
                owner = self.history.owners[-1][2] if self.history.owners else None
                for process in list(self.processes):
                    self.crash(process, proof=owner)
            elif victim is not None:
                self.crash(victim)
        if life.state == "dead":
            await asyncio.get_running_loop().create_future()
        dice = self.dice.random()
        if dice < 0.35:
            await asyncio.sleep(0)
        elif dice < 0.97 or self.calm:
            await asyncio.sleep(self.dice.uniform(0.0, 0.02 if self.calm else 0.04))
        elif dice < 0.985:
            await asyncio.sleep(self.dice.uniform(0.1, 0.4))
        else:
            raise StorageUnavailable("Lost on the way.")

    async def _mischief(self, envelopes: Sequence[Envelope]) -> Iterable[Sequence[Envelope]]:
        """The bus waits, splits, repeats, and brings back what was delivered long ago."""
        await asyncio.sleep(self.dice.uniform(0.0, 0.05))
        self._recent = [*self._recent, *envelopes][-40:]
        at = self.dice.randint(0, len(envelopes))
        deliveries = [part for part in (envelopes[:at], envelopes[at:]) if part]
        if self.dice.random() < 0.2:
            deliveries.append(self.dice.choice(deliveries))
        if self.dice.random() < 0.2:
            target = envelopes[0].target
            deliveries.append([each for each in self._recent if each.target == target][:5])
        return deliveries

    # Births and deaths.

    def start(self, *, skew_ms: int = 0, proven_dead: str | None = None) -> Process:
        """A new incarnation."""
        self._started += 1
        process = Process(self, f"n{self._started}", skew_ms=skew_ms, proven_dead=proven_dead)
        self.processes.append(process)
        self.note(f"{process.name} starts, {proven_dead} is dead")
        process.start()
        return process

    def crash(self, process: Process, *, proof: str | None = None) -> None:
        """Kill it; the supervisor starts another, which is told that `proof`, or else this one, is dead."""
        if process.life.state == "dead":
            return
        self.note(f"{process.name} dies at step {self._steps}")
        process.die()
        self.processes.remove(process)
        self.dead.append(process)
        self.connections.clear()
        if self.history.scenario == "unproven" and not self.calm:
            proof = None
        else:
            proof = proof or process.name
        # Those that die at one instant are started again at one instant, but for the lonely.
        alone = self.history.scenario in ("alone", "unproven")
        pause = self.dice.uniform(0.02, 0.6) if alone else 0.05
        skew_ms = process.clock.unix_ms() - self.clock.unix_ms()
        restart = self._restart(pause, skew_ms, proof)
        self.context.copy().run(self.tasks.spawn, restart, name="supervisor")

    async def _restart(self, pause: float, skew_ms: int, proof: str | None) -> None:
        await asyncio.sleep(pause)
        self.start(skew_ms=skew_ms, proven_dead=proof)

    async def _prepare(self) -> None:
        """The processes that the scenario begins with."""
        if self.history.scenario == "skewed":
            high = START_MS + 3_600_000
            await self.database.write(
                lambda connection: connection.execute("UPDATE fences SET epoch = ?", (high,))
            )
            self.start()
            self.start(skew_ms=_SKEW_MS)
        elif self.history.scenario == "double":
            self.start()
            self.start()
        else:
            self.start()
        if self.history.scenario == "paused":
            self._unruly.append(self.tasks.spawn(self._pauses(), name="pauses"))

    async def _pauses(self) -> None:
        """Freeze whoever is there beyond its lease, let another take over, wake it."""
        while not self.calm:
            await asyncio.sleep(self.dice.uniform(1.5, 5.0))
            if not self.processes:
                continue
            process = self.dice.choice(self.processes)
            self.note(f"{process.name} freezes")
            self.loop.freeze(process.life)
            if len(self.processes) < 2:
                self.start()
            await asyncio.sleep(self.dice.uniform(3.2, 6.0))
            self.note(f"{process.name} wakes")
            self.loop.thaw(process.life)

    # What clients see of it.

    async def ask(
        self, user_id: int, message: Message[R], *, patience_s: float = 5.0, **caller: Any
    ) -> R:
        """Ask one process after the other until one owns the user.

        Raises:
            Lost: the outcome is unknown.
            KinoraError: refused.
        """
        if not self.calm:
            await asyncio.sleep(self.dice.uniform(0.0, 0.01))
        order = list(self.processes)
        self.dice.shuffle(order)
        deadline = self.loop.time() + patience_s
        for process in order:
            try:
                async with asyncio.timeout(patience_s + 0.5):
                    return await process.ask(user_id, message, Caller(**caller, deadline=deadline))
            except NotOwner:
                continue
            except TimeoutError:
                raise Lost(process.name) from None
        raise NotOwner()

    # The run.

    async def run(self) -> Readout:
        """Let the crowd act, come to rest, read; and read again after a last start."""
        async with AsyncExitStack() as stack:
            runner = InlineRunner(delay=self.step)
            self.database = await stack.enter_async_context(open_database(MEMORY, runner))
            stack.push_async_callback(self.tasks.close)
            stack.callback(self.bus.close)
            await self.database.write(watch_commits)
            await self._prepare()
            crowd = Crowd(self)
            await crowd.act()
            self.calm = True
            await asyncio.gather(*self._unruly)
            await self._rest(sweep=False)
            await self._check_counts(crowd)
            await crowd.settle()
            await self._rest()
            readout = await read_everything(self, crowd)
            for process in list(self.processes):
                self.crash(process)
            await self._rest()
            again = await read_everything(self, crowd)
            self._compare(readout, again)
            self.history.gaps = sum(each.gaps for each in (*self.dead, *self.processes))
            for process in self.processes:
                process.die()
                self.dead.append(process)
            self.history.commits = await self.database.read(watched_commits)
            self.history.complaints += self.loop.broken
            return readout

    async def _rest(self, *, sweep: bool = True) -> None:
        """Wait until nothing is under way anywhere; complain when that takes too long."""
        for process in self.processes:
            self.loop.thaw(process.life)
        end = self.loop.time() + _REST_S
        while left := await self._unrest():
            if self.loop.time() > end:
                self.complain(f"no rest: {left}")
                return
            await asyncio.sleep(0.25)
        for _ in range(_SWEEPS if sweep else 0):
            for process in self.processes:
                await process.carry(process.node.sweep())
            # Longer than a tick, which has the store forget what has landed.
            await asyncio.sleep(1.5)
            if not any(each.node.runtime.cells.suspects() for each in self.processes):
                return
        if sweep:
            self.complain("some counts stayed suspect")

    async def _check_counts(self, crowd: Crowd) -> None:
        """Before any sweep sets them right: counts that nothing may throw off are sizes of facts."""
        doubted = {op.target for op in self.history.ops if op.kind == "uncomment"}
        users = [person.user for person in crowd.people]
        for wrong in await wrong_counts(self.database, users, doubted=doubted):
            self.complain(wrong)

    async def _unrest(self) -> list[str]:
        left = []
        owned: set[int] = set()
        for process in self.processes:
            if not process.serving:
                return [f"{process.name} is starting"]
            owned |= process.node.runtime.owned.keys()
            if not process.node.runtime.quiet:
                left.append(f"{process.name} is busy")
        if owned != set(self.shards):
            left.append(f"shards {sorted(set(self.shards) - owned)} have no owner")
        if self.bus.statistics().waiting:
            left.append("the bus carries something")
        return left + await leftovers(self.database)

    def _compare(self, one: Readout, other: Readout) -> None:
        """What was in memory is what the database says."""
        for name in one.__struct_fields__:
            before, after = getattr(one, name), getattr(other, name)
            if name not in ("users", "videos"):
                if before != after:
                    self.complain(f"{name} changed at the last start")
                continue
            for entity in before:
                for field in before[entity].__struct_fields__:
                    was, now = getattr(before[entity], field), getattr(after[entity], field)
                    if was != now:
                        self.complain(f"{field} of {entity} was {was}, after a start {now}")

    def note(self, what: str) -> None:
        """Write down what happened."""
        self.history.log.append((round(self.loop.time(), 6), what))

    def complain(self, what: str) -> None:
        """Write down what must not happen."""
        self.history.complaints.append(f"{self.loop.time():.3f} s: {what}")

    def _alarm(self, name: str, error: BaseException) -> None:
        self.complain(f"{name} failed: {error!r}")


def simulate(
    seed: int, *, scale: Scale | None = None, mutation: Mutation | None = None
) -> tuple[History, Readout]:
    """One run: what clients did and were told, and what could be read afterwards."""
    loop = VirtualTimeLoop(seed)
    world = World(seed, loop, scale or Scale(), mutation or Mutation())
    try:
        readout = loop.run_until_complete(world.run())
    finally:
        for process in (*world.dead, *world.processes):
            process.life.bury()
        loop.close()
    return world.history, readout
