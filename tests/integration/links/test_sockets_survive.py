"""Websockets outlive their node and the link to it: every numbered event once, or a resync."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import msgspec
import pytest

from actors.tasks import TaskSet
from gateway.sockets import SocketRegistry
from tests.integration.gateway.stand_in import QUICK, serving
from tests.integration.links.diary import CLOCK, Diary, cut, open_client, open_node, until

SETTINGS = replace(QUICK, reattach_first_s=0.02, reattach_longest_s=0.1, max_sockets_per_user=100)


class Listener:
    """A client that notes every number that it is told."""

    def __init__(self, socket):
        self._socket = socket
        self.seqs: list[int] = []
        self.resyncs: list[int] = []
        self.closed = False

    async def listen(self):
        async for message in self._socket:
            said = msgspec.json.decode(message.data)
            if said["op"] == "event":
                self.seqs.append(said["seq"])
            elif said["op"] == "resync":
                self.resyncs.append(said["seq"])
        self.closed = True


@asynccontextmanager
async def listeners(address, count):
    """Clients of one gateway whose node is at `address`."""
    async with AsyncExitStack() as stack:
        tasks = TaskSet(lambda name, error: None)
        stack.push_async_callback(tasks.close)
        sockets = SocketRegistry(SETTINGS, CLOCK, random.Random(1), name="g1")
        client = await stack.enter_async_context(open_client(address, sockets=sockets, tasks=tasks))
        gateway = await stack.enter_async_context(serving(SETTINGS, node=client, sockets=sockets))
        made = []
        for _ in range(count):
            socket = await gateway.connect()
            await socket.send_str('{"op":"hello","resume":null}')
            await socket.receive()
            made.append(Listener(socket))
            tasks.spawn(made[-1].listen(), name="listener")
        yield made


async def announcing(node, count):
    """Events that come while everything else happens."""
    for _ in range(count):
        node.announce()
        await asyncio.sleep(0.002)


@pytest.fixture
def address(tmp_path):
    return f"unix:{tmp_path}/n.sock"


@pytest.mark.parametrize("graceful", [True, False], ids=["stopped", "killed"])
async def test_every_numbered_event_comes_once_across_restarts(address, graceful):
    diary = Diary()
    async with AsyncExitStack() as stack:
        async with open_node(address, diary, graceful=graceful) as node:
            clients = await stack.enter_async_context(listeners(address, 10))
            await announcing(node, 30)
        for _ in range(2):
            async with open_node(address, diary, graceful=graceful) as node:
                # Some of these come before anybody has attached again.
                await announcing(node, 60)
        async with open_node(address, diary) as node:
            await announcing(node, 30)
            await until(lambda: all(each.seqs[-1:] == [180] for each in clients))
        for each in clients:
            assert each.seqs == list(range(1, 181))
            assert not each.resyncs
            assert not each.closed


async def test_a_link_that_is_cut_costs_no_event_and_doubles_none(address):
    async with open_node(address, Diary()) as node, listeners(address, 10) as clients:
        for _ in range(4):
            await announcing(node, 30)
            cut(node)
        await announcing(node, 30)
        await until(lambda: all(each.seqs[-1:] == [150] for each in clients))
        for each in clients:
            assert each.seqs == list(range(1, 151))
        await until(lambda: len(node.attached) == 10)


async def test_where_events_were_lost_clients_are_told_to_read_again(address):
    diary = Diary()
    async with AsyncExitStack() as stack:
        async with open_node(address, diary, graceful=False) as node:
            clients = await stack.enter_async_context(listeners(address, 3))
            await announcing(node, 10)
            await until(lambda: all(each.seqs[-1:] == [10] for each in clients))
        diary.forget()
        async with open_node(address, diary) as node:
            await until(lambda: all(each.resyncs for each in clients))
            await announcing(node, 5)
            await until(lambda: all(each.seqs[-1:] == [diary.seq] for each in clients))
        for each in clients:
            assert each.resyncs == [1_010]
            assert each.seqs == [*range(1, 11), *range(1_011, 1_016)]


async def test_an_actor_that_lost_its_sockets_has_them_back(address):
    async with open_node(address, Diary()) as node, listeners(address, 5) as clients:
        await announcing(node, 5)
        lost = list(node.attached)
        node.attached.clear()
        for connection in lost:
            node._sockets.detach(connection)
        await announcing(node, 20)
        await until(lambda: all(each.seqs[-1:] == [25] for each in clients))
        assert all(each.seqs == list(range(1, 26)) for each in clients)
