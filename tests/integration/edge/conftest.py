"""A real nginx with our configuration, before a store that counts what it is asked."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from actors.media_links import EdgeLinks
from actors.ports.clock import SystemClock
from ops.edge.nginx import HEALTH_PATH, nginx_config
from ops.edge.settings import EdgeSettings
from storage.minio.layout import edge_referer

EDGE_KEY = "e" * 32
BUCKET = "test-media"


class Origin:
    """Looks like an S3 server to nginx: one bucket, ranges, ETags; and can be slow, wrong and absent."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.asked: Counter[tuple[str, str]] = Counter()
        self.seen: list[dict[str, str]] = []
        #: Answers wait while it is clear.
        self.open = asyncio.Event()
        self.open.set()
        self.status = 0
        self.address = ""
        self._runner: web.AppRunner | None = None

    async def start(self, port: int) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.address = f"127.0.0.1:{port}"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.Request) -> web.Response:
        bucket, _, name = request.path.lstrip("/").partition("/")
        spoken = request.headers.get("Range", "")
        self.asked[name, spoken] += 1
        self.seen.append({"url": str(request.rel_url), **request.headers})
        await self.open.wait()
        if self.status:
            return web.Response(status=self.status, text="<Error>of the store</Error>")
        if request.headers.get("Referer") != edge_referer(EDGE_KEY) or bucket != BUCKET:
            return web.Response(status=403, text="<Error><Code>AccessDenied</Code></Error>")
        if name not in self.objects:
            return web.Response(status=404, text="<Error><Code>NoSuchKey</Code></Error>")
        data = self.objects[name]
        first, last = map(int, spoken.removeprefix("bytes=").split("-"))
        if first >= len(data):
            return web.Response(status=416, text="<Error><Code>InvalidRange</Code></Error>")
        last = min(last, len(data) - 1)
        headers = {
            "Content-Range": f"bytes {first}-{last}/{len(data)}",
            "ETag": '"abc"',
            "Vary": "Origin",
            "X-Amz-Request-Id": "1",
            "Content-Type": "video/mp4",
        }
        return web.Response(status=206, body=data[first : last + 1], headers=headers)


class Edge:
    """An edge, and a viewer of it."""

    def __init__(self, running, origin, session, settings, port) -> None:
        self.running = running
        self.origin = origin
        self.session = session
        self.settings = settings
        self.url = f"http://127.0.0.1:{port}"
        self.links = EdgeLinks(f"{self.url}/media", b"k" * 32)
        self.clock = SystemClock()

    def sign(self, name: str, *, expires_ms: int | None = None) -> str:
        first, second, rest = name.split("/", 2)
        expires_ms = expires_ms or self.links.expiry_ms(self.clock.unix_ms())
        return self.links.base(f"{first}/{second}/", expires_ms=expires_ms) + rest

    async def ask(self, url: str, method: str = "GET", **headers: str):
        """Status, headers and body."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, url, headers=sent) as answer:
            return answer.status, answer.headers, await answer.read()

    async def see(self, name: str, **headers: str):
        return await self.ask(self.sign(name), **headers)


@asynccontextmanager
async def opened_edge(engines, origin, settings, bucket=BUCKET, edge_key=EDGE_KEY):
    links = EdgeLinks("", b"k" * 32)
    ports = []

    def config(found, port):
        ports.append(port)
        return nginx_config(
            settings,
            listen=f"127.0.0.1:{port}",
            origin=origin.address,
            bucket=bucket,
            link_secret=links.secret,
            edge_key=edge_key,
        )

    with engines.own_nginx(config, ready_path=HEALTH_PATH) as running:
        # No connection is used twice, so that none outlives a test of time.
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            yield Edge(running, origin, session, settings, ports[0])


async def seen(edge, name):
    """What is there, once its absence is no longer believed."""
    async with asyncio.timeout(5):
        while (answer := await edge.see(name))[0] == 404:
            continue
    return answer


@pytest.fixture
def edge_settings(tmp_path):
    return EdgeSettings(
        cache_folder=str(tmp_path / "cache"),
        cache_mib=64,
        cache_min_free_mib=1,
        cache_index_mib=1,
        workers=1,
        worker_connections=512,
        origin_timeout_s=2,
        lock_timeout_s=5,
    )


@pytest.fixture
async def origin(engines):
    origin = Origin()
    (port,) = engines.free_ports(1)
    await origin.start(port)
    yield origin
    origin.open.set()
    await origin.stop()


@pytest.fixture
async def edge(engines, origin, edge_settings):
    async with opened_edge(engines, origin, edge_settings) as edge:
        yield edge
