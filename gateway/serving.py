"""From a `Route` to a Sanic handler: identify, admit, read, handle, answer; in that order, in one place.

There is no middleware: each would be one more awaited call per request, and the order of several is a riddle.
"""

from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import unquote

from sanic import Request
from sanic.response import HTTPResponse

from gateway.answer import Answer
from gateway.connection import linger_if_unread
from gateway.decoding import media_type, read_body
from gateway.edge import Edge, idempotency_key
from gateway.queries import NoQuery, read_query
from gateway.route import Call, Route
from gateway.streams import read_capped

Handler = Callable[..., Coroutine[Any, Any, HTTPResponse | None]]


def handler_of(edge: Edge, route: Route) -> Handler:
    """The Sanic handler of a route."""
    monotonic = edge.clock.monotonic

    async def handler(request: Request, **path: str) -> HTTPResponse | None:
        started = monotonic()
        headers = request.headers
        request_id = edge.request_id(headers.getone("x-request-id", None))
        call = Call(
            request=request,
            edge=edge,
            route=route,
            request_id=request_id,
            path=path,
        )
        answer: Answer | None
        try:
            await admit(call)
            answer = await route.handle(call)
        except Exception as cause:
            linger_if_unread(request)
            asker = call.principal.user_id if call.principal is not None else None
            answer = edge.refusal(cause, route=route.name, request_id=request_id, user_id=asker)
        edge.deps.metrics.request(
            route.name, answer.status if answer is not None else 200, monotonic() - started
        )
        if answer is None or request.responded:
            return None
        return edge.finish(answer, request_id, headers.getone("origin", None))

    handler.__name__ = route.name
    return handler


async def admit(call: Call) -> None:
    """Read what the route declares and refuse what does not fit.

    Raises:
        KinoraError: of the caller, the rate, or the form of the request.
    """
    edge, route, request = call.edge, call.route, call.request
    headers = request.headers
    edge.check_client(headers.getone("x-client", None))
    if route.public:
        if route.counted:
            edge.anonymous.spend(edge.address(request))
    else:
        call.principal = edge.access.principal(headers.getone("authorization", None))
        edge.requests.spend(call.principal.user_id)
    if route.keyed:
        call.key = idempotency_key(headers.getone("idempotency-key", None))
    if route.query is not NoQuery:
        call.parsed_query = read_query(
            query_of(request), route.query, max_fields=edge.settings.max_query_fields
        )
    if route.body is not None:
        content_type = headers.getone("content-type", None)
        if route.streams:
            if media_type(content_type) in route.streams:
                return
            call.raw = await read_capped(request, edge.settings.max_body_bytes)
        else:
            call.raw = request.body
        call.parsed_body = read_body(call.raw, content_type, route.body)
    if "user_id" in call.path:
        call.person = await edge.person(call.who, unquote(call.path["user_id"]))


def query_of(request: Request) -> bytes:
    """The raw query string."""
    return request._parsed_url.query or b""
