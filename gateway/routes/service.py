"""What tells whether the service lives, and what it offers."""

import asyncio

import msgspec
import orjson

from gateway.answer import Answer
from gateway.route import Call, Route


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Alive."""

    status: str


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether it can serve, and what each dependency says."""

    ready: bool
    checks: dict[str, bool]


async def healthz(call: Call) -> Answer:
    """The loop turns."""
    return call.json(b'{"status":"ok"}')


async def readyz(call: Call) -> Answer:
    """Whether to send requests here: every dependency answers, and nobody is draining us."""
    deps = call.edge.deps
    answers = await asyncio.gather(*(_holds(call, name) for name in deps.checks))
    checks = dict(zip(deps.checks, answers, strict=True))
    ready = all(answers) and not call.edge.draining
    answer = call.json(orjson.dumps({"ready": ready, "checks": checks}))
    answer.status = 200 if ready else 503
    return answer


async def _holds(call: Call, name: str) -> bool:
    try:
        async with asyncio.timeout(call.edge.settings.check_timeout_s):
            return await call.edge.deps.checks[name]()
    except Exception:
        return False


async def openapi(call: Call) -> Answer:
    """The calls over HTTP, as OpenAPI 3.1."""
    return _public(call, call.edge.openapi)


async def asyncapi(call: Call) -> Answer:
    """The websocket, as AsyncAPI 3.0."""
    return _public(call, call.edge.asyncapi)


def _public(call: Call, body: bytes) -> Answer:
    answer = call.json(body)
    answer.fixed += ((b"cache-control", b"public, max-age=300"),)
    return answer


ROUTES = (
    Route(
        method="GET",
        path="/healthz",
        summary="Whether the process lives",
        handle=healthz,
        answer=Health,
        public=True,
        counted=False,
    ),
    Route(
        method="GET",
        path="/readyz",
        summary="Whether it can serve, per dependency",
        handle=readyz,
        answer=Readiness,
        public=True,
        counted=False,
    ),
    Route(
        method="GET",
        path="/openapi.json",
        summary="The calls over HTTP",
        handle=openapi,
        public=True,
    ),
    Route(
        method="GET",
        path="/asyncapi.json",
        summary="The websocket",
        handle=asyncapi,
        public=True,
    ),
)
