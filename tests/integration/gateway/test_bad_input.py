"""Whatever is sent to any call, the answer is a documented problem, never a 500.

The wrong values are made from the table of routes, so that a new call is tested on the day it is written.
"""

import itertools
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from actors.messages import (
    FindCredential,
    GetVideo,
    LikeVideo,
)
from actors.replies import CredentialFound
from gateway.errors import status_of
from gateway.openapi import problems_of
from gateway.passwords import Passwords
from gateway.routes import ROUTES
from gateway.settings import Rate
from sharding.errors import Internal, StorageUnavailable
from tests.integration.gateway.stand_in import ME, OTHER, QUICK, VIDEO, serving

FREE = Rate(per_s=1e6, burst=10**6)
UNLIMITED = replace(
    QUICK,
    requests_per_principal=FREE,
    requests_per_address=FREE,
    registrations_per_address=FREE,
    logins_per_address=FREE,
    logins_per_name=FREE,
)

VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    "",
    " ",
    "x" * 5_000,
    "\x00",
    "\u202e\ufeff",
    "../../etc/passwd",
    "'; DROP TABLE users; --",
    [],
    [[]],
    {},
    {"$gt": ""},
    ["x"] * 200,
]
RAW = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"text"',
    b"\xff\xfe",
    b"[" * 20_000,
    b'{"a":' * 5_000,
    b'{"caption":"\\ud800"}',
    b"1e999",
    b"x" * 70_000,
]
PATHS = [
    "0",
    "-1",
    "01",
    "abc",
    "9" * 19,
    "9" * 30,
    "%00",
    "%2e%2e",
    "%ff",
    "1%202",
    "@",
    "@A",
    "\u00e9",
]
QUERIES = ["limit=x", "limit=", "limit=9" * 9, "cursor=%00", "cursor=", "tab=%ff", "ids=", "kind=x"]
HEADERS = [
    {"Idempotency-Key": "x" * 65},
    {"Idempotency-Key": ""},
    {"Content-Type": "text/xml"},
    {"Content-Type": "multipart/form-data"},
    {"Content-Type": "multipart/form-data; boundary="},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer " + "a." * 50},
    {"Accept-Encoding": "\u00ff"},
    {"X-Request-Id": "\u00ff"},
    {"X-Client": "x/99999999999.1"},
    {"Range": "bytes=9-1"},
]

GOOD = {
    "username": "alice",
    "password": "correct horse",
    "old": "correct horse",
    "new": "correct horse",
    "refresh_token": "x",
    "caption": "x",
    "size_bytes": 10,
    "content_type": "video/mp4",
    "text": "x",
    "views": [],
    "target_kind": "video",
    "target_id": str(VIDEO),
    "reason": "spam",
    "up_to_seq": 1,
}


def path_of(route, value=str(VIDEO)):
    path = route.path
    for name in route.parameters:
        path = path.replace("{" + name + "}", value)
    return path


def good_body(route):
    if route.body is None:
        return None
    return {
        field.encode_name: GOOD[field.name]
        for field in msgspec.structs.fields(route.body)
        if field.required
    }


def bad_bodies(route):
    good = good_body(route)
    if good is None:
        return
    for field in msgspec.structs.fields(route.body):
        for value in VALUES:
            yield {**good, field.name: value}
        yield {name: value for name, value in good.items() if name != field.name}
    yield {**good, "is_admin": True}
    yield {**good, "": 1}


def documented(route):
    return {route.status, 202, *(status_of(error) for error in problems_of(route))}


def check(route, status, body, headers):
    assert status != 500, (route, body)
    assert status in documented(route), (route, status, body)
    if status >= 400 and route.path != "/readyz":
        assert headers["Content-Type"] == "application/problem+json"
        assert body["status"] == status
        assert body["request_id"] == headers["X-Request-Id"]
        assert set(body) <= PROBLEM


