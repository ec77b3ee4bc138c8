"""A gateway on a real listening socket, over stand-ins that record what they are asked."""

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec

from actors import messages
from actors.answers import UploadWay
from actors.media_links import MediaLinks
from actors.messages import (
    Caller,
    Message,
)
from actors.ports.clock import SystemClock
from actors.replies import Attached, Granted, Uploads, UploadTicket
from actors.tasks import TaskSet
from gateway.app import create_app
from gateway.deps import GatewayDeps
from gateway.edge import Edge
from gateway.keys import SigningKeys, make_signing_keys
from gateway.server import GatewayServer, open_server
from gateway.settings import GatewaySettings
from gateway.sockets import SocketRegistry
from sharding.errors import Forbidden, InvalidRequest, TooLarge
from sharding.ids import IdMint

ME = 1001
OTHER = 2002
SESSION = 77
VIDEO = 5005
COMMENT = 6006
#: One for all tests: making keys takes time, and which ones does not matter.
KEYS = make_signing_keys()

QUICK = GatewaySettings(
    drain_notice_s=0.05,
    drain_idle_s=0.05,
    drain_deadline_s=2.0,
    socket_close_s=0.3,
    hello_timeout_s=0.3,
    call_timeout_s=5.0,
)


def ticket(**changes: Any) -> UploadTicket:
    made = UploadTicket(
        video_id=VIDEO,
        status="awaiting_upload",
        source=f"quarantine/{VIDEO}/clip",
        size_bytes=10,
        content_type="video/mp4",
        sha256=None,
        method="POST",
    )
    return msgspec.structs.replace(made, **changes)


def granted(user: bytes = b"") -> Granted:
    expires_ms = SystemClock().unix_ms() + 86_400_000
    return Granted(user_id=ME, family_id=SESSION, current=1, expires_ms=expires_ms, user=user)


REPLIES: dict[type, Any] = {
    messages.Register: granted(b'{"user_id":"1001"}'),
    messages.OpenSession: granted(b'{"user_id":"1001"}'),
    messages.RefreshSession: granted(),
    messages.CreateUpload: ticket(),
    messages.GetUpload: ticket(),
    messages.ListUploads: Uploads(items=(ticket(),), next_cursor="next"),
    messages.AttachSocket: Attached(seq=7, resumed=False, missed=(), resync=False),
}


