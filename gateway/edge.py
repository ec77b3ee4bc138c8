"""What all handlers share: who asks, how often they may, and how an error leaves."""

import asyncio
import re
from hashlib import blake2b

from sanic import Request

from actors.messages import Caller
from gateway import errors
from gateway.answer import PRIVATE, Answer, Pairs
from gateway.deps import GatewayDeps
from gateway.fields import USERNAME_PATTERN
from gateway.limits import Limit
from gateway.passwords import Passwords
from gateway.settings import Rate
from gateway.tokens import AccessTokens, Principal, RefreshTokens, Tickets
from sharding.errors import (
    InvalidRequest,
    NotFound,
    RateLimited,
    StorageUnavailable,
    UpgradeRequired,
)
from sharding.ids import parse_id

#: Of an Idempotency-Key: 1 to 64 printable characters, no space at either end.
KEY_PATTERN = "^[!-~]([ -~]{0,62}[!-~])?$"

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KEY = re.compile(KEY_PATTERN)
_CLIENT = re.compile(r"([\w.-]{1,64})/(\d{1,6}(?:\.\d{1,6}){0,3})(?![\d.])")
_USERNAME = re.compile(USERNAME_PATTERN)
_PROBLEM = (b"content-type", errors.PROBLEM.encode())


class Edge:
    """The collaborators of one gateway, and the state that requests share."""

    def __init__(self, deps: GatewayDeps) -> None:
        self.deps = deps
        self.settings = settings = deps.settings
        self.clock = deps.clock
        self.node = deps.node
        self.access = AccessTokens(deps.keys, settings, deps.clock)
        self.refresh = RefreshTokens(deps.keys)
        self.tickets = Tickets(deps.keys, settings, deps.clock)
        self.passwords = Passwords(threads=settings.hashing_threads, queue=settings.hashing_queue)
        self.requests: Limit[int] = self._limit("requests", settings.requests_per_principal)
        self.anonymous: Limit[str] = self._limit("requests", settings.requests_per_address)
        self.registrations: Limit[str] = self._limit(
            "registrations", settings.registrations_per_address
        )
        self.logins: Limit[str] = self._limit("sign-ins", settings.logins_per_address)
        self.names: Limit[str] = self._limit("sign-ins of one name", settings.logins_per_name)
        #: Bounds how many websockets attach again at a time.
        self.attaching = asyncio.Semaphore(settings.reattach_concurrency)
        #: Set once the process drains: it still answers, but asks to be left alone.
        self.draining = False
        #: Made by the application from its tables.
        self.methods: list[tuple[re.Pattern[str], frozenset[str]]] = []
        self.openapi = b""
        self.asyncapi = b""
        self._floors = dict(settings.client_floors)
        self._origins = frozenset(settings.allowed_origins)
        self._prefix = f"{deps.random.getrandbits(48):012x}-"
        self._count = 0

    def _limit(self, name: str, rate: Rate) -> Limit:  # type: ignore[type-arg]  # of any key
        return Limit(name, rate, keys=self.settings.limit_keys, clock=self.clock)

    async def spend_shared(self, name: str, key: str, rate: Rate) -> None:
        """Count one of a kind that all gateways count together; without that store our own count must do.

        Raises:
            RateLimited: it comes too early.
        """
        shared = self.deps.shared_limits
        if shared is None:
            return
        window_ms = round(rate.burst / rate.per_s * 1000)
        try:
            async with asyncio.timeout(self.settings.shared_limit_wait_s):
                wait_s = await shared.spend(name, key, per_window=rate.burst, window_ms=window_ms)
        except (StorageUnavailable, TimeoutError):
            return
        if wait_s is not None:
            raise RateLimited(
                f"Too many requests of this kind ({name}).", retry_after_s=round(wait_s, 3)
            )

    def request_id(self, given: str | None) -> str:
        """The client's id of a request where it is sane, else one of ours."""
        if given is not None and _REQUEST_ID.fullmatch(given):
            return given
        self._count += 1
        return f"{self._prefix}{self._count:x}"

    def check_client(self, version: str | None) -> None:
        """Refuse apps that are too old.

        Raises:
            UpgradeRequired: the version is below its floor.
        """
        if not self._floors or version is None or not (found := _CLIENT.match(version)):
            return
        floor = self._floors.get(found[1])
        if floor is not None and tuple(map(int, found[2].split("."))) < floor:
            raise UpgradeRequired

    def address(self, request: Request) -> str:
        """Where a request comes from, past the proxies that are ours."""
        proxies = self.settings.trusted_proxies
        if proxies:
            hops = ",".join(request.headers.getall("x-forwarded-for", ())).split(",")
            if len(hops) >= proxies and (hop := hops[-proxies].strip()):
                return hop[:64]
        return request.ip

    async def person(self, principal: Principal, text: str) -> int:
        """Whom a path means by an id, `me` or `@username`.

        Raises:
            NotFound: nobody.
        """
        if text == "me":
            return principal.user_id
        if text.startswith("@"):
            known = _USERNAME.fullmatch(text[1:])
            user_id = await self.deps.names.lookup(text[1:]) if known else None
        else:
            user_id = parse_id(text)
        if user_id is None:
            raise NotFound
        return user_id

    def caller(
        self,
        request_id: str,
        *,
        session: int = 0,
        command: bool = False,
        op: tuple[str, ...] | None = None,
        digest: bytes = b"",
    ) -> Caller:
        """On whose behalf a message is asked; `op` names a command for ever, without it a fresh name is made."""
        if op is None and not command:
            op_id = b""
        elif op is None:
            op_id = b"\0" + self.deps.ids.mint().to_bytes(8, "big")
        else:
            op_id = blake2b("\0".join(op).encode(), digest_size=16).digest()
        return Caller(
            session=session,
            op_id=op_id,
            keyed=op is not None,
            digest=digest,
            deadline=self.clock.monotonic() + self.settings.call_timeout_s,
            request_id=request_id,
        )

    def refusal(
        self, cause: BaseException, *, route: str, request_id: str, user_id: int | None = None
    ) -> Answer:
        """The problem that `cause` is told as; it is logged as it deserves."""
        error = errors.as_error(cause)
        errors.log(error, cause, route=route, request_id=request_id, user_id=user_id)
        more = tuple(
            (name.encode(), value.encode()) for name, value in errors.problem_headers(error)
        )
        body = errors.problem(error, request_id)
        return Answer(body, status=errors.status_of(error), fixed=(_PROBLEM, *more))

    def allowed(self, path: str) -> Pairs:
        """The Allow header of a path, with which every 405 must come."""
        methods = next((each for steps, each in self.methods if steps.fullmatch(path)), None)
        return ((b"allow", ", ".join(sorted(methods)).encode()),) if methods else ()

    def finish(self, answer: Answer, request_id: str, origin: str | None) -> Answer:
        """Add the headers that every answer carries."""
        more: Pairs = ((b"x-request-id", request_id.encode()),)
        if not any(name == b"cache-control" for name, _ in answer.fixed):
            more += (PRIVATE,)
        answer.fixed = answer.fixed + more + self.cors(origin)
        return answer

    def cors(self, origin: str | None) -> Pairs:
        """What lets a page of an allowed origin read the answer."""
        if not self._origins:
            return ()
        vary = (b"vary", b"Origin")
        if origin not in self._origins or origin is None:
            return (vary,)
        return (
            vary,
            (b"access-control-allow-origin", origin.encode()),
            (b"access-control-expose-headers", b"X-Request-Id, Retry-After"),
        )

    def may_connect(self, origin: str | None, host: str | None) -> bool:
        """Whether a page of this origin may open a websocket; native clients send none."""
        if origin is None or origin in self._origins:
            return True
        return host is not None and origin in (f"https://{host}", f"http://{host}")

    def __repr__(self) -> str:
        return f"<Edge draining={self.draining} {self.access!r} {self.deps.sockets!r}>"


def idempotency_key(text: str | None) -> str | None:
    """The key of a request, None without one.

    Raises:
        InvalidRequest: it is empty, too long, or not printable.
    """
    if text is not None and not _KEY.fullmatch(text):
        raise InvalidRequest("An Idempotency-Key is 1 to 64 printable characters.")
    return text
