"""The application: the table of routes on a Sanic that answers every failure with a problem of ours."""

import asyncio
import re
from collections.abc import Iterable
from typing import Any

import orjson
from sanic import Request, Sanic
from sanic.exceptions import RequestCancelled
from sanic.handlers import ErrorHandler
from sanic.http import Http
from sanic.response import HTTPResponse

from gateway.answer import Answer, Pairs
from gateway.asyncapi import asyncapi
from gateway.connection import linger_if_unread
from gateway.deps import GatewayDeps
from gateway.edge import Edge
from gateway.errors import problem
from gateway.openapi import openapi
from gateway.route import Route
from gateway.routes import ROUTES
from gateway.routes.feed import FeedHandler
from gateway.routes.sockets import socket_handler
from gateway.routes.store import ROUTES as STORE_ROUTES
from gateway.serving import handler_of
from gateway.settings import GatewaySettings
from sharding.errors import Unavailable

TITLE = "Kinora"
VERSION = "1"


class Problems(ErrorHandler):
    """Whatever is raised before or beside our handlers, as a problem."""

    def __init__(self, edge: Edge) -> None:
        super().__init__()
        self._edge = edge

    def default(self, request: Request, exception: Exception) -> HTTPResponse:
        """The one sink of Sanic's own errors: unknown paths, wrong methods, malformed requests."""
        linger_if_unread(request)
        header = request.headers.getone
        request_id = self._edge.request_id(header("x-request-id", None))
        if isinstance(exception, RequestCancelled | asyncio.CancelledError):
            # Nobody is there to read it, and it is nobody's fault.
            return Answer(problem(Unavailable(), request_id), status=503)
        answer = self._edge.refusal(exception, route="-", request_id=request_id)
        if answer.status == 405:
            answer.fixed += self._edge.allowed(request.path)
        self._edge.deps.metrics.request("-", answer.status, 0.0)
        return self._edge.finish(answer, request_id, header("origin", None))


def create_app(deps: GatewayDeps) -> Sanic[Any, Any]:
    """A Sanic application over `deps`, not yet listening; `gateway.server.open_server` runs it."""
    edge = Edge(deps)
    # Sanic keeps all apps of a process by name, for ever; each of ours is another one.
    name = f"kinora-{deps.random.getrandbits(64):016x}"
    app: Sanic[Any, Any] = Sanic(
        name,
        error_handler=Problems(edge),
        configure_logging=False,
        dumps=orjson.dumps,
        loads=orjson.loads,
    )
    app.ctx.edge = edge
    _configure(app, deps.settings)
    table = (*ROUTES, *(STORE_ROUTES if deps.serves_store else ()))
    edge.openapi = openapi(table, title=TITLE, version=VERSION)
    edge.asyncapi = asyncapi(title=TITLE, version=VERSION)
    _register(app, edge, table)
    app.register_listener(_watch_sockets(deps), "after_server_start")
    return app


def _configure(app: Sanic[Any, Any], settings: GatewaySettings) -> None:
    app.config.update(
        {
            "AUTO_EXTEND": False,
            "TOUCHUP": not _is_touched_up(),
            "MOTD": False,
            "ACCESS_LOG": False,
            "REQUEST_MAX_SIZE": settings.max_body_bytes,
            "REQUEST_MAX_HEADER_SIZE": settings.max_header_bytes,
            "REQUEST_TIMEOUT": int(settings.call_timeout_s * 3),
            # Ours answers first; this is for handlers that are stuck beyond it.
            "RESPONSE_TIMEOUT": int(settings.call_timeout_s * 3),
            "KEEP_ALIVE_TIMEOUT": settings.keep_alive_s,
        }
    )


def _is_touched_up() -> bool:
    """Whether an app of this process has compiled its unused signals out of Sanic's classes.

    Sanic does so once, by rewriting the source of its own methods; a second time it finds no source and fails.
    """
    return Http.read.__code__.co_filename == "read"


def _register(app: Sanic[Any, Any], edge: Edge, table: Iterable[Route]) -> None:
    """Give every route its handler, GET its HEAD, and every path its OPTIONS."""
    handlers: dict[str, dict[str, Any]] = {}
    for route in table:
        by_method = handlers.setdefault(route.path, {})
        by_method[route.method] = (handler_of(edge, route), bool(route.streams))
    handlers["/feed"]["GET"] = (FeedHandler(edge), False)
    handlers["/ws"] = {"GET": (socket_handler(edge), False)}
    # Fixed steps come before those that vary, as they do in Sanic's router.
    for path, by_method in sorted(handlers.items(), key=lambda each: each[0].count("{")):
        methods = {"OPTIONS", *by_method, *(("HEAD",) if "GET" in by_method else ())}
        edge.methods.append((_pattern(path), frozenset(methods)))
        by_method["OPTIONS"] = (_options(edge), False)
        for method, (handler, streams) in by_method.items():
            app.add_route(
                handler,
                path.replace("{", "<").replace("}", ">"),
                methods=["GET", "HEAD"] if method == "GET" else [method],
                name=f"{method} {path}",
                stream=streams,
                # Else Sanic parses the source of each handler to guess it.
                error_format="json",
            )


def _pattern(path: str) -> re.Pattern[str]:
    """Matches the paths that a route's path stands for."""
    steps = re.split(r"\{\w+(:path)?\}", path)
    # Split keeps what the group caught: text, `:path` or None, text, and so on.
    parts = [re.escape(steps[0])]
    for kind, text in zip(steps[1::2], steps[2::2], strict=True):
        parts += [".+" if kind else "[^/]+", re.escape(text)]
    return re.compile("".join(parts) + "/?")


def _options(edge: Edge) -> Any:
    """The handler of OPTIONS: what a path takes, and for pages of allowed origins that they may."""
    preflight: Pairs = (
        (
            b"access-control-allow-headers",
            b"Authorization, Content-Type, Idempotency-Key, Range, X-Client, X-Request-Id",
        ),
        (b"access-control-max-age", b"600"),
    )

    async def options(request: Request, **path: str) -> HTTPResponse:
        header = request.headers.getone
        request_id = edge.request_id(header("x-request-id", None))
        allow = edge.allowed(request.path)
        answer = Answer(b"", status=204, fixed=allow)
        if edge.cors(header("origin", None))[1:]:
            methods = tuple((b"access-control-allow-methods", value) for _, value in allow)
            answer.fixed += methods + preflight
        return edge.finish(answer, request_id, header("origin", None))

    return options


def _watch_sockets(deps: GatewayDeps) -> Any:
    async def start(app: Sanic[Any, Any]) -> None:
        deps.tasks.spawn(deps.sockets.watch(), name="watch sockets")

    return start
