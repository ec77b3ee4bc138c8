"""A websocket whose actor has lost it: it attaches again by its number, and its client notices nothing."""

import asyncio
from dataclasses import replace

import aiohttp
import msgspec
import pytest

from actors import messages as m
from actors.replies import Attached
from sharding.errors import Forbidden, RateLimited, Unauthenticated, Unavailable
from tests.integration.gateway.stand_in import ME, QUICK, serving, until

SOON = replace(QUICK, reattach_first_s=0.01, reattach_longest_s=0.05)


def event(seq):
    return b'{"op":"event","seq":%d}' % seq


async def heard(socket):
    async with asyncio.timeout(3):
        message = await socket.receive()
    if message.type is aiohttp.WSMsgType.TEXT:
        return msgspec.json.decode(message.data)
    return socket.close_code


class Talk:
    """One welcomed websocket of a gateway whose actor a test plays."""

    def __init__(self, gateway, socket):
        self.gateway = gateway
        self.socket = socket

    @property
    def id(self):
        return self.gateway.node.of(m.AttachSocket)[0].connection

    @property
    def resumes(self):
        """Under which numbers it was attached, first to last."""
        return [attach.resume for attach in self.gateway.node.of(m.AttachSocket)]

    def push(self, seq):
        self.gateway.sockets.deliver(self.id, seq, event(seq))

    def detach(self):
        self.gateway.sockets.detach(self.id)

    def reply(self, *replies):
        """What the next attachments are answered, in order."""
        left = list(replies)

        async def attach(user_id, message, caller):
            reply = left.pop(0)
            if callable(reply):
                reply = reply()
            if isinstance(reply, asyncio.Future):
                reply = await reply
            if isinstance(reply, Exception):
                raise reply
            return reply

        self.gateway.node.replies[m.AttachSocket] = attach

    async def seqs(self, count):
        return [(await heard(self.socket))["seq"] for _ in range(count)]


@pytest.fixture
async def talk():
    async with serving(SOON) as gateway:
        socket = await gateway.connect()
        await socket.send_str('{"op":"hello","resume":null}')
        assert (await heard(socket))["seq"] == 7
        yield Talk(gateway, socket)


def attached(seq, *missed, resync=False):
    frames = tuple(event(each) for each in missed)
    return Attached(seq=seq, resumed=not resync, missed=frames, resync=resync)


async def test_it_goes_on_after_the_last_number_that_it_was_given(talk):
    talk.push(8)
    talk.reply(attached(10, 9, 10))
    talk.detach()
    assert await talk.seqs(3) == [8, 9, 10]
    await until(lambda: talk.resumes == [None, 8])
    talk.push(11)
    assert await talk.seqs(1) == [11]


async def test_what_was_given_is_not_given_again(talk):
    for seq in (8, 8, 7, 9, 3, 9, 10):
        talk.push(seq)
    assert await talk.seqs(3) == [8, 9, 10]
    talk.gateway.sockets.deliver(talk.id, 0, b'{"seq":0}')
    talk.gateway.sockets.deliver(talk.id, 0, b'{"seq":0}')
    assert await talk.seqs(2) == [0, 0]


async def test_what_comes_between_loss_and_attachment_comes_with_the_attachment(talk):
    answer = asyncio.get_running_loop().create_future()
    talk.reply(answer)
    talk.detach()
    # One before it may be lost: it must not be the last number.
    talk.push(9)
    await until(lambda: len(talk.resumes) == 2)
    talk.push(10)
    talk.push(11)
    answer.set_result(attached(10, 8, 9, 10))
    assert await talk.seqs(4) == [8, 9, 10, 11]
    assert talk.resumes == [None, 7]


async def test_what_cannot_be_resumed_is_to_be_read_again(talk):
    talk.reply(attached(5_000, resync=True))
    talk.detach()
    assert await heard(talk.socket) == {"op": "resync", "seq": 5_000}
    talk.push(5_001)
    assert await talk.seqs(1) == [5_001]


async def test_a_node_that_is_away_is_asked_until_it_is_there(talk):
    away = Unavailable(executed=False)
    talk.reply(away, away, Unavailable(executed=None), attached(8, 8))
    talk.detach()
    assert await talk.seqs(1) == [8]
    assert talk.resumes == [None, 7, 7, 7, 7]


