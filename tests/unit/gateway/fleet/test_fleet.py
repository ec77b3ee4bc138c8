"""The way to a user's node: hops, moves, nodes that are away, and what may be asked twice."""

from __future__ import annotations

import asyncio
import random

import pytest

from actors.links import wire
from actors.links.address import BadAddress
from actors.links.settings import CallerSettings
from actors.links.wire import Hello
from actors.messages import AttachSocket, Caller, GetFeed, LikeVideo
from actors.ports.table import Member, Sighting
from gateway.fleet import FleetClient, FleetDeps
from gateway.settings import GatewaySettings
from gateway.sockets import SocketRegistry
from sharding.errors import (
    DeadlineExceeded,
    InProgress,
    KinoraError,
    NotFound,
    Overloaded,
    Unavailable,
)
from sharding.frames import FrameKind
from sharding.shards import SHARD_COUNT, shard_of
from sharding.table import Home, Moved, ShardTable
from tests.unit.actors.links.wires import ScriptedNode, join
from tests.unit.actors.virtual_time import settled

FEED, LIKE = GetFeed(), LikeVideo(video_id=5, liked=True)
SETTINGS = CallerSettings(retry_first_s=0.01, retry_longest_s=0.05)


class Node(ScriptedNode):
    """Answers each ask as `answers` says, in order, then with its own name."""

    def __init__(self, name, answers):
        super().__init__(window=64, hello=Hello(name=name, incarnation=f"{name}-1", window=64))
        self.name = name
        self.answers = answers

    def data_received(self, data):
        before = len(self.asks)
        super().data_received(data)
        for frame in self.asks[before:]:
            answer = self.answers.pop(0) if self.answers else self.name.encode()
            if isinstance(answer, Moved):
                self.say(FrameKind.MOVED, frame.call, wire.MOVES.encode(answer))
            elif isinstance(answer, KinoraError):
                payload = wire.ERRORS.encode(answer.record())
                self.say(FrameKind.ERROR, frame.call, payload)
            elif isinstance(answer, bytes):
                self.say(FrameKind.REPLY, frame.call, answer, wire.PLAIN)
            elif answer == "cut":
                self.end.abort()


class Sockets(SocketRegistry):
    """Notes which shards were detached."""

    def __init__(self, clock):
        super().__init__(GatewaySettings(), clock, random.Random(1), name="g1")
        self.detached_shards = []
        self.told = []

    def detach_shards(self, shards):
        self.detached_shards.append(shards)

    def deliver(self, connection, seq, frame):
        self.told.append((connection, seq, frame))

    def end(self, connection):
        self.told.append((connection, "end"))

    def detach(self, connection):
        self.told.append((connection, "detach"))


class Town:
    """A gateway's client and the nodes that it can reach."""

    def __init__(self, clock, tasks, names=("n1", "n2"), settings=SETTINGS):
        self.clock = clock
        self.answers: dict[str, list[object]] = {name: [] for name in names}
        self.nodes: dict[str, list[Node]] = {name: [] for name in names}
        self.away = set()
        self.dialled = []
        self.sockets = Sockets(clock)
        self.client = FleetClient(
            FleetDeps(
                name="g1",
                nodes={name: f"unix:/{name}" for name in names},
                connect=self._connect,
                sockets=self.sockets,
                settings=settings,
                clock=clock,
                tasks=tasks,
                random=random.Random(1),
            )
        )

    async def _connect(self, address, protocols):
        await asyncio.sleep(0)
        name = address.path.strip("/")
        self.dialled.append(name)
        if name in self.away or name not in self.answers:
            raise ConnectionRefusedError
        node = Node(name, self.answers[name])
        join(protocols(), node)
        self.nodes[name].append(node)

    async def up(self):
        self.client.start()
        await settled(30)

    def someone_at(self, node):
        """A user whose shard this client believes to be at `node`."""
        return next(
            user for user in range(1, 10_000) if self.client.table.home_of(user).node == node
        )

    async def ask(self, user, message=FEED, *, within=10.0, **caller):
        deadline = self.clock.monotonic() + within
        return await self.client.ask(user, message, Caller(session=7, deadline=deadline, **caller))

    def asked(self, name):
        return sum(len(node.asks) for node in self.nodes[name])

    def member(self, name, *, incarnation=None, address=None):
        return Member(
            name=name,
            incarnation=incarnation or f"{name}-1",
            address=address or f"unix:/{name}",
            started_ms=0,
        )


@pytest.fixture
async def town(clock, tasks):
    town = Town(clock, tasks)
    await town.up()
    yield town
    await town.client.close()


async def test_each_user_is_asked_for_at_the_home_of_their_shard(town):
    for node in ("n1", "n2"):
        assert await town.ask(town.someone_at(node)) == node.encode()
    assert town.client.ask_nowait(1, FEED, 7) is None
    statistics = town.client.statistics()
    assert (statistics.in_flight, statistics.parked, statistics.moved) == (0, 0, 0)


async def test_a_refusal_is_raised_as_what_it_was(town):
    user = town.someone_at("n1")
    town.answers["n1"].append(NotFound("No such video."))
    with pytest.raises(NotFound, match="No such video"):
        await town.ask(user)


