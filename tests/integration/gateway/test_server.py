"""The end of a server: nobody's request is lost, nobody is kept waiting for ever."""

import asyncio
import random
from contextlib import suppress
from dataclasses import replace

import aiohttp
import pytest

from actors import messages as m
from actors.ports.clock import SystemClock
from gateway.sockets import SocketRegistry
from tests.integration.gateway.stand_in import QUICK, serving
from tests.integration.gateway.test_sockets import heard, welcomed


async def keep_asking(gateway, outcomes, stop):
    """A raw keep-alive client, which reconnects only when it was told that the connection ends."""
    auth = gateway.bearer()["Authorization"]
    request = f"GET /user/me HTTP/1.1\r\nHost: x\r\nAuthorization: {auth}\r\n\r\n".encode()
    while not stop.is_set():
        try:
            reader, writer = await asyncio.open_connection(*gateway.address)
        except OSError:
            # Nobody listens any more: this request was never begun.
            return
        try:
            while not stop.is_set():
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split()[0]))
                outcomes.append(head.split()[1])
                if b"connection: close" in head.lower():
                    break
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            outcomes.append(error)
        finally:
            writer.close()


async def test_a_drain_under_load_fails_no_request():
    async with serving(replace(QUICK, drain_notice_s=0.3)) as gateway:
        dice = random.Random(5)

        async def answer(user_id, message, caller):
            await asyncio.sleep(dice.random() * 0.02)
            return b"{}"

        gateway.node.replies[m.GetUser] = answer
        gateway.edge.requests._slack = 1e9
        outcomes: list[bytes | Exception] = []
        stop = asyncio.Event()
        clients = [asyncio.ensure_future(keep_asking(gateway, outcomes, stop)) for _ in range(20)]
        await asyncio.sleep(0.2)
        before = len(outcomes)
        cut = await gateway.server.drain()
        stop.set()
        await asyncio.gather(*clients)
        assert before > 20
        assert len(outcomes) > before
        assert set(outcomes) == {b"200"}
        assert cut == 0


async def test_a_request_that_runs_is_finished_and_its_connection_closed():
    async with serving() as gateway:
        begun = asyncio.Event()

        async def answer(user_id, message, caller):
            begun.set()
            await asyncio.sleep(0.3)
            return b"{}"

        gateway.node.replies[m.GetUser] = answer
        calling = asyncio.ensure_future(gateway.call("GET", "/user/me"))
        await begun.wait()
        assert await gateway.server.drain() == 0
        status, _, headers = await calling
        assert (status, headers["Connection"]) == (200, "close")


async def test_what_does_not_end_by_itself_is_cut_at_the_deadline():
    async with serving(replace(QUICK, drain_deadline_s=0.2)) as gateway:
        gateway.node.replies[m.GetUser] = lambda *_: asyncio.sleep(60)
        calling = asyncio.ensure_future(gateway.call("GET", "/user/me"))
        await asyncio.sleep(0.1)
        assert await gateway.server.drain() == 1
        with pytest.raises(aiohttp.ClientError):
            await calling


@pytest.mark.parametrize("part", ["head", "body"])
async def test_who_trickles_does_not_hold_a_connection(part):
    # Sanic takes whole seconds; three times this is one.
    async with serving(replace(QUICK, call_timeout_s=0.34)) as gateway:
        auth = gateway.bearer()["Authorization"]
        head = (
            f"PATCH /user/me HTTP/1.1\r\nHost: x\r\nAuthorization: {auth}\r\n"
            "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection(*gateway.address)
        writer.write(head[:20].encode() if part == "head" else head.encode())

        async def trickle():
            while True:
                writer.write(b" ")
                await asyncio.sleep(0.05)

        trickling = asyncio.ensure_future(trickle())
        # That the time is not over by then is what is shown.
        async with asyncio.timeout(10):
            with suppress(ConnectionError):
                while await reader.read(4_096):
                    pass
        trickling.cancel()
        writer.close()


async def test_while_it_drains_it_says_that_it_is_not_ready():
    async with serving(replace(QUICK, drain_notice_s=0.2)) as gateway:
        draining = asyncio.ensure_future(gateway.server.drain())
        await asyncio.sleep(0.05)
        status, told, headers = await gateway.call("GET", "/readyz")
        assert (status, told["ready"], headers["Connection"]) == (503, False, "close")
        assert (await gateway.call("GET", "/healthz"))[0] == 200
        assert await draining == 0


async def test_websockets_are_sent_elsewhere_each_after_its_own_wait():
    async with serving() as gateway:
        sockets = [await welcomed(gateway) for _ in range(6)]
        draining = asyncio.ensure_future(gateway.server.drain())
        waits = []
        for socket in sockets:
            told = await heard(socket)
            assert told["op"] == "goaway"
            waits.append(told["retry_ms"])
            assert await heard(socket) == 1012
        assert await draining == 0
        assert all(1_000 <= wait <= 30_000 for wait in waits)
        assert len(set(waits)) > 1
        assert len(gateway.node.of(m.DetachSocket)) == 6


async def test_a_drain_is_done_once(gateway):
    await gateway.server.drain()
    assert await gateway.server.drain() == 0


def test_a_frame_for_nobody_is_skipped():
    registry = SocketRegistry(QUICK, clock=SystemClock(), dice=random.Random(1))
    registry.deliver("nobody", 0, b"{}")
    registry.end("nobody")