async def test_being_lost_again_while_attaching_attaches_once_more(talk):
    answer = asyncio.get_running_loop().create_future()
    talk.reply(answer, attached(9, 9))
    talk.detach()
    await until(lambda: len(talk.resumes) == 2)
    talk.detach()
    talk.push(9)
    answer.set_result(attached(8, 8))
    assert await talk.seqs(2) == [8, 9]
    assert talk.resumes == [None, 7, 8]


async def test_being_lost_before_the_welcome_attaches_after_it():
    async with serving(SOON) as gateway:
        attaches = []

        def attach(user_id, message, caller):
            attaches.append(message.resume)
            if len(attaches) == 1:
                gateway.sockets.detach(message.connection)
                return attached(7)
            return attached(8, 8)

        gateway.node.replies[m.AttachSocket] = attach
        socket = await gateway.connect()
        await socket.send_str('{"op":"hello","resume":null}')
        assert [(await heard(socket))["seq"] for _ in range(2)] == [7, 8]
        assert attaches == [None, 7]


@pytest.mark.parametrize(
    ("refusal", "code"), [(Unauthenticated(), 4401), (RateLimited(), 1012), (Forbidden(), 1012)]
)
async def test_who_may_not_attach_again_is_closed(talk, refusal, code):
    talk.reply(refusal)
    talk.detach()
    assert await heard(talk.socket) == code


async def test_a_client_is_sent_elsewhere_when_its_node_stays_away():
    async with serving(replace(SOON, reattach_give_up_s=0.1)) as gateway:
        socket = await gateway.connect()
        await socket.send_str('{"op":"hello","resume":null}')
        await heard(socket)
        talk = Talk(gateway, socket)
        gateway.node.replies[m.AttachSocket] = Unavailable(executed=False)
        talk.detach()
        assert await heard(socket) == 1012


async def test_whoever_leaves_while_attaching_stays_detached(talk):
    answer = asyncio.get_running_loop().create_future()
    talk.reply(answer)
    talk.detach()
    await until(lambda: len(talk.resumes) == 2)
    await talk.socket.close()
    await until(lambda: talk.gateway.node.of(m.DetachSocket))
    answer.set_result(attached(8, 8))
    await until(lambda: len(talk.gateway.node.of(m.DetachSocket)) == 2)
    assert isinstance(talk.gateway.node.last, m.DetachSocket)


async def test_commands_go_on_while_a_socket_is_detached(talk):
    answer = asyncio.get_running_loop().create_future()
    talk.reply(answer)
    talk.detach()
    await talk.socket.send_json({"op": "ping", "id": "a"})
    assert await heard(talk.socket) == {"op": "ack", "id": "a"}
    answer.set_result(attached(7))


async def test_more_than_is_held_while_attaching_is_fetched_by_number():
    async with serving(replace(SOON, outbound_frames=4)) as gateway:
        socket = await gateway.connect()
        await socket.send_str('{"op":"hello","resume":null}')
        await heard(socket)
        talk = Talk(gateway, socket)
        answer = asyncio.get_running_loop().create_future()
        talk.reply(answer, attached(13, 9, 10, 11, 12, 13))
        talk.detach()
        await until(lambda: len(talk.resumes) == 2)
        for seq in range(9, 14):
            talk.push(seq)
        answer.set_result(attached(8, 8))
        assert await talk.seqs(6) == [8, 9, 10, 11, 12, 13]
        assert talk.resumes == [None, 7, 8]


async def test_only_so_many_attach_at_a_time():
    settings = replace(SOON, reattach_concurrency=3, max_sockets_per_user=40)
    async with serving(settings) as gateway:
        for _ in range(20):
            socket = await gateway.connect()
            await socket.send_str('{"op":"hello","resume":null}')
            await heard(socket)
        running, most = 0, 0

        async def attach(user_id, message, caller):
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.005)
            running -= 1
            return attached(7)

        gateway.node.replies[m.AttachSocket] = attach
        shard = next(iter(gateway.sockets._connections.values())).shard
        gateway.sockets.detach_shards({shard})
        await until(lambda: len(gateway.node.of(m.AttachSocket)) == 40)
        assert most == 3
        gateway.sockets.detach_shards({shard + 1})
        await asyncio.sleep(0.05)
        assert len(gateway.node.of(m.AttachSocket)) == 40
        assert {user_id for user_id, _, _ in gateway.node.asked} == {ME}
