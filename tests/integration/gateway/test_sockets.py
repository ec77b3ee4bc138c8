"""The websocket: who may open one, what is said in which order, and how it ends."""

import asyncio
from dataclasses import replace

import aiohttp
import msgspec
import pytest

from actors import messages as m
from actors.replies import Attached
from gateway.settings import Rate
from sharding.errors import NotFound, StorageUnavailable, Unauthenticated
from tests.integration.gateway.stand_in import ME, QUICK, SESSION, VIDEO, serving, until

HELLO = '{"op":"hello","resume":null}'


async def heard(socket):
    async with asyncio.timeout(3):
        message = await socket.receive()
    if message.type is aiohttp.WSMsgType.TEXT:
        return msgspec.json.decode(message.data)
    return socket.close_code


async def welcomed(gateway, **more):
    socket = await gateway.connect(**more)
    await socket.send_str(HELLO)
    assert (await heard(socket))["op"] == "welcome"
    return socket


async def test_hello_is_answered_with_the_place_in_the_numbering(gateway):
    socket = await gateway.connect()
    await socket.send_str('{"op":"hello","resume":4}')
    assert await heard(socket) == {
        "op": "welcome",
        "seq": 7,
        "resumed": False,
        "heartbeat_s": 20,
    }
    ((user_id, attach, caller),) = gateway.node.asked
    assert (user_id, attach.resume, caller.session) == (ME, 4, SESSION)
    await socket.close()
    await until(lambda: gateway.node.of(m.DetachSocket))
    assert gateway.node.last == m.DetachSocket(connection=attach.connection)
    assert len(gateway.sockets) == 0


async def test_welcome_then_missed_then_live_also_when_live_comes_first(gateway):
    def attach(user_id, message, caller):
        gateway.sockets.deliver(message.connection, 9, b'{"op":"event","seq":9}')
        missed = (b'{"op":"event","seq":5}', b'{"op":"event","seq":7}')
        return Attached(seq=7, resumed=True, missed=missed, resync=False)

    gateway.node.replies[m.AttachSocket] = attach
    socket = await gateway.connect()
    await socket.send_str('{"op":"hello","resume":4}')
    frames = [await heard(socket) for _ in range(4)]
    assert [(frame["op"], frame["seq"]) for frame in frames] == [
        ("welcome", 7),
        ("event", 5),
        ("event", 7),
        ("event", 9),
    ]


async def test_what_cannot_be_resumed_is_to_be_read_again(gateway):
    gateway.node.replies[m.AttachSocket] = Attached(seq=70, resumed=False, missed=(), resync=True)
    socket = await gateway.connect()
    await socket.send_str('{"op":"hello","resume":4}')
    assert (await heard(socket))["resumed"] is False
    assert await heard(socket) == {"op": "resync", "seq": 70}


async def test_commands_are_acknowledged_with_the_fields_of_http(gateway):
    gateway.node.replies[m.LikeVideo] = b'{"video_id":"5005","liked":true,"likes":3}'
    gateway.node.replies[m.ReportViews] = b'{"accepted":1,"dropped":1}'
    socket = await welcomed(gateway)
    view = {"view_id": "v", "video_id": str(VIDEO), "watched_ms": 5}
    await socket.send_json({"op": "like", "id": "a", "video_id": str(VIDEO)})
    await socket.send_json({"op": "unlike", "id": "b", "video_id": str(VIDEO)})
    await socket.send_json({"op": "view", "id": "c", "views": [view, 7]})
    await socket.send_json({"op": "ping", "id": "d"})
    assert [await heard(socket) for _ in range(4)] == [
        {"op": "ack", "id": "a", "video_id": "5005", "liked": True, "likes": 3},
        {"op": "ack", "id": "b", "video_id": "5005", "liked": True, "likes": 3},
        {"op": "ack", "id": "c", "accepted": 1, "dropped": 1},
        {"op": "ack", "id": "d"},
    ]
    like, unlike, report = [message for _, message, _ in gateway.node.asked[1:]]
    assert like == m.LikeVideo(video_id=VIDEO, liked=True)
    assert unlike == m.LikeVideo(video_id=VIDEO, liked=False)
    assert (len(report.views), report.unusable) == (1, 1)


