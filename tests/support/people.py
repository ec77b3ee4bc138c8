"""People for tests: their app, their websocket, and the manners that every answer must have.

Whatever is asked here, each refusal is held against API.md on the way: a problem document, a code of the
list under its status, the request's id, and `executed` only where it says false. So every test of the whole
product also tests that.
"""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import orjson

from tests.support.codes import CODES
from tests.support.product import eventually

MEMBERS = {
    "type",
    "title",
    "status",
    "code",
    "detail",
    "request_id",
    "errors",
    "retry_after_s",
    "executed",
}
REQUEST_ID = re.compile(r"[!-~]{1,128}")
PASSWORD = "a long enough password"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, read whole."""

    status: int
    body: Any
    headers: dict[str, str]
    raw: bytes

    @property
    def code(self) -> str:
        return str(self.body.get("code", "")) if isinstance(self.body, dict) else ""

    def __repr__(self) -> str:
        return f"<Reply {self.status} {self.raw[:300]!r}>"


def complaint_about(status: int, headers: dict[str, str], raw: bytes) -> str | None:
    """What API.md has against an answer, None when it has nothing."""
    if "X-Request-Id" not in headers:
        return "no X-Request-Id"
    if status < 400:
        return None
    if headers.get("Content-Type") != "application/problem+json":
        return f"a problem of type {headers.get('Content-Type')}"
    problem = orjson.loads(raw)
    if unknown := set(problem) - MEMBERS:
        return f"unknown members {unknown}"
    if lacking := {"type", "title", "status", "code", "detail", "request_id"} - set(problem):
        return f"lacks {lacking}"
    if CODES.get(problem["code"]) != status or problem["status"] != status:
        return f"code {problem['code']} with status {status}"
    if not REQUEST_ID.fullmatch(problem["request_id"]):
        return f"request_id {problem['request_id']!r}"
    if problem["request_id"] != headers["X-Request-Id"]:
        return "two request ids"
    if problem.get("executed", False) is not False:
        return "executed says something else than false"
    if status in (429, 503) and ("Retry-After" not in headers or "retry_after_s" not in problem):
        return "says not when to come back"
    return None


class People:
    """Everybody who uses one product; counts them so that names are free."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http = http
        self.url = url
        self._numbers = itertools.count(1)

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: dict[str, str] | None = None,
        data: Any = None,
        well_mannered: bool = True,
    ) -> Reply:
        """One answer, held against API.md."""
        url = path if path.startswith("http") else self.url + path
        async with self.http.request(
            method, url, json=body, data=data, headers=headers or {}, allow_redirects=False
        ) as response:
            raw = await response.read()
            names = {
                name: response.headers[name]
                for name in ("X-Request-Id", "Content-Type", "Retry-After", "Cache-Control")
                if name in response.headers
            }
            if well_mannered:
                complaint = complaint_about(response.status, names, raw)
                assert complaint is None, f"{method} {path}: {complaint}: {raw[:400]!r}"
            parsed = orjson.loads(raw) if raw and "json" in response.content_type else None
            return Reply(status=response.status, body=parsed, headers=names, raw=raw)

    async def join(self, name: str = "person") -> "Person":
        """Somebody new."""
        person = Person(self, f"{name}_{next(self._numbers)}")
        answer = await self.ask("POST", "/auth/register", person.credentials)
        assert answer.status == 201, answer
        person.take(answer)
        return person


