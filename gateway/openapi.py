"""`/openapi.json` (3.1), made from the table of routes: what is served and what is told cannot differ."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import msgspec
import orjson

from actors import answers
from gateway.edge import KEY_PATTERN
from gateway.errors import PROBLEM, TITLES, status_of
from gateway.fields import ID_PATTERN, schema_hook
from gateway.queries import NoQuery
from gateway.route import Route
from sharding.errors import (
    DeadlineExceeded,
    FieldError,
    Forbidden,
    IdempotencyConflict,
    InProgress,
    Internal,
    InvalidRequest,
    KinoraError,
    MethodNotAllowed,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
    UpgradeRequired,
    every_error,
)

REF = "#/components/schemas/{name}"

#: What any call may be refused with.
ALWAYS: tuple[type[KinoraError], ...] = (
    InvalidRequest,
    MethodNotAllowed,
    TooLarge,
    UpgradeRequired,
    RateLimited,
    Internal,
    Unavailable,
    DeadlineExceeded,
)


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """RFC 9457, with a `code` that apps translate."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: tuple[FieldError, ...] | msgspec.UnsetType = msgspec.UNSET
    retry_after_s: float | msgspec.UnsetType = msgspec.UNSET
    executed: bool | msgspec.UnsetType = msgspec.UNSET


@cache
def openapi(routes: tuple[Route, ...], *, title: str, version: str, server: str = "/") -> bytes:
    """The document for these routes."""
    documented = [route for route in routes if route.documented]
    shapes = _shapes(documented)
    _, components = msgspec.json.schema_components(
        shapes, schema_hook=schema_hook, ref_template=REF
    )
    components["Problem"]["properties"]["code"] = {"type": "string", "enum": problem_codes()}
    paths: dict[str, dict[str, Any]] = {}
    for route in documented:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return orjson.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": title, "version": version},
            "servers": [{"url": server}],
            "security": [{"bearer": []}],
            "paths": paths,
            "components": {
                "schemas": components,
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
                },
            },
        }
    )


def problem_codes() -> list[str]:
    """Every code that a problem can have."""
    return sorted({each.code for each in every_error()})


def problems_of(route: Route) -> tuple[type[KinoraError], ...]:
    """All errors that a route may refuse with."""
    more: list[type[KinoraError]] = [*ALWAYS, *route.refuses]
    if not route.public:
        more += [Unauthenticated]
    if route.parameters:
        more += [NotFound]
    if route.body is not None or route.streams:
        more += [UnsupportedMedia]
    if route.keyed:
        more += [IdempotencyConflict, InProgress]
    if "user_id" in route.query.__struct_fields__:
        more += [Forbidden]
    return tuple(dict.fromkeys(more))


def _shapes(routes: Iterable[Route]) -> list[type[msgspec.Struct]]:
    shapes: list[type[msgspec.Struct]] = [Problem, answers.UploadAccepted]
    for route in routes:
        shapes += [each for each in (route.body, route.answer) if each is not None]
    return list(dict.fromkeys(shapes))


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "tags": [route.path.split("/")[1]],
        "parameters": list(_parameters(route)),
        "responses": {str(route.status): _success(route), **_refusals(route)},
    }
    if route.public:
        operation["security"] = []
    if (body := _body(route)) is not None:
        operation["requestBody"] = body
    if "multipart/form-data" in route.streams:
        operation["responses"]["202"] = _json_answer("The form was taken", answers.UploadAccepted)
    return operation


def _operation_id(route: Route) -> str:
    steps = [each.strip("{}") for each in route.path.split("/") if each]
    words = "-".join([route.method.lower(), *steps])
    return "".join(each if each.isalnum() or each == "_" else "-" for each in words)


def _parameters(route: Route) -> Iterable[dict[str, Any]]:
    for name in route.parameters:
        schema: dict[str, Any] = {"type": "string", "pattern": ID_PATTERN}
        if name == "user_id":
            schema = {"type": "string", "pattern": "^([1-9][0-9]{0,18}|me|@[a-z0-9_.]{3,24})$"}
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    if route.query is not NoQuery:
        _, found = msgspec.json.schema_components(
            [route.query], schema_hook=schema_hook, ref_template=REF
        )
        properties = found[route.query.__name__]
        for name, schema in properties["properties"].items():
            yield {
                "name": name,
                "in": "query",
                "required": name in properties.get("required", ()),
                "schema": _without_null(schema),
            }
    if route.keyed:
        yield {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "schema": {"type": "string", "pattern": KEY_PATTERN},
        }


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter is there or not; it is never null."""
    if "anyOf" in schema:
        kept = [each for each in schema["anyOf"] if each.get("type") != "null"]
        return kept[0] if len(kept) == 1 else {"anyOf": kept}
    return schema


def _body(route: Route) -> dict[str, Any] | None:
    content: dict[str, Any] = {}
    required = False
    if route.body is not None:
        content["application/json"] = {"schema": {"$ref": REF.format(name=route.body.__name__)}}
        required = any(field.required for field in msgspec.structs.fields(route.body))
    for media in route.streams:
        content[media] = {"schema": _FORM if media.startswith("multipart/") else _BINARY}
        required = True
    return {"required": required, "content": content} if content else None


_BINARY = {"type": "string", "contentMediaType": "application/octet-stream"}
_FORM = {
    "type": "object",
    "required": ["caption", "file"],
    "additionalProperties": False,
    "properties": {
        "caption": {"type": "string", "maxLength": 300},
        "file": {"type": "string", "format": "binary", "minLength": 1},
    },
}


def _success(route: Route) -> dict[str, Any]:
    if route.answer is None:
        return {"description": "Done"}
    return _json_answer(route.summary, route.answer)


def _json_answer(description: str, shape: type[msgspec.Struct]) -> dict[str, Any]:
    schema = {"$ref": REF.format(name=shape.__name__)}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _refusals(route: Route) -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    for error in problems_of(route):
        by_status.setdefault(status_of(error), []).append(error.code)
    refusals: dict[str, Any] = {}
    for status, codes in sorted(by_status.items()):
        names = ", ".join(f"`{code}`" for code in sorted(set(codes)))
        refusals[str(status)] = {
            "description": f"{TITLES[status]}: {names}",
            "content": {PROBLEM: {"schema": {"$ref": REF.format(name="Problem")}}},
        }
        if status in (429, 503):
            refusals[str(status)]["headers"] = {
                "Retry-After": {"schema": {"type": "integer", "minimum": 0}}
            }
    return refusals