async def test_moved_goes_to_the_new_home_at_once_and_is_remembered(town):
    user = town.someone_at("n1")
    shard = shard_of(user)
    town.answers["n1"].append(Moved(shard=shard, home=Home("n2", 9)))
    began = town.clock.monotonic()
    assert await town.ask(user, LIKE) == b"n2"
    assert town.clock.monotonic() == began
    assert town.client.table.homes[shard] == Home("n2", 9)
    assert await town.ask(user) == b"n2"
    assert town.asked("n1") == 1
    assert town.sockets.detached_shards == [frozenset({shard})]


async def test_a_node_that_knows_nothing_is_asked_again_after_a_moment(town):
    user = town.someone_at("n1")
    shard = shard_of(user)
    town.answers["n1"] += [Moved(shard=shard, home=None), Moved(shard=shard, home=Home("n1", 3))]
    began = town.clock.monotonic()
    assert await town.ask(user, LIKE) == b"n1"
    assert town.asked("n1") == 3
    assert 0 < town.clock.monotonic() - began < 0.1
    assert len(town.client._parking) == 0


async def test_nodes_that_send_an_ask_round_in_circles_are_not_followed_for_ever(town):
    user = town.someone_at("n1")
    shard = shard_of(user)
    town.answers["n1"] += [Moved(shard=shard, home=Home("n2", at)) for at in range(100)]
    town.answers["n2"] += [Moved(shard=shard, home=Home("n1", at)) for at in range(100)]
    began = town.clock.monotonic()
    with pytest.raises(Unavailable) as refused:
        await town.ask(user, LIKE)
    assert refused.value.executed is False
    assert refused.value.retry_after_s
    assert town.asked("n1") + town.asked("n2") <= SETTINGS.max_hops + 1
    assert town.clock.monotonic() - began <= SETTINGS.park_s + 0.1


async def test_a_shard_in_between_owners_is_waited_for_within_the_bound(town):
    user = town.someone_at("n1")
    town.answers["n1"] += [Moved(shard=shard_of(user), home=None)] * 100
    began = town.clock.monotonic()
    with pytest.raises(Unavailable) as refused:
        await town.ask(user, LIKE)
    assert refused.value.executed is False
    assert town.clock.monotonic() - began <= SETTINGS.park_s + 0.1


@pytest.mark.parametrize(
    ("message", "keyed"),
    [(FEED, False), (LIKE, True), (AttachSocket(connection="g1/1", resume=4), False)],
    ids=["a query", "a keyed command", "an attachment"],
)
async def test_what_cannot_be_done_twice_is_asked_again_when_its_connection_is_lost(
    town, message, keyed
):
    user = town.someone_at("n1")
    town.answers["n1"].append("cut")
    assert await town.ask(user, message, keyed=keyed, op_id=b"op" if keyed else b"") == b"n1"
    first, second = (node.asks[-1] for node in town.nodes["n1"])
    assert first.payload == second.payload
    assert town.client.statistics().resent == 1


async def test_a_command_without_a_key_is_never_asked_twice_and_its_fate_is_unknown(town):
    user = town.someone_at("n1")
    town.answers["n1"].append("cut")
    with pytest.raises(Unavailable) as lost:
        await town.ask(user, LIKE, op_id=b"op")
    assert lost.value.executed is None
    await asyncio.sleep(0.2)
    assert town.asked("n1") == 1
    assert town.client.statistics().lost == 1


async def test_a_repeat_that_finds_the_first_try_running_waits_for_its_answer(town):
    user = town.someone_at("n1")
    town.answers["n1"] += ["cut", InProgress(), InProgress(), b"done"]
    assert await town.ask(user, LIKE, keyed=True, op_id=b"op") == b"done"
    town.answers["n1"].append(InProgress())
    with pytest.raises(InProgress):
        await town.ask(user, LIKE, keyed=True, op_id=b"op2")


async def test_after_a_lost_try_nobody_says_that_nothing_was_done(town):
    user = town.someone_at("n1")
    town.answers["n1"].append("cut")
    town.away.add("n1")
    with pytest.raises(Unavailable) as refused:
        await town.ask(user, LIKE, keyed=True, op_id=b"op")
    assert refused.value.executed is None
    town.away.clear()
    await asyncio.sleep(0.2)
    town.answers["n1"].append("cut")
    town.away.add("n1")
    with pytest.raises(Unavailable) as refused:
        await town.ask(user, FEED)
    assert refused.value.executed is False


async def test_a_node_that_comes_back_in_time_costs_only_time(town):
    user = town.someone_at("n1")
    town.away.add("n1")
    town.nodes["n1"][-1].end.abort()
    await settled(10)
    assert not town.client.up("n1")
    asking = asyncio.get_running_loop().create_task(town.ask(user, LIKE))
    await asyncio.sleep(1)
    assert town.client.statistics().parked == 1
    town.away.clear()
    assert await asking == b"n1"
    assert town.client.statistics().parked == 0