PROBLEM = {
    "type",
    "title",
    "status",
    "code",
    "detail",
    "request_id",
    "errors",
    "retry_after_s",
    "executed",
}


@pytest.fixture
async def gateway():
    async with serving(UNLIMITED) as running:
        running.node.replies[FindCredential] = CREDENTIAL
        # Hashing is dear, and not what is tested here.
        running.edge.passwords = QuickPasswords()
        yield running


class QuickPasswords(Passwords):
    def __init__(self):
        super().__init__(threads=1, queue=1)

    async def hash(self, password):
        return "hash"

    async def verify(self, password, stored):
        return False


CREDENTIAL = CredentialFound(password_hash="hash", version=1)


async def test_wrong_missing_extra_huge_and_empty_fields(gateway):
    for route in ROUTES:
        for body in bad_bodies(route):
            check(route, *await gateway.call(route.method, path_of(route), json=body))


async def test_bodies_that_are_no_bodies(gateway):
    for route, raw in itertools.product(ROUTES, RAW):
        if route.body is not None:
            headers = {"Content-Type": "application/json"}
            answer = await gateway.call(route.method, path_of(route), data=raw, headers=headers)
            check(route, *answer)


async def test_paths_that_lead_nowhere(gateway):
    for route, value in itertools.product(ROUTES, PATHS):
        if route.parameters:
            answer = await gateway.call(route.method, path_of(route, value), json=good_body(route))
            check(route, *answer)


async def test_queries_that_make_no_sense(gateway):
    for route, query in itertools.product(ROUTES, QUERIES):
        answer = await gateway.call(
            route.method, f"{path_of(route)}?{query}", json=good_body(route)
        )
        check(route, *answer)


async def test_headers_that_make_no_sense(gateway):
    for route, headers in itertools.product(ROUTES, HEADERS):
        answer = await gateway.call(route.method, path_of(route), data=b"{}", headers=headers)
        check(route, *answer)


async def test_every_call_but_the_public_ones_needs_a_token(gateway):
    for route in ROUTES:
        answer = await gateway.call(
            route.method,
            path_of(route),
            json=good_body(route),
            headers={"Authorization": "Bearer forged"},
        )
        check(route, *answer)
        if not route.public:
            assert answer[0] == 401
            assert answer[1]["code"] == "unauthenticated"
    assert gateway.node.asked == [] or all(message.OPEN for _, message, _ in gateway.node.asked)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", f"/feed?user_id={OTHER}", None, 403),
        ("POST", f"/video/{VIDEO}/like", {"user_id": str(OTHER)}, 403),
        ("DELETE", f"/video/{VIDEO}/like", {"user_id": str(OTHER)}, 403),
        (
            "POST",
            "/upload/video",
            {"caption": "", "size_bytes": 1, "content_type": "a/b", "user_id": str(OTHER)},
            403,
        ),
        ("POST", f"/user/{OTHER}/follow", {"follower_id": str(OTHER)}, 403),
        ("DELETE", f"/user/{OTHER}/follow", {"follower_id": str(OTHER)}, 403),
        ("POST", f"/user/{OTHER}/follow", {"followee_id": str(ME)}, 400),
        ("GET", f"/user/{OTHER}/activity", None, 403),
        ("GET", "/user/@bob/activity", None, 403),
        ("PATCH", f"/user/{OTHER}", {"bio": "x"}, 405),
        ("DELETE", f"/user/{OTHER}", {"password": "x"}, 405),
        ("GET", f"/user/{OTHER}/likes", None, 404),
        ("POST", f"/user/{OTHER}/avatar", None, 404),
    ],
)
async def test_nobody_acts_for_somebody_else(gateway, method, path, body, status):
    answered, problem, _ = await gateway.call(method, path, json=body)
    assert answered == status, problem
    assert gateway.node.asked == []


