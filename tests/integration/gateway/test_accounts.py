"""Registration, sign-in, sessions: what the edge does around the actor's decisions."""

import asyncio
from dataclasses import replace

import pytest

from actors import messages as m
from actors.replies import CredentialFound
from gateway.settings import Rate
from gateway.tokens import RefreshToken
from sharding.errors import (
    Overloaded,
    StorageUnavailable,
    Unauthenticated,
)
from tests.integration.gateway.stand_in import ME, OTHER, QUICK, SESSION, serving, until

ALICE = {"username": "alice", "password": "correct horse"}


async def test_registering_claims_the_name_makes_the_account_and_signs_in(gateway):
    status, session, _ = await gateway.call("POST", "/auth/register", json=ALICE)
    assert status == 201
    ((user_id, register, caller),) = gateway.node.asked
    assert gateway.names.names["alice"] == user_id
    assert gateway.names.claims == {}
    assert (register.username, register.display_name) == ("alice", "alice")
    assert register.password_hash.startswith("$argon2id$")
    assert caller.session == 0
    assert set(session) == {
        "user",
        "access_token",
        "token_type",
        "expires_in",
        "refresh_token",
        "refresh_expires_in",
    }
    who = gateway.edge.access.principal(f"Bearer {session['access_token']}")
    assert (who.user_id, who.session) == (ME, SESSION)
    assert gateway.edge.refresh.read(session["refresh_token"]) == RefreshToken(ME, SESSION, 1)


async def test_a_taken_name_is_a_conflict(gateway):
    status, problem, _ = await gateway.call(
        "POST", "/auth/register", json={**ALICE, "username": "bob"}
    )
    assert (status, problem["code"], problem["executed"]) == (409, "conflict", False)
    assert gateway.node.asked == []
    assert gateway.names.names["bob"] == OTHER


@pytest.mark.parametrize(("error", "claims"), [(Overloaded(), 0), (StorageUnavailable(), 1)])
async def test_a_name_is_given_back_only_when_surely_nothing_was_done(gateway, error, claims):
    gateway.node.replies[m.Register] = error
    status, _, _ = await gateway.call("POST", "/auth/register", json=ALICE)
    assert status == 503
    assert len(gateway.names.claims) == claims


async def test_a_registration_goes_on_when_the_client_hangs_up(gateway):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def register(user_id, message, caller):
        begun.set()
        await go_on.wait()
        return gateway.node.replies[m.OpenSession]

    gateway.node.replies[m.Register] = register
    calling = asyncio.ensure_future(gateway.call("POST", "/auth/register", json=ALICE))
    await begun.wait()
    calling.cancel()
    await asyncio.gather(calling, return_exceptions=True)
    await asyncio.sleep(0.05)
    go_on.set()
    await until(lambda: "alice" in gateway.names.names)


async def test_a_name_is_made_final_also_when_its_store_stumbles():
    async with serving(replace(QUICK, confirm_pauses_s=(0.0, 0.0))) as gateway:
        confirm, failures = gateway.names.confirm, [StorageUnavailable(), StorageUnavailable()]

        async def stumble(username, user_id):
            if failures:
                raise failures.pop()
            await confirm(username, user_id)

        gateway.names.confirm = stumble  # type: ignore[method-assign]
        assert (await gateway.call("POST", "/auth/register", json=ALICE))[0] == 201
        assert "alice" in gateway.names.names


async def signed_in(gateway, username, password):
    body = {"username": username, "password": password}
    return await gateway.call("POST", "/auth/login", json=body)


async def test_signing_in_names_the_credential_that_was_checked(gateway):
    stored = await gateway.edge.passwords.hash("correct horse")
    gateway.node.replies[m.FindCredential] = CredentialFound(password_hash=stored, version=3)
    status, session, _ = await signed_in(gateway, "bob", "correct horse")
    assert (status, session["user"]) == (200, {"user_id": "1001"})
    assert [user_id for user_id, _, _ in gateway.node.asked] == [OTHER, OTHER]
    assert gateway.node.last.credential_version == 3


async def test_a_wrong_name_and_a_wrong_password_look_the_same(gateway):
    stored = await gateway.edge.passwords.hash("correct horse")
    gateway.node.replies[m.FindCredential] = CredentialFound(password_hash=stored, version=3)
    answers = [
        await signed_in(gateway, "bob", "wrong horse"),
        await signed_in(gateway, "nobody", "wrong horse"),
    ]
    gateway.node.replies[m.FindCredential] = Unauthenticated()
    answers.append(await signed_in(gateway, "bob", "correct horse"))
    for _, problem, _ in answers:
        problem.pop("request_id")
    assert [status for status, _, _ in answers] == [401, 401, 401]
    assert answers[0][1] == answers[1][1] == answers[2][1]


async def test_guessing_is_limited_for_each_name():
    settings = replace(QUICK, logins_per_name=Rate(per_s=0.01, burst=1))
    async with serving(settings) as gateway:
        assert (await signed_in(gateway, "someone", "x"))[0] == 401
        assert (await signed_in(gateway, "someone", "x"))[0] == 429
        assert (await signed_in(gateway, "another", "x"))[0] == 401


async def test_a_refresh_goes_to_its_user_with_its_number(gateway):
    token = gateway.edge.refresh.make(RefreshToken(OTHER, 9, 4))
    status, session, _ = await gateway.call(
        "POST", "/auth/refresh", json={"refresh_token": token}, headers={"Authorization": ""}
    )
    assert status == 200
    assert "user" not in session
    ((user_id, message, _),) = gateway.node.asked
    assert (user_id, message) == (OTHER, m.RefreshSession(family_id=9, number=4))


async def test_a_forged_refresh_token_asks_nobody(gateway):
    body = {"refresh_token": "A" * 75}
    assert (await gateway.call("POST", "/auth/refresh", json=body))[0] == 401
    assert (await gateway.call("POST", "/auth/logout", json=body))[0] == 204
    assert gateway.node.asked == []


async def test_signing_out_is_done_even_when_there_is_nothing_to_end(gateway):
    body = {"refresh_token": gateway.edge.refresh.make(RefreshToken(OTHER, 9, 4))}
    for reply in (b"", Unauthenticated()):
        gateway.node.replies[m.EndSession] = reply
        assert (await gateway.call("POST", "/auth/logout", json=body))[0] == 204
    assert gateway.node.last == m.EndSession(family_id=9)


@pytest.mark.parametrize(
    ("method", "path", "body", "message", "done"),
    [
        (
            "POST",
            "/auth/password",
            {"old": "old pass", "new": "new password"},
            m.ChangePassword,
            204,
        ),
        ("DELETE", "/user/me", {"password": "old pass"}, m.DeleteAccount, 202),
    ],
)
async def test_what_needs_the_password_is_not_done_without(
    gateway, method, path, body, message, done
):
    stored = await gateway.edge.passwords.hash("old pass")
    gateway.node.replies[m.FindCredential] = CredentialFound(password_hash=stored, version=8)
    assert (await gateway.call(method, path, json=body))[0] == done
    assert gateway.node.of(message)[0].credential_version == 8
    gateway.node.asked.clear()
    wrong = {name: f"not {value}" for name, value in body.items()}
    status, problem, _ = await gateway.call(method, path, json=wrong)
    assert (status, problem["code"]) == (403, "forbidden")
    assert gateway.node.of(message) == []


async def test_the_keys_are_published(gateway):
    status, keys, headers = await gateway.call("GET", "/.well-known/jwks.json")
    assert status == 200
    assert len(keys["keys"]) == 2
    assert headers["Cache-Control"].startswith("public")
