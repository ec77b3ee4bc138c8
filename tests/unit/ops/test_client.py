"""One person's app: it repeats what got no answer, and nothing else."""

import random

import aiohttp
import pytest
from aiohttp import web

from ops.demo.client import Answer, GaveUp, Patience, Person, Refused, Wire


class StillClock:
    """Time that passes only by being slept through."""

    def __init__(self):
        self.now = 0.0

    def unix_ms(self):
        return int(self.now * 1000)

    def monotonic(self):
        return self.now

    async def sleep(self, seconds):
        self.now += seconds


class Script:
    """A server that does what it is told, request by request."""

    def __init__(self, *steps):
        self.steps = list(steps)
        self.heard = []

    async def handle(self, request):
        self.heard.append((request.path, dict(request.headers)))
        step = self.steps.pop(0)
        if step == "reset":
            request.transport.abort()
            return web.Response()
        status, body = step
        return web.json_response(body, status=status)

    def keys(self):
        return [headers.get("Idempotency-Key") for _, headers in self.heard]


@pytest.fixture
async def person_at(request):
    runners = []
    sessions = []

    async def start(script):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", script.handle)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        http = aiohttp.ClientSession()
        sessions.append(http)
        patience = Patience(total_s=60.0, server_faults=3)
        wire = Wire(http, lambda: url, StillClock(), random.Random(1), patience)
        return Person(wire, "ann", "a password", random.Random(2))

    yield start
    for session in sessions:
        await session.close()
    for runner in runners:
        await runner.cleanup()


UNAVAILABLE = (503, {"code": "unavailable", "executed": False, "retry_after_s": 1.0})
UNKNOWN = (500, {"code": "internal"})
TOKENS = {"access_token": "a2", "refresh_token": "r2"}


async def test_a_lost_answer_is_asked_for_again_with_the_same_key(person_at):
    script = Script("reset", UNAVAILABLE, UNKNOWN, (200, {"liked": True}))
    person = await person_at(script)
    assert await person.call("POST", "/video/1/like") == {"liked": True}
    assert len(set(script.keys())) == 1
    assert len(script.keys()) == 4
    assert person.wire.weather.lost == 1


async def test_two_writes_have_two_keys_and_a_read_has_none(person_at):
    script = Script((200, {}), (200, {}), (200, {}))
    person = await person_at(script)
    for method in ("POST", "POST", "GET"):
        await person.call(method, "/x")
    first, second, read = script.keys()
    assert first != second
    assert read is None


async def test_a_refusal_is_not_repeated_and_noted_by_its_code(person_at):
    script = Script((404, {"code": "not_found", "executed": False}))
    person = await person_at(script)
    with pytest.raises(Refused):
        await person.call("POST", "/video/123/like")
    assert person.wire.weather.refused == {"POST /video/{id}/like: not_found": 1}


async def test_a_server_that_only_fails_leaves_doubt_and_not_a_refusal(person_at):
    person = await person_at(Script(UNKNOWN, UNKNOWN, UNKNOWN))
    with pytest.raises(GaveUp):
        await person.call("POST", "/x")


async def test_a_failure_that_surely_did_nothing_is_final(person_at):
    person = await person_at(Script((500, {"code": "internal", "executed": False})))
    with pytest.raises(Refused):
        await person.call("POST", "/x")


async def test_retry_after_is_obeyed(person_at):
    later = (429, {"code": "rate_limited", "executed": False, "retry_after_s": 7.0})
    person = await person_at(Script(later, (200, {})))
    await person.call("POST", "/x")
    assert 7.0 <= person.wire.clock.monotonic() < 10.0


async def test_a_limit_that_outlasts_the_patience_is_a_refusal(person_at):
    later = (429, {"code": "rate_limited", "executed": False, "retry_after_s": 3_000.0})
    person = await person_at(Script(later))
    with pytest.raises(Refused):
        await person.call("POST", "/x")


async def test_nobody_there_is_given_up_on_in_bounded_time(person_at):
    person = await person_at(Script())
    person.wire.find_url = lambda: "http://127.0.0.1:9"
    with pytest.raises(GaveUp):
        await person.call("GET", "/x")
    assert person.wire.clock.monotonic() <= 60.0


async def test_an_access_token_that_ran_out_is_renewed_once(person_at):
    script = Script((401, {"code": "unauthenticated"}), (200, TOKENS), (200, {"ok": 1}))
    person = await person_at(script)
    assert await person.call("POST", "/x") == {"ok": 1}
    paths = [path for path, _ in script.heard]
    assert paths == ["/x", "/auth/refresh", "/x"]
    assert script.heard[2][1]["Authorization"] == "Bearer a2"
    assert script.keys()[0] == script.keys()[2]


async def test_a_session_that_ended_is_opened_again(person_at):
    ended = (401, {"code": "unauthenticated"})
    person = await person_at(Script(ended, ended, (200, TOKENS), (200, {})))
    await person.call("GET", "/x")


async def test_a_registration_whose_answer_got_lost_ends_signed_in(person_at):
    taken = (409, {"code": "conflict", "executed": False})
    script = Script("reset", taken, (200, {**TOKENS, "user": {"user_id": "7"}}))
    person = await person_at(script)
    await person.register()
    assert (person.user_id, person.name) == ("7", "ann")


async def test_a_name_that_is_held_by_nobody_we_know_is_given_up_for_another(person_at):
    taken, wrong = (409, {"code": "conflict"}), (401, {"code": "unauthenticated"})
    made = (201, {**TOKENS, "user": {"user_id": "7"}})
    person = await person_at(Script(taken, wrong, made))
    await person.register()
    assert person.name == "ann_1"


def test_an_answer_that_is_no_problem_document_still_has_a_code():
    assert Answer(status=502, body={}).code == "http_502"
