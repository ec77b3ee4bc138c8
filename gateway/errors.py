"""How errors look from outside: one table, one renderer, one decision on the log level.

An error of `sharding.errors` knows nothing of HTTP. Here, and only here, its class becomes a status, looked up
along its ancestors so that a new class below an old one is served from its first day. Whatever else is raised is
a bug: it is logged with its traceback, and the client learns nothing but that it was one.
"""

import logging
import math
from collections.abc import Iterator

import orjson
from sanic.exceptions import SanicException

from sharding.errors import (
    Conflict,
    DeadlineExceeded,
    Forbidden,
    Gone,
    Internal,
    InvalidRequest,
    KinoraError,
    MethodNotAllowed,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
    Unprocessable,
    UnsupportedMedia,
    UpgradeRequired,
)
from sharding.shards import shard_of

STATUS: dict[type[KinoraError], int] = {
    InvalidRequest: 400,
    Unauthenticated: 401,
    Forbidden: 403,
    NotFound: 404,
    MethodNotAllowed: 405,
    Conflict: 409,
    Gone: 410,
    TooLarge: 413,
    UnsupportedMedia: 415,
    Unprocessable: 422,
    UpgradeRequired: 426,
    RateLimited: 429,
    Internal: 500,
    Unavailable: 503,
    DeadlineExceeded: 504,
}

TITLES = {
    400: "The request cannot be understood",
    401: "Sign in first",
    403: "Not yours to do",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    410: "No longer there",
    413: "Too large",
    415: "Unsupported content type",
    422: "Makes no sense here",
    426: "Please update the app",
    429: "Too many requests",
    500: "Internal error",
    503: "Not available now",
    504: "Took too long",
}

#: What Sanic raises before a handler of ours is reached, by its status.
FROM_SANIC: dict[int, type[KinoraError]] = {
    400: InvalidRequest,
    404: NotFound,
    405: MethodNotAllowed,
    408: DeadlineExceeded,
    413: TooLarge,
    414: TooLarge,
    417: InvalidRequest,
    503: DeadlineExceeded,
}

#: How loud a refusal is in the log. Who is refused for haste comes back at once: that is for the metrics.
_LEVELS = {429: logging.DEBUG, 503: logging.WARNING, 504: logging.WARNING}

#: RFC 9457.
PROBLEM = "application/problem+json"

#: Close codes of websockets (API.md) that an error ends a connection with; other errors leave it open.
CLOSE_CODES: dict[type[KinoraError], int] = {Unauthenticated: 4401}

_LOG = logging.getLogger("kinora.gateway")


def status_of(error: KinoraError | type[KinoraError]) -> int:
    """The status of an error; 500 for a class that the table has no ancestor of."""
    kind = error if isinstance(error, type) else type(error)
    return next((STATUS[each] for each in kind.__mro__ if each in STATUS), 500)


def close_code_of(error: KinoraError) -> int | None:
    """The code that an error closes a websocket with, None when it is only told."""
    return next((CLOSE_CODES[each] for each in type(error).__mro__ if each in CLOSE_CODES), None)


def as_error(cause: BaseException) -> KinoraError:
    """`cause` as one of ours; `Internal` for whatever nobody foresaw."""
    if isinstance(cause, KinoraError):
        return cause
    if isinstance(cause, SanicException) and cause.status_code in FROM_SANIC:
        return FROM_SANIC[cause.status_code]()
    return Internal(context=repr(cause))


def problem(error: KinoraError, request_id: str) -> bytes:
    """The problem+json of an error."""
    status = status_of(error)
    facts = {
        "type": "about:blank",
        "title": TITLES[status],
        "status": status,
        "code": error.code,
        "detail": error.detail,
        "request_id": request_id,
        **_facts(error, status),
    }
    return orjson.dumps(facts)


def socket_error(error: KinoraError, message_id: str | None) -> bytes:
    """The `error` frame that answers a message of a websocket."""
    facts = {"op": "error", "id": message_id, "code": error.code, "detail": error.detail}
    return orjson.dumps(facts | _facts(error, status_of(error)))


def problem_headers(error: KinoraError) -> Iterator[tuple[str, str]]:
    """The headers that go with a problem, beside its content type."""
    status = status_of(error)
    if error.retry_after_s is not None and status in (409, 429, 503):
        yield "Retry-After", str(math.ceil(error.retry_after_s))
    if status == 401:
        yield "WWW-Authenticate", "Bearer"


def log(
    error: KinoraError,
    cause: BaseException,
    *,
    route: str,
    request_id: str,
    user_id: int | None = None,
) -> None:
    """Write down what an operator should know of it: a bug with its traceback, a refusal in a line."""
    status = status_of(error)
    facts = {"route": route, **ids_of(request_id, user_id)}
    if status == 500:
        _LOG.error("request_failed", exc_info=cause, extra=facts)
        return
    level = _LEVELS.get(status, logging.INFO)
    if _LOG.isEnabledFor(level):
        _LOG.log(level, "request_refused", extra=facts | {"error": repr(error)})


def ids_of(request_id: str, user_id: int | None) -> dict[str, object]:
    """The ids that belong on every log line about a request."""
    ids: dict[str, object] = {"request_id": request_id}
    if user_id is not None:
        ids |= {"user_id": str(user_id), "shard": shard_of(user_id)}
    return ids


def _facts(error: KinoraError, status: int) -> dict[str, object]:
    """The members of a problem that only some errors have."""
    facts: dict[str, object] = {}
    if error.fields:
        facts["errors"] = [{"field": each.field, "code": each.code} for each in error.fields]
    if error.retry_after_s is not None and status in (409, 429, 503):
        facts["retry_after_s"] = error.retry_after_s
    if error.executed is False:
        facts["executed"] = False
    return facts