async def test_every_body_that_names_an_actor_is_held_against_the_token(gateway):
    for route in ROUTES:
        named = {"user_id", "follower_id"} & set(getattr(route.body, "__struct_fields__", ()))
        for name in named:
            body = {**good_body(route), name: str(OTHER)}
            status, problem, _ = await gateway.call(route.method, path_of(route), json=body)
            assert (status, problem["code"]) == (403, "forbidden"), route


async def test_a_bug_behind_a_call_leaves_as_internal_and_nothing_more(gateway):
    gateway.node.replies[GetVideo] = ZeroDivisionError("secret")
    status, problem, _ = await gateway.call("GET", f"/video/{VIDEO}")
    assert (status, problem["code"], problem["detail"]) == (500, "internal", Internal().detail)


async def test_an_error_of_an_actor_arrives_as_it_is(gateway):
    gateway.node.replies[LikeVideo] = StorageUnavailable(retry_after_s=2.5)
    status, problem, headers = await gateway.call("POST", f"/video/{VIDEO}/like")
    assert (status, problem["code"], headers["Retry-After"]) == (503, "unavailable", "3")
    assert "executed" not in problem


async def test_an_unknown_path_and_a_wrong_method_are_problems_too(gateway):
    status, problem, _ = await gateway.call("GET", "/nowhere")
    assert (status, problem["code"]) == (404, "not_found")
    status, problem, headers = await gateway.call("PUT", "/feed")
    assert (status, problem["code"]) == (405, "method_not_allowed")
    assert "GET" in headers["Allow"]


async def test_a_budget_is_kept_for_each_principal():
    settings = replace(QUICK, requests_per_principal=Rate(per_s=1.0, burst=2))
    async with serving(settings) as gateway:
        seen = [(await gateway.call("GET", "/user/me"))[0] for _ in range(3)]
        assert seen == [200, 200, 429]
        other = gateway.bearer(OTHER)
        assert (await gateway.call("GET", "/user/me", headers=other))[0] == 200
        _, problem, headers = await gateway.call("GET", "/feed")
        assert (problem["code"], headers["Retry-After"]) == ("rate_limited", "1")


async def test_addresses_are_told_apart_behind_a_proxy_of_ours():
    settings = replace(QUICK, trusted_proxies=1, logins_per_address=Rate(per_s=0.01, burst=1))
    async with serving(settings) as gateway:
        gateway.edge.passwords = QuickPasswords()

        async def login(forwarded):
            body = {"username": "nobody", "password": "x"}
            headers = {"X-Forwarded-For": forwarded}
            return (await gateway.call("POST", "/auth/login", json=body, headers=headers))[0]

        assert await login("1.1.1.1") == 401
        assert await login("9.9.9.9, 1.1.1.1") == 429
        assert await login("2.2.2.2") == 401


async def test_an_app_below_its_floor_must_be_updated():
    settings = replace(QUICK, client_floors=(("kinora", (2, 1)),))
    async with serving(settings) as gateway:
        for client, status in [
            ("kinora/2.0", 426),
            ("kinora/2.1", 200),
            ("other/1", 200),
            ("?", 200),
        ]:
            for path in ("/feed", "/user/me"):
                assert (await gateway.call("GET", path, headers={"X-Client": client}))[0] == status


async def test_pages_of_allowed_origins_may_read_answers():
    settings = replace(QUICK, allowed_origins=("https://app.example",))
    async with serving(settings) as gateway:
        for path in ("/feed", "/user/me", "/nowhere"):
            for origin, allowed in [
                ("https://app.example", "https://app.example"),
                ("https://evil", None),
            ]:
                _, _, headers = await gateway.call("GET", path, headers={"Origin": origin})
                assert headers.get("Access-Control-Allow-Origin") == allowed
                assert headers["Vary"] == "Origin"
        _, _, headers = await gateway.call(
            "OPTIONS", "/feed", headers={"Origin": "https://app.example"}
        )
        assert "GET" in headers["Access-Control-Allow-Methods"]
