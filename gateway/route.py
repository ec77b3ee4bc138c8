"""One call of the API as a value: what it takes, what it answers, who may make it.

The table of these values is what handlers, `/openapi.json` and the tests are made from, so they cannot disagree.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TypeVar
from urllib.parse import unquote

import msgspec
from sanic import Request

from actors.messages import Message
from gateway.answer import JSON, Answer, empty
from gateway.bodies import Body
from gateway.edge import Edge
from gateway.queries import NoQuery, Query
from gateway.tokens import Principal
from sharding.errors import FieldError, Forbidden, InvalidRequest, KinoraError, NotFound
from sharding.ids import parse_id

B = TypeVar("B", bound=Body)
Q = TypeVar("Q", bound=Query)
R = TypeVar("R")


@dataclass(slots=True, kw_only=True)
class Call:
    """One request on its way through a handler."""

    request: Request
    edge: Edge
    route: "Route"
    request_id: str
    #: Raw steps of the path, by their names in the route.
    path: dict[str, str]
    #: None for calls that are open to everyone.
    principal: Principal | None = None
    #: Whom `{user_id}` in the path means.
    person: int = 0
    key: str | None = None
    raw: bytes = b""
    parsed_body: Body | None = None
    parsed_query: Query = field(default_factory=NoQuery)

    @property
    def who(self) -> Principal:
        """Whoever makes the call, on routes that need a token."""
        assert self.principal is not None
        return self.principal

    def id(self, name: str) -> int:
        """An id in the path.

        Raises:
            NotFound: nothing can have such an id.
        """
        number = parse_id(unquote(self.path[name]))
        if number is None:
            raise NotFound
        return number

    def body(self, kind: type[B]) -> B:
        """The body; `kind` is the route's."""
        assert isinstance(self.parsed_body, kind)
        return self.parsed_body

    def query(self, kind: type[Q]) -> Q:
        """The query; `kind` is the route's."""
        assert isinstance(self.parsed_query, kind)
        return self.parsed_query

    def acting(self, named: int | None) -> None:
        """Hold a named actor against the token.

        Raises:
            Forbidden: it names someone else.
        """
        if named is not None and named != self.who.user_id:
            raise Forbidden("Nobody can act for somebody else.")

    async def ask(
        self,
        message: Message[R],
        *,
        user_id: int | None = None,
        step: str = "",
        digest: bytes = b"",
    ) -> R:
        """The answer of the caller's actor, or of `user_id`'s for what is open.

        `step` tells the commands of one call apart; `digest` stands for the body where it is not `raw`.
        """
        session = self.principal.session if self.principal else 0
        user_id = self.who.user_id if user_id is None else user_id
        op = None
        if self.key is not None and message.COMMAND:
            path = self.route.path.format_map(
                {name: unquote(value) for name, value in self.path.items()}
            )
            op = (str(user_id), self.route.method, path, self.key, step)
            digest = digest or blake2b(self.raw, digest_size=16).digest()
        caller = self.edge.caller(
            self.request_id, session=session, command=message.COMMAND, op=op, digest=digest
        )
        return await self.edge.node.ask(user_id, message, caller)

    def json(self, body: bytes) -> Answer:
        """Finished JSON, with the status of the route."""
        return Answer(body, status=self.route.status, fixed=(JSON,))


#: None when the handler has sent its answer itself.
Handle = Callable[[Call], Awaitable[Answer | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One call. Paths are written as OpenAPI writes them: `/video/{video_id}`."""

    method: str
    path: str
    summary: str
    handle: Handle
    #: Shape of the JSON body; None where none is looked at.
    body: type[Body] | None = None
    query: type[Query] = NoQuery
    #: Shape of the answer's JSON; None for an answer without a body.
    answer: type[msgspec.Struct] | None = None
    status: int = 200
    #: Whether it is for everyone, without a token.
    public: bool = False
    #: Whether it takes an Idempotency-Key.
    keyed: bool = False
    #: Content types that the handler reads from the stream itself, beside a JSON `body`.
    streams: tuple[str, ...] = ()
    #: Content type of an answer that is no JSON of ours.
    media: str = "application/json"
    #: What it may refuse with, beyond what every call may.
    refuses: tuple[type[KinoraError], ...] = ()
    #: Whether it counts against what its caller may ask for.
    counted: bool = True
    #: False for what is served but is no part of the contract with clients.
    documented: bool = True

    @property
    def name(self) -> str:
        """What logs and metrics call it."""
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the steps of the path that vary."""
        return tuple(each[1:-1] for each in self.path.split("/") if each.startswith("{"))

    def __repr__(self) -> str:
        return f"<Route {self.name}>"


def asks(build: Callable[[Call], Message[bytes]]) -> Handle:
    """A handler that asks one message and sends the JSON that comes back."""

    async def handle(call: Call) -> Answer:
        return call.json(await call.ask(build(call)))

    return handle


def does(build: Callable[[Call], Message[bytes]]) -> Handle:
    """A handler that asks one message and answers that it is done, without a body."""

    async def handle(call: Call) -> Answer:
        await call.ask(build(call))
        return empty(call.route.status)

    return handle


def wrong_field(name: str, code: str) -> InvalidRequest:
    """The refusal of one field of a body."""
    return InvalidRequest(f"{name}: {code}.", fields=(FieldError(name, code),))