@dataclass(slots=True)
class Person:
    """Somebody with an account."""

    people: People
    name: str
    user_id: str = ""
    access: str = ""
    refresh: str = ""
    password: str = PASSWORD

    @property
    def credentials(self) -> dict[str, str]:
        return {"username": self.name, "password": self.password}

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"}

    def take(self, answer: Reply) -> None:
        """Go on with these tokens."""
        self.access, self.refresh = answer.body["access_token"], answer.body["refresh_token"]
        if "user" in answer.body:
            self.user_id = answer.body["user"]["user_id"]

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        key: str | None = None,
        data: Any = None,
    ) -> Reply:
        """One answer to this person."""
        headers = self.bearer | ({"Idempotency-Key": key} if key else {})
        return await self.people.ask(method, path, body, headers=headers, data=data)

    async def call(
        self, method: str, path: str, body: object = None, *, key: str | None = None
    ) -> Any:
        """The body of an answer that must be a success."""
        answer = await self.ask(method, path, body, key=key)
        assert answer.status < 300, f"{method} {path}: {answer}"
        return answer.body

    async def sign_in(self) -> "Person":
        """The same person on another device."""
        device = Person(self.people, self.name, password=self.password)
        answer = await self.people.ask("POST", "/auth/login", self.credentials)
        assert answer.status == 200, answer
        device.take(answer)
        return device

    async def ids(self, path: str, *, limit: int = 10, key: str = "video_id") -> list[str]:
        """The ids of a whole list, page by page."""
        return [each[key] for each in await self.items(path, limit=limit)]

    async def items(self, path: str, *, limit: int = 10) -> list[dict[str, Any]]:
        """A whole list, page by page."""
        items: list[dict[str, Any]] = []
        cursor: str | None = ""
        joint = "&" if "?" in path else "?"
        for _ in range(200):
            at = f"&cursor={quote(cursor)}" if cursor else ""
            page = await self.call("GET", f"{path}{joint}limit={limit}{at}")
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return items
        raise AssertionError(f"{path} never ends")

    async def upload(self, clip: Path, caption: str = "a clip") -> str:
        """The id of a video that is on its way, sent through the gateway."""
        content = await asyncio.to_thread(clip.read_bytes)
        form = aiohttp.FormData()
        form.add_field("caption", caption)
        form.add_field("file", content, filename="clip.mp4", content_type="video/mp4")
        answer = await self.ask("POST", "/upload/video", data=form)
        assert answer.status == 202, answer
        return str(answer.body["video_id"])

    async def publish(self, clip: Path, caption: str = "a clip") -> str:
        """The id of a video that plays."""
        video_id = await self.upload(clip, caption)
        await self.wait_for(video_id)
        return video_id

    async def wait_for(self, video_id: str, status: str = "ready") -> None:
        """Return once an upload has this status."""

        async def is_there() -> bool:
            now = (await self.call("GET", f"/upload/video/{video_id}"))["status"]
            assert now == status or now not in ("ready", "failed", "deleted"), now
            return bool(now == status)

        await eventually(is_there, within_s=60, what=f"{video_id} to be {status}")

    @asynccontextmanager
    async def socket(
        self, *, resume: int | None = None, ticket: bool = False
    ) -> AsyncIterator["Socket"]:
        """A websocket after its welcome."""
        query, headers = "", self.bearer
        if ticket:
            query = f"?ticket={(await self.call('POST', '/ws/ticket'))['ticket']}"
            headers = {}
        async with self.people.http.ws_connect(
            f"{self.people.url}/ws{query}", headers=headers, autoclose=True
        ) as wire:
            socket = Socket(wire)
            await socket.say({"op": "hello", "resume": resume})
            try:
                socket.welcome = await socket.next(lambda frame: frame["op"] == "welcome")
                yield socket
            finally:
                await socket.leave()


@dataclass(slots=True)
class Socket:
    """One open websocket; keeps what it heard."""

    wire: aiohttp.ClientWebSocketResponse
    welcome: dict[str, Any] = field(default_factory=dict)
    heard: list[dict[str, Any]] = field(default_factory=list)
    #: Frames before this one were looked at.
    _at: int = 0

    async def say(self, frame: dict[str, Any]) -> None:
        await self.wire.send_str(orjson.dumps(frame).decode())

    async def hear(self, within_s: float = 10.0) -> dict[str, Any] | None:
        """The next frame, None when the server has closed."""
        async with asyncio.timeout(within_s):
            message = await self.wire.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            return None
        frame: dict[str, Any] = orjson.loads(message.data)
        self.heard.append(frame)
        return frame

    async def next(self, fits: Any, within_s: float = 10.0) -> dict[str, Any]:
        """The next frame that fits; those between are kept in `heard`."""
        async with asyncio.timeout(within_s):
            while True:
                while self._at < len(self.heard):
                    frame = self.heard[self._at]
                    self._at += 1
                    if fits(frame):
                        return frame
                if await self.hear(within_s) is None:
                    raise AssertionError(f"closed with {self.wire.close_code}: {self.heard}")

    async def event(self, kind: str, within_s: float = 10.0) -> dict[str, Any]:
        """The next event of a type."""
        return await self.next(lambda frame: frame.get("type") == kind, within_s)

    async def command(self, op: str, name: str, **fields: object) -> dict[str, Any]:
        """The answer to a command."""
        await self.say({"op": op, "id": name, **fields})
        return await self.next(lambda frame: frame["op"] in ("ack", "error"))

    async def closed(self, within_s: float) -> int | None:
        """The code that the server closes with."""
        async with asyncio.timeout(within_s):
            while await self.hear(within_s) is not None:
                pass
        return self.wire.close_code

    async def leave(self) -> None:
        """Go away at once."""
        if not self.wire.closed:
            await self.wire.close()


@asynccontextmanager
async def open_people(url: str) -> AsyncIterator[People]:
    """An HTTP client for everybody, on loopback."""
    timeout = aiohttp.ClientTimeout(total=30)
    connector = aiohttp.TCPConnector(limit=64)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as http:
        yield People(http, url)