class ScriptedNode:
    """Answers from a script, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, Message[Any], Caller]] = []
        self.replies: dict[type, Any] = dict(REPLIES)
        self.warm: bytes | None = None

    def ask_nowait(self, user_id: int, message: Message[Any], session: int) -> Any:
        return self.warm

    async def ask(self, user_id: int, message: Message[Any], caller: Caller) -> Any:
        # What cannot be encoded could not reach a node in another process.
        msgspec.msgpack.encode(message)
        self.asked.append((user_id, message, caller))
        reply = self.replies.get(type(message), b"{}")
        if isinstance(reply, Exception):
            raise reply
        if callable(reply):
            reply = reply(user_id, message, caller)
            if asyncio.iscoroutine(reply):
                reply = await reply
        return reply

    @property
    def last(self) -> Message[Any]:
        return self.asked[-1][1]

    def of(self, kind: type) -> list[Any]:
        return [message for _, message, _ in self.asked if isinstance(message, kind)]


class ScriptedNames:
    def __init__(self) -> None:
        self.names: dict[str, int] = {"bob": OTHER}
        self.claims: dict[str, int] = {}

    async def claim(self, username: str, user_id: int, ttl_ms: int) -> bool:
        if username in self.names or username in self.claims:
            return False
        self.claims[username] = user_id
        return True

    async def confirm(self, username: str, user_id: int) -> None:
        self.names[username] = self.claims.pop(username)

    async def lookup(self, username: str) -> int | None:
        return self.names.get(username)

    async def release(self, username: str, user_id: int) -> None:
        self.claims.pop(username, None)


class Allowed(msgspec.Struct):
    name: str
    min_bytes: int
    max_bytes: int
    content_type: str


class ScriptedPolicies:
    allowed = Allowed("quarantine/5005", 10, 10, "video/mp4")

    def sign(self, ticket: UploadTicket) -> UploadWay:
        return UploadWay(
            method=ticket.method,
            url="http://store/upload",
            max_bytes=ticket.size_bytes,
            expires_at="2026-01-01T00:00:00.000Z",
        )

    def verify_post(self, fields: Any) -> Any:
        if fields.get("policy") != "good":
            raise Forbidden
        return self.allowed

    def verify_put(self, headers: Any, name: str, query: Any) -> Any:
        if query.get("signature") != "good" or name != self.allowed.name:
            raise Forbidden
        return self.allowed


class MemoryWriter:
    def __init__(self, blobs: "MemoryBlobs", name: str, max_bytes: int) -> None:
        self.blobs, self.name, self.max_bytes = blobs, name, max_bytes
        self.data = bytearray()
        blobs.open_writers += 1
        self.over = False

    async def write(self, data: bytes) -> None:
        if len(self.data) + len(data) > self.max_bytes:
            raise TooLarge
        self.data += data

    async def commit(self, name: str | None = None) -> None:
        self.blobs.blobs[name or self.name] = bytes(self.data)
        await self.abort()

    async def abort(self) -> None:
        if not self.over:
            self.over = True
            self.blobs.open_writers -= 1


class MemoryReader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size_bytes = len(data)

    async def chunks(self, first: int, length: int) -> AsyncIterator[bytes]:
        for start in range(first, first + length, 7):
            yield self.data[start : min(start + 7, first + length)]

    async def close(self) -> None:
        pass


class MemoryBlobs:
    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.open_writers = 0

    async def create(self, name: str, *, max_bytes: int, content_type: str) -> MemoryWriter:
        return MemoryWriter(self, name, max_bytes)

    async def open_read(self, name: str) -> MemoryReader | None:
        return MemoryReader(self.blobs[name]) if name in self.blobs else None

    async def stat(self, name: str) -> MemoryReader | None:
        return await self.open_read(name)


async def encode_avatar(data: bytes) -> bytes:
    if not data.startswith(b"picture"):
        raise InvalidRequest("no picture")
    return b"jpeg:" + data


@dataclass(slots=True, kw_only=True)
class Gateway:
    """A serving gateway and everything around it."""

    url: str
    address: tuple[str, int]
    server: GatewayServer
    edge: Edge
    node: ScriptedNode
    names: ScriptedNames
    blobs: MemoryBlobs
    sockets: SocketRegistry
    links: MediaLinks
    client: aiohttp.ClientSession
    alarms: list[BaseException]
    checks: dict[str, Callable[[], Any]]
    #: An aiohttp websocket that nobody holds is closed by the garbage collector, with a warning.
    kept: list[aiohttp.ClientWebSocketResponse] = field(default_factory=list)

    def bearer(self, user_id: int = ME, session: int = SESSION) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.edge.access.sign(user_id, session)}"}

    async def call(
        self, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any
    ) -> tuple[int, Any, Any]:
        """Status, parsed body and headers of a call with the first user's token."""
        sent = {**self.bearer(), **(headers or {})}
        async with self.client.request(method, self.url + path, headers=sent, **more) as answer:
            raw = await answer.read()
            parsed = msgspec.json.decode(raw) if raw and "json" in answer.content_type else raw
            return answer.status, parsed, answer.headers

    async def connect(self, **more: Any) -> aiohttp.ClientWebSocketResponse:
        headers = more.pop("headers", self.bearer())
        socket: aiohttp.ClientWebSocketResponse = await self.client.ws_connect(
            self.url + "/ws", headers=headers, **more
        )
        self.kept.append(socket)
        return socket


@asynccontextmanager
async def serving(
    settings: GatewaySettings = QUICK, *, keys: SigningKeys = KEYS, **more: Any
) -> AsyncIterator[Gateway]:
    alarms: list[BaseException] = []
    tasks = TaskSet(lambda name, error: alarms.append(error))
    clock = more.pop("clock", SystemClock())
    node: Any = more.pop("node", None) or ScriptedNode()
    names, blobs = ScriptedNames(), MemoryBlobs()
    # An empty registry is false.
    sockets = more.pop("sockets", None)
    if sockets is None:
        sockets = SocketRegistry(settings, clock, random.Random(1))
    links = MediaLinks("http://media", b"k" * 32)
    checks: dict[str, Any] = {}
    deps = GatewayDeps(
        settings=settings,
        node=node,
        names=names,
        ids=IdMint(1, clock),
        keys=keys,
        policies=ScriptedPolicies(),
        links=links,
        encode_avatar=encode_avatar,
        sockets=sockets,
        clock=clock,
        tasks=tasks,
        random=random.Random(),
        blobs=more.pop("blobs", blobs),
        serves_store=True,
        checks=checks,
        **more,
    )
    app = create_app(deps)
    sock = socket.create_server(("127.0.0.1", 0))
    async with (
        open_server(app, sock, settings) as server,
        aiohttp.ClientSession(auto_decompress=False) as client,
    ):
        host, port = server.address
        yield Gateway(
            url=f"http://{host}:{port}",
            address=(host, port),
            server=server,
            edge=app.ctx.edge,
            node=node,
            names=names,
            blobs=blobs,
            sockets=sockets,
            links=links,
            client=client,
            alarms=alarms,
            checks=checks,
        )
    await tasks.close()
    assert not alarms


async def until(condition: Callable[[], Any]) -> None:
    """Wait for what another task does soon."""
    async with asyncio.timeout(3):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.005)
