"""Feeds, the hot path: no JSON is read or built, and with a warm actor nothing is awaited.

What repeats from request to request is remembered: the verified `Authorization` header, and the parsed form of query
strings without a cursor (there are few). The handler is a plain function, so that an answer at hand costs no task
switch; only when the actor must be waited for does it return something to await.
"""

from collections.abc import Coroutine
from typing import Any

from sanic import Request
from sanic.response import HTTPResponse

from actors.answers import Feed, RenewedVideos
from actors.messages import GetFeed, GetVideos
from gateway.answer import JSON, PRIVATE, Answer
from gateway.bounded import BoundedTable
from gateway.edge import Edge
from gateway.queries import FeedQuery, IdsQuery, read_query, split_ids
from gateway.route import Call, Route, asks
from gateway.tokens import Principal
from sharding.errors import Forbidden, Gone, InvalidCursor

#: A parsed query, and whom it names as the one who asks.
_Parsed = tuple[GetFeed, int | None]


class FeedHandler:
    """Serves GET /feed."""

    __slots__ = ("_ask_nowait", "_edge", "_monotonic", "_principal", "_queries", "_seen", "_spend")

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._monotonic = edge.clock.monotonic
        self._principal = edge.access.principal
        self._spend = edge.requests.spend
        self._ask_nowait = edge.node.ask_nowait
        self._seen = edge.deps.metrics.request
        self._queries: BoundedTable[bytes, _Parsed] = BoundedTable(edge.settings.parsed_queries)

    def __call__(self, request: Request) -> HTTPResponse | Coroutine[Any, Any, HTTPResponse]:
        """The page at once, or something to await for it."""
        started = self._monotonic()
        header = request.headers.getone
        request_id = self._edge.request_id(header("x-request-id", None))
        who: Principal | None = None
        try:
            self._edge.check_client(header("x-client", None))
            who = self._principal(header("authorization", None))
            self._spend(who.user_id)
            message = self._message(request._parsed_url.query or b"", who)
            page = self._ask_nowait(who.user_id, message, who.session)
        except Exception as cause:
            return self._refuse(cause, request, request_id, started, who)
        if page is None:
            return self._wait(request, who, message, request_id, started)
        return self._answer(page, request, request_id, started)

    async def _wait(
        self, request: Request, who: Principal, message: GetFeed, request_id: str, started: float
    ) -> HTTPResponse:
        caller = self._edge.caller(request_id, session=who.session)
        try:
            page = await self._edge.node.ask(who.user_id, message, caller)
        except Exception as cause:
            return self._refuse(cause, request, request_id, started, who)
        return self._answer(page, request, request_id, started)

    def _answer(self, page: bytes, request: Request, request_id: str, started: float) -> Answer:
        self._seen("GET /feed", 200, self._monotonic() - started)
        cors = self._edge.cors(request.headers.getone("origin", None))
        return Answer(page, fixed=(JSON, PRIVATE, (b"x-request-id", request_id.encode()), *cors))

    def _refuse(
        self,
        cause: Exception,
        request: Request,
        request_id: str,
        started: float,
        who: Principal | None,
    ) -> Answer:
        answer = self._edge.refusal(
            cause,
            route="GET /feed",
            request_id=request_id,
            user_id=who.user_id if who is not None else None,
        )
        self._seen("GET /feed", answer.status, self._monotonic() - started)
        return self._edge.finish(answer, request_id, request.headers.getone("origin", None))

    def _message(self, raw: bytes, who: Principal) -> GetFeed:
        parsed = self._queries.get(raw)
        if parsed is None:
            query = read_query(raw, FeedQuery, max_fields=self._edge.settings.max_query_fields)
            message = GetFeed(tab=query.tab, cursor=query.cursor, limit=query.limit)
            parsed = message, query.user_id
            # Each cursor is asked for a few times at most, and would push out what is asked for always.
            if query.cursor is None and len(raw) < 128:
                self._queries.put(raw, parsed)
        message, named = parsed
        if named is not None and named != who.user_id:
            raise Forbidden("Nobody can read somebody else's feed.")
        return message

    def __repr__(self) -> str:
        return f"<FeedHandler queries={self._queries!r}>"


async def feed(call: Call) -> Answer:
    """The same without the shortcuts: what the table of routes documents."""
    query = call.query(FeedQuery)
    call.acting(query.user_id)
    message = GetFeed(tab=query.tab, cursor=query.cursor, limit=query.limit)
    return call.json(await call.ask(message))


def _renew(call: Call) -> GetVideos:
    ids, unknown = split_ids(call.query(IdsQuery).ids)
    return GetVideos(video_ids=ids, unknown=unknown)


ROUTES = (
    Route(
        method="GET",
        path="/feed",
        summary="A page of a feed",
        handle=feed,
        query=FeedQuery,
        answer=Feed,
        refuses=(InvalidCursor, Forbidden, Gone),
    ),
    Route(
        method="GET",
        path="/videos",
        summary="Several videos, for renewing a cached feed",
        handle=asks(_renew),
        query=IdsQuery,
        answer=RenewedVideos,
    ),
)