async def test_an_id_names_its_command_also_after_a_reconnect(gateway):
    for _ in range(2):
        socket = await welcomed(gateway)
        await socket.send_json({"op": "like", "id": "a", "video_id": str(VIDEO)})
        await heard(socket)
        await socket.close()
    first, again = [
        caller for _, message, caller in gateway.node.asked if isinstance(message, m.LikeVideo)
    ]
    assert first.keyed
    assert (first.op_id, first.digest) == (again.op_id, again.digest)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"op": "dance", "id": "a"}, {"id": "a", "code": "invalid_request"}),
        ({"op": "like", "id": "a"}, {"id": "a", "code": "invalid_request"}),
        ({"op": "like", "id": "a", "video_id": 5}, {"id": "a", "code": "invalid_request"}),
        ({"op": "like", "video_id": "5"}, {"id": None, "code": "invalid_request"}),
        ({"op": "like", "id": "x" * 65, "video_id": "5"}, {"id": None}),
        ({"op": "ping", "id": "a", "extra": 1}, {"id": "a", "code": "invalid_request"}),
        ({"op": "view", "id": "a", "views": [1] * 51}, {"id": "a", "code": "invalid_request"}),
        ({"op": "hello", "resume": None}, {"id": None, "code": "invalid_request"}),
    ],
)
async def test_a_wrong_command_is_told_and_the_talk_goes_on(gateway, said, told):
    socket = await welcomed(gateway)
    await socket.send_json(said)
    answer = await heard(socket)
    assert answer["op"] == "error"
    assert {**answer, **told} == answer
    await socket.send_json({"op": "ping", "id": "z"})
    assert await heard(socket) == {"op": "ack", "id": "z"}


async def test_a_refusal_of_the_actor_is_told_with_its_facts(gateway):
    socket = await welcomed(gateway)
    gateway.node.replies[m.LikeVideo] = StorageUnavailable(retry_after_s=2)
    await socket.send_json({"op": "like", "id": "a", "video_id": "5"})
    told = await heard(socket)
    assert (told["code"], told["retry_after_s"], "executed" in told) == ("unavailable", 2, False)
    gateway.node.replies[m.LikeVideo] = NotFound()
    await socket.send_json({"op": "like", "id": "b", "video_id": "5"})
    told = await heard(socket)
    assert (told["code"], told["executed"]) == ("not_found", False)


@pytest.mark.parametrize("bad", ["[]", "7", "{", "", "null", '"x"', '{"id":"a"}', '{"op":7}'])
async def test_a_frame_that_is_no_message_ends_the_talk(gateway, bad):
    socket = await welcomed(gateway)
    await socket.send_str(bad)
    assert await heard(socket) == 4400


async def test_a_binary_frame_ends_the_talk(gateway):
    socket = await welcomed(gateway)
    await socket.send_bytes(b"{}")
    assert await heard(socket) == 4400


@pytest.mark.parametrize("size", [16 * 1024 + 1, 2_000_000])
async def test_a_frame_that_is_too_big_ends_the_talk(gateway, size):
    socket = await welcomed(gateway)
    await socket.send_str("x" * size)
    assert await heard(socket) == 4400


async def test_a_frame_of_just_the_allowed_size_is_read(gateway):
    socket = await welcomed(gateway)
    frame = '{"op":"ping","id":"a"}'
    await socket.send_str(frame + " " * (16 * 1024 - len(frame)))
    assert await heard(socket) == {"op": "ack", "id": "a"}


@pytest.mark.parametrize("first", [None, '{"op":"ping","id":"a"}', '{"op":"hello","resume":-1}'])
async def test_who_does_not_say_hello_is_not_served(gateway, first):
    socket = await gateway.connect()
    if first is not None:
        await socket.send_str(first)
    assert await heard(socket) == 4400
    assert gateway.node.of(m.AttachSocket) == []


async def refused(gateway, path="/ws", headers=None):
    """The status that a handshake is refused with."""
    handshake = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version": "13",
        **(headers or {}),
    }
    async with gateway.client.get(gateway.url + path, headers=handshake) as answer:
        assert answer.content_type == "application/problem+json"
        return answer.status


async def test_a_socket_needs_a_token_or_a_ticket(gateway):
    assert await refused(gateway) == 401
    assert await refused(gateway, headers={"Authorization": "Bearer x"}) == 401
    assert await refused(gateway, path="/ws?ticket=x") == 401
    assert await refused(gateway, path="/ws?ticket=") == 400


async def test_a_ticket_opens_one_socket(gateway):
    _, made, _ = await gateway.call("POST", "/ws/ticket")
    assert made["expires_in"] == 30
    path = f"/ws?ticket={made['ticket']}"
    socket = await gateway.client.ws_connect(gateway.url + path)
    gateway.kept.append(socket)
    await socket.send_str(HELLO)
    assert (await heard(socket))["op"] == "welcome"
    assert gateway.node.asked[0][2].session == SESSION
    assert await refused(gateway, path=path) == 401


async def test_pages_of_other_origins_may_not_connect():
    settings = replace(QUICK, allowed_origins=("https://app.example",))
    async with serving(settings) as gateway:
        for origin in ("https://app.example", gateway.url):
            await welcomed(gateway, headers={**gateway.bearer(), "Origin": origin})
        for origin in ("https://evil.example", "null"):
            headers = {**gateway.bearer(), "Origin": origin}
            assert await refused(gateway, headers=headers) == 403


async def test_a_plain_request_is_no_socket(gateway):
    status, problem, _ = await gateway.call("GET", "/ws")
    assert (status, problem["code"]) == (400, "invalid_request")


