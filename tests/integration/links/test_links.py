"""Links over real sockets: crowds within bounds, nodes that stop, and gateways that vanish."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from actors.links.settings import DoorSettings
from actors.messages import AttachSocket, Caller, DetachSocket, GetFeed, LikeVideo
from sharding.errors import Overloaded, Unavailable
from tests.integration.links.diary import CLOCK, PAGE, QUICK, Diary, open_client, open_node, until

ROOT = Path(__file__).resolve().parents[3]
SLOW = GetFeed(limit=20)
LIKE = LikeVideo(video_id=5, liked=True)


def caller(op=b"", *, keyed=False, within=5.0):
    return Caller(op_id=op, keyed=keyed, deadline=CLOCK.monotonic() + within)


@pytest.fixture
def address(tmp_path):
    return f"unix:{tmp_path}/n.sock"


async def test_ten_thousand_asks_at_once_are_bounded_at_both_ends(address):
    settings = DoorSettings(window=500)
    async with (
        open_node(address, Diary(), settings=settings) as node,
        open_client(address) as client,
    ):
        await until(lambda: client.up("n1"))
        node.going_on.clear()
        loop = asyncio.get_running_loop()
        asks = [loop.create_task(client.ask(at, SLOW, caller())) for at in range(10_000)]
        await until(lambda: node.running == 500)
        statistics = client.statistics()
        assert statistics.in_flight == 500
        assert statistics.parked == 9_500
        assert statistics.parked_bytes <= QUICK.parked_bytes
        assert node.door.statistics().in_flight == 500
        node.going_on.set()
        assert await asyncio.gather(*asks) == [b"{}"] * 10_000
        assert node.most == 500
        assert client.statistics().parked == client.statistics().in_flight == 0


async def test_one_users_crowd_is_refused_beyond_the_bound_of_its_shard(address):
    async with open_node(address, Diary(), settings=DoorSettings(window=10)) as node:
        async with open_client(address) as client:
            await until(lambda: client.up("n1"))
            node.going_on.clear()
            loop = asyncio.get_running_loop()
            asks = [loop.create_task(client.ask(7, SLOW, caller())) for _ in range(1_000)]
            await until(lambda: node.running == 10)
            node.going_on.set()
            ended = await asyncio.gather(*asks, return_exceptions=True)
        refused = [each for each in ended if each != b"{}"]
        assert len(refused) == 1_000 - 10 - QUICK.parked_asks_per_shard
        assert all(isinstance(each, Overloaded) and each.executed is False for each in refused)


async def test_pages_come_back_whole_however_many_are_under_way(address):
    async with open_node(address, Diary()) as node, open_client(address) as client:
        asks = [client.ask(at, GetFeed(), caller()) for at in range(2_000)]
        assert set(await asyncio.gather(*asks)) == {PAGE}
        assert node.door.statistics().inline == 2_000


async def test_a_node_that_is_stopped_is_noticed_and_asks_are_told_the_truth(tmp_path):
    address = f"unix:{tmp_path}/n.sock"
    child = subprocess.Popen(  # noqa: ASYNC220 - begun before there is anything to block
        [sys.executable, "-m", "tests.benchmarks.link_end", "node", address],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    try:
        async with open_client(address) as client:
            await until(lambda: client.up("n1"), 15)
            os.kill(child.pid, signal.SIGSTOP)
            began = CLOCK.monotonic()
            loop = asyncio.get_running_loop()
            like = loop.create_task(client.ask(1, LIKE, caller(b"a")))
            keyed = loop.create_task(client.ask(1, LIKE, caller(b"b", keyed=True)))
            feed = loop.create_task(client.ask(1, GetFeed(), caller()))
            with pytest.raises(Unavailable) as lost:
                await like
            assert lost.value.executed is None
            assert CLOCK.monotonic() - began < QUICK.silence_s + 0.5
            with pytest.raises(Unavailable) as refused:
                await client.ask(1, LIKE, caller(b"c"))
            assert refused.value.executed is False
            os.kill(child.pid, signal.SIGCONT)
            # Whether they are in time depends on the machine; what is said then does not.
            for ended in await asyncio.gather(keyed, feed, return_exceptions=True):
                assert getattr(ended, "executed", None) is not True
                assert isinstance(ended, bytes | Unavailable)
            await until(lambda: client.up("n1"))
            assert len(await client.ask(1, GetFeed(), caller())) > 10_000
    finally:
        child.kill()
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


async def test_a_restart_costs_time_and_no_command_is_done_twice(address):
    diary = Diary()
    acked: list[bytes] = []
    unknown: list[bytes] = []
    refused: list[bytes] = []
    going_on = True

    async def likes(client, who):
        number = 0
        while going_on:
            number += 1
            op = b"%d-%d" % (who, number)
            try:
                await client.ask(who, LIKE, caller(op))
            except Unavailable as error:
                (refused if error.executed is False else unknown).append(op)
            else:
                acked.append(op)
            await asyncio.sleep(0.001)

    async with open_client(address) as client:
        loop = asyncio.get_running_loop()
        crowd = [loop.create_task(likes(client, who)) for who in range(20)]
        for at in range(4):
            async with open_node(address, diary, graceful=at % 2 == 0):
                await asyncio.sleep(0.15)
        async with open_node(address, diary):
            going_on = False
            await asyncio.gather(*crowd)
    assert len(diary.done) == len(set(diary.done))
    assert set(acked) <= set(diary.done) <= set(acked) | set(unknown)
    assert not set(refused) & set(diary.done)
    assert len(acked) > 100


async def test_a_graceful_restart_loses_nothing_at_all(address):
    diary = Diary()
    async with open_client(address) as client:
        async with open_node(address, diary) as node:
            await until(lambda: client.up("n1"))
            node.going_on.clear()
            loop = asyncio.get_running_loop()
            asks = [loop.create_task(client.ask(at, LIKE, caller(b"%d" % at))) for at in range(50)]
            await until(lambda: node.running == 50)
            loop.call_later(0.1, node.going_on.set)
        async with open_node(address, diary):
            assert await asyncio.gather(*asks) == [b"{}"] * 50
            assert await client.ask(1, LIKE, caller(b"next")) == b"{}"
    assert len(diary.done) == 51


async def test_a_gateway_that_vanishes_takes_its_sockets_along(address):
    async with open_node(address, Diary()) as node:
        async with open_client(address) as client:
            for at in range(200):
                await client.ask(at, AttachSocket(connection=f"g1/{at}", resume=None), caller())
            await client.ask(3, DetachSocket(connection="g1/3"), caller())
            assert len(node.attached) == 199
        await until(lambda: not node.attached)
        assert node.door.statistics().detached == 199


async def test_a_reader_that_is_slow_is_waited_for_and_not_buffered_without_end(address):
    settings = DoorSettings(write_buffer_bytes=64 * 1024)
    async with (
        open_node(address, Diary(), settings=settings) as node,
        open_client(address) as client,
    ):
        await until(lambda: client.up("n1"))
        transport = client._links["n1"]._line._transport
        transport.pause_reading()
        loop = asyncio.get_running_loop()
        asks = []
        for _ in range(40):
            asks += [loop.create_task(client.ask(1, GetFeed(), caller())) for _ in range(40)]
            await asyncio.sleep(0.002)
        (doorway,) = node.door._doorways
        assert doorway.paused
        held = doorway._transport.get_write_buffer_size() + sum(map(len, doorway._out))
        assert held < 1024 * 1024
        transport.resume_reading()
        assert set(await asyncio.gather(*asks)) == {PAGE}