async def test_a_node_that_is_away_is_nobody_elses_business(town):
    here, there = town.someone_at("n2"), town.someone_at("n1")
    town.away.add("n1")
    town.nodes["n1"][-1].end.abort()
    await settled(10)
    loop = asyncio.get_running_loop()
    waiting = [loop.create_task(town.ask(there)) for _ in range(300)]
    await settled(10)
    assert await town.ask(here) == b"n2"
    refused = [task for task in waiting if task.done()]
    assert len(refused) == 300 - SETTINGS.parked_asks_per_shard
    assert all(isinstance(task.exception(), Overloaded) for task in refused)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await asyncio.sleep(0.2)
    assert town.client.statistics().parked == 0


async def test_a_lost_node_detaches_the_sockets_of_its_shards(town):
    town.nodes["n1"][-1].end.abort()
    await settled(10)
    shards = frozenset(at for at, home in enumerate(town.client.table.homes) if home.node == "n1")
    assert town.sockets.detached_shards == [shards]


async def test_pushes_reach_the_sockets_by_their_ids(town):
    node = town.nodes["n1"][-1]
    node.end.write(wire.push_frame(wire.DELIVER, 17, 4, b"{}"))
    node.end.write(wire.push_frame(wire.END, 18))
    node.end.write(wire.push_frame(wire.DETACH, 19))
    await settled(5)
    assert town.sockets.told == [("g1/17", 4, b"{}"), ("g1/18", "end"), ("g1/19", "detach")]


async def test_who_waits_for_a_node_that_left_goes_on_at_the_new_home(town):
    user = town.someone_at("n1")
    town.away.add("n1")
    town.nodes["n1"][-1].end.abort()
    await settled(10)
    asking = asyncio.get_running_loop().create_task(town.ask(user, LIKE))
    await settled(10)
    table = ShardTable((Home("n2", 5),) * SHARD_COUNT)
    town.client.see(Sighting(table=table, members={"n2": town.member("n2")}))
    assert await asking == b"n2"


async def test_a_sighting_that_says_nothing_new_undoes_nothing_that_was_learned(town):
    user = town.someone_at("n1")
    shard = shard_of(user)
    table = town.client.table
    town.client.see(Sighting(table=table, members={}))
    town.answers["n1"].append(Moved(shard=shard, home=Home("n2", 9)))
    await town.ask(user)
    town.client.see(Sighting(table=table, members={"n1": town.member("n1")}))
    assert town.client.table.homes[shard] == Home("n2", 9)


async def test_a_new_node_is_found_by_its_sighting(town):
    town.answers["n3"], town.nodes["n3"] = [], []
    user = town.someone_at("n1")
    table = town.client.table.moved({shard_of(user): Home("n3", 5)})
    asking = asyncio.get_running_loop().create_task(town.ask(user))
    town.client.see(Sighting(table=table, members={}))
    town.client.see(Sighting(table=table, members={"n3": town.member("n3")}))
    await asking
    assert await town.ask(user) == b"n3"


async def test_a_node_is_dialled_anew_where_it_is_seen_now(town):
    town.answers["elsewhere"], town.nodes["elsewhere"] = [], []
    member = town.member("n1", incarnation="n1-2", address="unix:/elsewhere")
    town.client.see(Sighting(table=None, members={"n1": member}))
    await asyncio.sleep(0.2)
    assert town.dialled[-1] == "elsewhere"
    assert await town.ask(town.someone_at("n1")) == b"elsewhere"


async def test_a_member_without_a_usable_address_hides_nobody_else(town):
    town.answers["n3"], town.nodes["n3"] = [], []
    members = {"n1": town.member("n1", address="n1:7000"), "n3": town.member("n3")}
    table = ShardTable((Home("n3", 5),) * SHARD_COUNT)
    town.client.see(Sighting(table=table, members=members))
    assert await town.ask(1) == b"n3"


async def test_a_sighting_of_who_is_connected_already_cuts_nothing(town):
    for _ in range(3):
        members = {name: town.member(name) for name in ("n1", "n2")}
        town.client.see(Sighting(table=None, members=members))
        await asyncio.sleep(0.2)
    assert sorted(town.dialled) == ["n1", "n2"]


async def test_the_deadline_bounds_all_tries_together(town):
    user = town.someone_at("n1")
    town.answers["n1"] += [Moved(shard=shard_of(user), home=None)] * 100
    began = town.clock.monotonic()
    with pytest.raises(DeadlineExceeded) as late:
        await town.ask(user, LIKE, within=0.3)
    assert late.value.executed is False
    assert town.clock.monotonic() - began <= 0.31


async def test_a_client_without_nodes_or_addresses_does_not_begin(clock, tasks):
    def made(**nodes):
        FleetClient(
            FleetDeps(
                name="g",
                nodes=nodes,
                connect=lambda *_: asyncio.sleep(0),
                sockets=SocketRegistry(GatewaySettings(), clock, random.Random()),
                settings=SETTINGS,
                clock=clock,
                tasks=tasks,
                random=random.Random(),
            )
        )

    with pytest.raises(ValueError, match="at least one node"):
        made()
    with pytest.raises(BadAddress):
        made(n1="nowhere")