async def test_a_user_has_so_many_sockets_and_the_process_too():
    async with serving(replace(QUICK, max_sockets=3, max_sockets_per_user=2)) as gateway:
        first, *kept = [await welcomed(gateway), await welcomed(gateway)]
        assert await heard(await gateway.connect()) == 4429
        kept.append(await welcomed(gateway, headers=gateway.bearer(9)))
        assert await refused(gateway, headers=gateway.bearer(10)) == 503
        await first.close()
        await until(lambda: len(gateway.sockets) == 2)
        kept.append(await welcomed(gateway))


async def test_a_session_that_ends_takes_its_sockets_along(gateway):
    socket = await welcomed(gateway)
    gateway.sockets.end(gateway.node.last.connection)
    assert await heard(socket) == 4401
    gateway.node.replies[m.LikeVideo] = Unauthenticated()
    socket = await welcomed(gateway)
    await socket.send_json({"op": "like", "id": "a", "video_id": "5"})
    assert await heard(socket) == 4401
    gateway.node.replies[m.AttachSocket] = Unauthenticated()
    socket = await gateway.connect()
    await socket.send_str(HELLO)
    assert await heard(socket) == 4401


async def test_who_sends_too_fast_is_told_and_then_closed():
    settings = replace(QUICK, frames_per_socket=Rate(per_s=0.1, burst=2), socket_strikes=3)
    async with serving(settings) as gateway:
        socket = await welcomed(gateway)
        for number in range(7):
            await socket.send_json({"op": "ping", "id": str(number)})
        told = [await heard(socket) for _ in range(7)]
        assert [each["op"] for each in told[:6]] == ["ack"] * 2 + ["error"] * 4
        assert told[2]["code"] == "rate_limited"
        assert told[2]["retry_after_s"] > 0
        assert told[6] == 4429


async def raw_socket(gateway):
    reader, writer = await asyncio.open_connection(*gateway.address, limit=2**16)
    auth = gateway.bearer()["Authorization"]
    writer.write(
        f"GET /ws HTTP/1.1\r\nHost: x\r\nAuthorization: {auth}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    hello = HELLO.encode()
    writer.write(bytes([0x81, 0x80 | len(hello), 0, 0, 0, 0]) + hello)
    await reader.read(2)
    return reader, writer


async def test_a_client_that_does_not_read_is_closed_and_holds_nobody_up():
    settings = replace(QUICK, outbound_frames=50, outbound_bytes=100_000)
    async with serving(settings) as gateway:
        _, writer = await raw_socket(gateway)
        writer.transport.pause_reading()
        await until(lambda: gateway.node.of(m.AttachSocket))
        slow = gateway.node.of(m.AttachSocket)[0].connection
        quick = await welcomed(gateway)
        frame = b'{"op":"event","data":"%b"}' % (b"x" * 20_000)
        connection = gateway.sockets._connections[slow]
        for _ in range(2_000):
            gateway.sockets.deliver(slow, 0, frame)
            if not connection.socket.open:
                break
            await asyncio.sleep(0)
        assert connection.socket.close_code == 4408
        await quick.send_json({"op": "ping", "id": "a"})
        assert await heard(quick) == {"op": "ack", "id": "a"}
        await until(lambda: len(gateway.sockets) == 1)
        writer.close()


async def test_what_a_client_sends_waits_in_a_bound(gateway):
    going_on = asyncio.Event()

    async def like(user_id, message, caller):
        await going_on.wait()
        return b"{}"

    gateway.node.replies[m.LikeVideo] = like
    socket = await welcomed(gateway)
    for number in range(40):
        await socket.send_json({"op": "like", "id": str(number), "video_id": "5"})
    (connection,) = gateway.sockets._connections.values()
    await until(lambda: len(connection.socket._inbox) >= gateway.edge.settings.inbound_frames)
    going_on.set()
    assert [(await heard(socket))["id"] for _ in range(40)] == [str(each) for each in range(40)]


async def test_silence_of_two_heartbeats_ends_a_connection(gateway):
    _, writer = await raw_socket(gateway)
    talking = await welcomed(gateway)
    await until(lambda: len(gateway.sockets) == 2)

    async def keep_reading():
        async for _ in talking:
            pass

    reading = asyncio.ensure_future(keep_reading())
    for _ in range(4):
        for connection in gateway.sockets._connections.values():
            connection.pinged_at -= 100
        gateway.sockets.sweep()
        await asyncio.sleep(0.05)
    await until(lambda: len(gateway.sockets) == 1)
    assert not talking.closed
    reading.cancel()
    writer.close()


async def test_a_connection_that_breaks_is_told_to_its_actor(gateway):
    _, writer = await raw_socket(gateway)
    await until(lambda: gateway.node.of(m.AttachSocket))
    writer.transport.abort()
    await until(lambda: gateway.node.of(m.DetachSocket))
    assert len(gateway.sockets) == 0
