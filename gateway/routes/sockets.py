"""How a websocket is opened."""

import msgspec
import orjson
from sanic import Request

from gateway.answer import Answer
from gateway.bodies import NoBody
from gateway.dialogue import Dialogue
from gateway.edge import Edge
from gateway.queries import TicketQuery, read_query
from gateway.route import Call, Route
from gateway.serving import Handler, query_of
from gateway.websocket import upgrade
from sharding.errors import Forbidden, InvalidRequest, Overloaded


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """Opens one websocket; for clients that cannot send headers with it."""

    ticket: str
    expires_in: int


async def make_ticket(call: Call) -> Answer:
    """A ticket for the caller's session."""
    edge = call.edge
    ticket = edge.tickets.make(call.who, edge.deps.ids.mint())
    return call.json(orjson.dumps({"ticket": ticket, "expires_in": edge.settings.ticket_s}))


def socket_handler(edge: Edge) -> Handler:
    """The handler of GET /ws."""

    async def ws(request: Request) -> Answer | None:
        started = edge.clock.monotonic()
        header = request.headers.getone
        request_id = edge.request_id(header("x-request-id", None))
        answer: Answer | None = None
        try:
            await _open(edge, request, request_id)
        except Exception as cause:
            answer = edge.refusal(cause, route="GET /ws", request_id=request_id)
            edge.finish(answer, request_id, header("origin", None))
        status = answer.status if answer is not None else 101
        edge.deps.metrics.request("GET /ws", status, edge.clock.monotonic() - started)
        return answer

    # Tells Sanic that a handler without an answer is meant.
    ws.is_websocket = True  # type: ignore[attr-defined]
    return ws


async def _open(edge: Edge, request: Request, request_id: str) -> None:
    header = request.headers.getone
    edge.check_client(header("x-client", None))
    edge.anonymous.spend(edge.address(request))
    if (header("upgrade", None) or "").lower() != "websocket":
        raise InvalidRequest("This is no websocket handshake.")
    if not edge.may_connect(header("origin", None), header("host", None)):
        raise Forbidden("Pages of this origin may not connect.")
    edge.deps.sockets.check_room()
    if edge.draining:
        raise Overloaded("This process is leaving.")
    query = read_query(query_of(request), TicketQuery)
    if query.ticket is not None:
        who = edge.tickets.use(query.ticket)
    else:
        who = edge.access.principal(header("authorization", None))
    socket = upgrade(request, edge.settings)
    sockets = edge.deps.sockets
    connection = sockets.add(sockets.new_id(), who.user_id, socket)
    if connection is not None:
        await Dialogue(edge, connection, who, request_id).run()


ROUTES = (
    Route(
        method="POST",
        path="/ws/ticket",
        summary="A ticket for opening a websocket",
        handle=make_ticket,
        body=NoBody,
        answer=Ticket,
    ),
)
