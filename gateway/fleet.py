"""The way to a user's actor in a fleet: shard, home, link, frame.

Fills `gateway.ports.NodeClient`. The table of homes is a hint: a wrong entry costs one hop, for the node
that is asked says `Moved` with what it knows. A node that is away costs its own users a bounded wait, and
then a definite "not executed". An ask whose connection broke after it was written is asked again only where
that cannot do anything twice: queries, commands under a key, and attaching and detaching of websockets.

An ask that finds its node there makes one future and no task, no timer and no copy beside its bytes.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar, cast

import msgspec

from actors.links.address import Address, BadAddress, parse_address
from actors.links.call import Call, LinkLost, MovedAway
from actors.links.caller import LinkEvents, LinkStatistics, NodeLink
from actors.links.parking import Parking
from actors.links.settings import CallerSettings
from actors.links.wire import DELIVER, END, Hello, encode_ask
from actors.messages import AttachSocket, Caller, DetachSocket, Message
from actors.ports.clock import Clock
from actors.ports.table import Sighting
from actors.tasks import TaskSet
from gateway.sockets import SocketRegistry
from sharding.errors import DeadlineExceeded, InProgress, KinoraError, Unavailable
from sharding.shards import SHARD_COUNT, Shard, shard_of
from sharding.table import Home, Moved, ShardTable

R = TypeVar("R")

_LOG = logging.getLogger("kinora.gateway.fleet")

#: Connects a protocol to an address; `actors.links.opening.connect` with its TLS.
Connect = Callable[[Address, Callable[[], asyncio.BaseProtocol]], Awaitable[object]]


class FleetStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """All links of one gateway at one moment, and what became of its asks."""

    links: tuple[LinkStatistics, ...]
    in_flight: int
    parked: int
    parked_bytes: int
    #: Refused because too much was parked.
    refused: int
    #: Answers that named another node.
    moved: int
    #: Asks that were sent again after their connection was lost.
    resent: int
    #: Asks of which nobody knows what became.
    lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetDeps:
    """What a fleet client is made of."""

    #: Name of this gateway with its start, as its websockets' ids begin.
    name: str
    #: Configured nodes and where they are; members that are seen override this.
    nodes: Mapping[str, str]
    connect: Connect
    #: Whose websockets nodes push to.
    sockets: SocketRegistry
    settings: CallerSettings
    clock: Clock
    tasks: TaskSet
    random: random.Random


class FleetClient:
    """Finds the node of each user's actor, and asks it."""

    def __init__(self, deps: FleetDeps) -> None:
        """Knows the configured nodes.

        Raises:
            ValueError: there is no node.
            BadAddress: one has no address.
        """
        self._deps = deps
        self._settings = deps.settings
        self._clock = deps.clock
        self._parking = Parking(deps.settings)
        self._configured = {name: parse_address(text) for name, text in deps.nodes.items()}
        self._addresses = dict(self._configured)
        self._incarnations: dict[str, str] = {}
        self._members: frozenset[str] = frozenset()
        #: As it was last seen; what nodes said since is only in `_table`.
        self._sighted: ShardTable | None = None
        self._table = ShardTable.seeded(sorted(deps.nodes))
        self._links: dict[str, NodeLink] = {}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._sweeping: asyncio.Task[None] | None = None
        self._started = False
        self._homes: list[NodeLink] = [self._link(home.node) for home in self._table.homes]
        self._moved = 0
        self._resent = 0
        self._lost = 0

    # Asking.

    def ask_nowait(self, user_id: int, message: Message[R], session: int) -> R | None:
        """Nothing of the fleet is in this process."""
        return None

    async def ask(self, user_id: int, message: Message[R], caller: Caller) -> R:
        """What the user's actor answers, wherever it is.

        Raises:
            Unavailable: its node is not there; `executed` says what is certain.
            DeadlineExceeded: `executed` is False when it was a query or was never sent.
            KinoraError: the actor refused.
        """
        call = Call(
            asyncio.get_running_loop().create_future(),
            shard_of(user_id),
            user_id,
            encode_ask(message, caller),
            caller.deadline,
            message.COMMAND,
        )
        self._homes[call.shard].ask(call)
        try:
            return cast(R, await call.future)
        except (MovedAway, LinkLost) as astray:
            return cast(R, await self._again(call, astray, may_repeat(message, caller)))

    async def _again(self, call: Call, astray: Exception, repeatable: bool) -> object:
        """Go on with an ask that went astray, within its deadline."""
        pause, certain, resent = self._settings.hop_pause_s, True, False
        for _ in range(self._settings.max_hops):
            wait = 0.0
            if isinstance(astray, LinkLost):
                if not repeatable:
                    self._lost += 1
                    raise Unavailable("The user's node was lost.", executed=None)
                self._resent += 1
                resent, certain = True, not call.command
            elif isinstance(astray, InProgress) or not self._learn(cast(MovedAway, astray)):
                wait, pause = pause, pause * 2
            call = call.again(asyncio.get_running_loop().create_future())
            try:
                if wait:
                    await self._pause(call, wait)
                self._homes[call.shard].ask(call)
                return await call.future
            except (MovedAway, LinkLost) as error:
                astray = error
            except InProgress as error:
                # Under the same key, the first try may still be running: its answer is the one.
                if not resent:
                    raise
                astray = error
            except (Unavailable, DeadlineExceeded) as error:
                if not certain:
                    error.executed = None
                raise
        raise Unavailable(
            "Nobody serves this user now.", executed=False if certain else None, retry_after_s=1.0
        )

    async def _pause(self, call: Call, seconds: float) -> None:
        """Wait before a node is asked again, counted among those that wait.

        Raises:
            Unavailable: it has waited for long enough.
            DeadlineExceeded: its time is over.
        """
        now = self._clock.monotonic()
        self._parking.enter(call, now)
        try:
            until = min(call.parked_until, call.deadline) if call.deadline else call.parked_until
            await self._clock.sleep(min(seconds, max(0.0, until - now)))
        finally:
            self._parking.leave(call)
        now = self._clock.monotonic()
        if call.deadline and now >= call.deadline:
            raise DeadlineExceeded("Its time was over before it began.", executed=False)
        if now >= call.parked_until:
            raise Unavailable("The user is being moved.", executed=False)

    # Knowing where.

    def see(self, sighting: Sighting) -> None:
        """Take in what is known of nodes now; fits `ShardTableStore.watch`."""
        self._members = frozenset(sighting.members)
        for name, member in sighting.members.items():
            try:
                now = parse_address(member.address), member.incarnation
            except BadAddress as error:
                # One member that cannot be reached must not hide the others.
                _LOG.warning("member_ignored", extra={"node": name, "error": str(error)})
                continue
            known = (self._addresses.get(name), self._incarnations.get(name))
            self._addresses[name], self._incarnations[name] = now
            link = self._link(name)
            # Already talking to this very start of it, whatever was known before.
            if known[0] != now[0] or (known[1] != now[1] and link.incarnation != now[1]):
                link.redial()
        table, before = sighting.table, self._sighted
        if table is None or table == before:
            return
        self._sighted = table
        changes: dict[Shard, Home] = {}
        for number in range(SHARD_COUNT):
            home = table.homes[number]
            if before is None or home != before.homes[number]:
                changes[Shard(number)] = home
        homes = list(self._table.homes)
        for shard, home in changes.items():
            homes[shard] = home
        self._go_by(ShardTable(tuple(homes)))

    def _learn(self, astray: MovedAway) -> bool:
        """Take in what a node said; whether there is another node to ask at once."""
        self._moved += 1
        moved: Moved = astray.moved
        shard = Shard(moved.shard % SHARD_COUNT)
        if moved.home is not None:
            self._go_by(self._table.moved({shard: moved.home}))
        return self._table.homes[shard].node != astray.node

    def _go_by(self, table: ShardTable) -> None:
        """Ask by `table` from now on; who waits for the wrong node goes on, sockets attach anew."""
        before, self._table = self._table, table
        changed = [
            number
            for number in range(SHARD_COUNT)
            if table.homes[number].node != before.homes[number].node
        ]
        if not changed:
            return
        left = {before.homes[number].node for number in changed}
        for number in changed:
            self._homes[number] = self._link(table.homes[number].node)
        waiting = [call for node in left for call in self._links[node].take_waiting()]
        for call in waiting:
            try:
                self._homes[call.shard].ask(call)
            except KinoraError as error:
                call.fail(error)
        self._deps.sockets.detach_shards(frozenset(changed))
        self._drop_strangers()

    def _link(self, node: str) -> NodeLink:
        link = self._links.get(node)
        if link is None:
            deps = self._deps
            link = self._links[node] = NodeLink(
                node,
                Hello(name=deps.name),
                lambda protocols: self._dial(node, protocols),
                self._parking,
                deps.settings,
                clock=deps.clock,
                dice=deps.random,
                events=LinkEvents(pushed=self._pushed, lost=self._lose),
            )
            if self._started:
                self._run(link)
        return link

    def _run(self, link: NodeLink) -> None:
        self._running[link.node] = self._deps.tasks.spawn(link.run(), name=f"link {link.node}")

    async def _dial(self, node: str, protocols: Callable[[], asyncio.BaseProtocol]) -> None:
        address = self._addresses.get(node)
        if address is None:
            raise ConnectionRefusedError(f"nobody knows where {node} is")
        await self._deps.connect(address, protocols)

    def _drop_strangers(self) -> None:
        """Forget nodes that have no shard, are not there and are not configured."""
        needed = {home.node for home in self._table.homes} | self._configured.keys() | self._members
        for node in [node for node in self._links if node not in needed]:
            self._links.pop(node).close()
            self._addresses.pop(node, None)
            self._incarnations.pop(node, None)
            if (running := self._running.pop(node, None)) is not None:
                running.cancel()

    # What nodes tell.

    def _pushed(self, action: int, number: int, seq: int, frame: bytes) -> None:
        sockets, connection = self._deps.sockets, f"{self._deps.name}/{number}"
        if action == DELIVER:
            sockets.deliver(connection, seq, frame)
        elif action == END:
            sockets.end(connection)
        else:
            sockets.detach(connection)

    def _lose(self, node: str) -> None:
        homes = self._table.homes
        shards = frozenset(number for number in range(SHARD_COUNT) if homes[number].node == node)
        self._deps.sockets.detach_shards(shards)

    # Its life.

    def start(self) -> None:
        """Connect to every node, and look after the links."""
        self._started = True
        for link in self._links.values():
            self._run(link)
        self._sweeping = self._deps.tasks.spawn(self._sweep(), name="links")

    async def _sweep(self) -> None:
        while True:
            await self._clock.sleep(self._settings.sweep_s)
            for link in list(self._links.values()):
                link.sweep()

    async def close(self) -> None:
        """Hang up."""
        running = [*self._running.values()]
        if self._sweeping is not None:
            running.append(self._sweeping)
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for link in self._links.values():
            link.close()

    @property
    def table(self) -> ShardTable:
        """Where this gateway believes that shards are."""
        return self._table

    def up(self, node: str) -> bool:
        """Whether a node can be asked now."""
        return node in self._links and self._links[node].up

    def statistics(self) -> FleetStatistics:
        """The links at this moment."""
        links = tuple(link.statistics() for link in self._links.values())
        return FleetStatistics(
            links=links,
            in_flight=sum(each.in_flight for each in links),
            parked=len(self._parking),
            parked_bytes=self._parking.bytes,
            refused=self._parking.refused,
            moved=self._moved,
            resent=self._resent,
            lost=self._lost,
        )

    def __repr__(self) -> str:
        return f"<FleetClient {self._deps.name} {self._table!r} {self._parking!r}>"


@asynccontextmanager
async def open_fleet(deps: FleetDeps) -> AsyncIterator[FleetClient]:
    """A client that connects, until the end of the block."""
    client = FleetClient(deps)
    client.start()
    try:
        yield client
    finally:
        await client.close()


def may_repeat(message: Message[object], caller: Caller) -> bool:
    """Whether asking twice has the effect of asking once."""
    return not message.COMMAND or caller.keyed or isinstance(message, AttachSocket | DetachSocket)
