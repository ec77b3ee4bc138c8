"""Accounts: registration, sign-in, tokens, passwords.

The actor owns the account; what happens here is what needs a secret of the edge (signing, hashing) or the table of
names. Registration takes several steps, and goes on when the client hangs up: a name is claimed for a minute, the
account is made, the name is made final. A step that surely did not happen gives the name back at once; where that is
not known, the claim runs out by itself.
"""

import asyncio
from contextlib import suppress

from actors.answers import SessionShape
from actors.messages import (
    ChangePassword,
    EndSession,
    FindCredential,
    OpenSession,
    RefreshSession,
    Register,
)
from actors.replies import CredentialFound, Granted
from gateway.answer import Answer, empty
from gateway.bodies import LoginBody, PasswordBody, RefreshBody, RegisterBody
from gateway.route import Call, Route
from gateway.tokens import RefreshToken
from sharding.errors import (
    Conflict,
    Forbidden,
    KinoraError,
    NotFound,
    RateLimited,
    Unauthenticated,
    Unavailable,
)

_WRONG = "The name or the password is wrong."


async def register(call: Call) -> Answer:
    """Make an account and sign in."""
    edge = call.edge
    address = edge.address(call.request)
    edge.registrations.spend(address)
    body = call.body(RegisterBody)
    await edge.spend_shared("registrations", address, edge.settings.registrations_per_address)
    work = edge.deps.tasks.spawn(_register(call, body), name=f"register {call.request_id}")
    return session_answer(call, await unbroken(work))


async def _register(call: Call, body: RegisterBody) -> Granted | KinoraError:
    edge, names = call.edge, call.edge.deps.names
    user_id, family_id = edge.deps.ids.mint(), edge.deps.ids.mint()
    username = body.username
    try:
        if not await names.claim(username, user_id, edge.settings.name_claim_ms):
            return Conflict("This name is taken.")
        message = Register(
            username=username,
            display_name=body.display_name or username,
            password_hash=await edge.passwords.hash(body.password),
            family_id=family_id,
        )
        granted = await call.ask(message, user_id=user_id)
        await _confirm(call, username, user_id)
    except KinoraError as error:
        if error.executed is False:
            # Where the store of names is what is away, the claim runs out by itself.
            with suppress(KinoraError):
                await names.release(username, user_id)
        return error
    return granted


async def _confirm(call: Call, username: str, user_id: int) -> None:
    """Make the claim final; the account is there already, so a store that stumbles is asked again."""
    edge = call.edge
    for pause_s in edge.settings.confirm_pauses_s:
        try:
            return await edge.deps.names.confirm(username, user_id)
        except Unavailable:
            await edge.clock.sleep(pause_s)
    await edge.deps.names.confirm(username, user_id)


async def login(call: Call) -> Answer:
    """Sign in. A wrong name and a wrong password look, and cost, the same."""
    edge, body = call.edge, call.body(LoginBody)
    address = edge.address(call.request)
    edge.logins.spend(address)
    edge.names.spend(f"name {body.username}")
    await edge.spend_shared("sign-ins", address, edge.settings.logins_per_address)
    await edge.spend_shared("sign-ins of one name", body.username, edge.settings.logins_per_name)
    user_id = await edge.deps.names.lookup(body.username)
    found = await _credential(call, user_id)
    right = await edge.passwords.verify(body.password, found.password_hash if found else None)
    if not right or user_id is None or found is None:
        raise Unauthenticated(_WRONG)
    message = OpenSession(credential_version=found.version, family_id=edge.deps.ids.mint())
    return session_answer(call, await call.ask(message, user_id=user_id))


async def refresh(call: Call) -> Answer:
    """Go on with a session."""
    token = call.edge.refresh.read(call.body(RefreshBody).refresh_token)
    if token is None:
        raise Unauthenticated("This refresh token was not given out here.")
    message = RefreshSession(family_id=token.family_id, number=token.number)
    return session_answer(call, await call.ask(message, user_id=token.user_id))


async def logout(call: Call) -> Answer:
    """End a session; that of an unknown token has ended already."""
    token = call.edge.refresh.read(call.body(RefreshBody).refresh_token)
    if token is not None:
        try:
            await call.ask(EndSession(family_id=token.family_id), user_id=token.user_id)
        except (Unauthenticated, NotFound):
            pass
    return empty()


async def change_password(call: Call) -> Answer:
    """Replace the password, and end all other sessions."""
    body = call.body(PasswordBody)
    version = await proven(call, body.old)
    hashed = await call.edge.passwords.hash(body.new)
    await call.ask(ChangePassword(credential_version=version, password_hash=hashed))
    return empty()


async def jwks(call: Call) -> Answer:
    """The keys that access tokens are signed with."""
    answer = call.json(call.edge.deps.keys.jwks())
    answer.fixed += ((b"cache-control", b"public, max-age=300"),)
    return answer


async def proven(call: Call, password: str) -> int:
    """The version of the caller's credential, once the password fits it.

    Raises:
        Forbidden: it does not fit.
    """
    call.edge.names.spend(f"user {call.who.user_id}")
    found = await call.ask(FindCredential())
    if not await call.edge.passwords.verify(password, found.password_hash):
        raise Forbidden("The password is wrong.")
    return found.version


def session_answer(call: Call, granted: Granted) -> Answer:
    """The tokens of a session, spliced with the actor's JSON of the user."""
    edge = call.edge
    current = RefreshToken(granted.user_id, granted.family_id, granted.current)
    left_s = max(0, granted.expires_ms - edge.clock.unix_ms()) // 1000
    access = edge.access.sign(granted.user_id, granted.family_id)
    user = b'"user":%b,' % granted.user if granted.user else b""
    return call.json(
        b'{%b"access_token":"%b","token_type":"Bearer","expires_in":%d,'
        b'"refresh_token":"%b","refresh_expires_in":%d}'
        % (
            user,
            access.encode(),
            edge.settings.access_token_s,
            edge.refresh.make(current).encode(),
            left_s,
        )
    )


async def unbroken(work: "asyncio.Task[Granted | KinoraError]") -> Granted:
    """What `work` comes to; it goes on when whoever waits here is cancelled.

    Raises:
        KinoraError: what it came to.
    """
    outcome = await asyncio.shield(work)
    if isinstance(outcome, KinoraError):
        raise outcome
    return outcome


async def _credential(call: Call, user_id: int | None) -> CredentialFound | None:
    if user_id is None:
        return None
    try:
        return await call.ask(FindCredential(), user_id=user_id)
    except (Unauthenticated, NotFound):
        return None


ROUTES = (
    Route(
        method="POST",
        path="/auth/register",
        summary="Make an account",
        handle=register,
        body=RegisterBody,
        answer=SessionShape,
        status=201,
        public=True,
        refuses=(Conflict, RateLimited),
    ),
    Route(
        method="POST",
        path="/auth/login",
        summary="Sign in",
        handle=login,
        body=LoginBody,
        answer=SessionShape,
        public=True,
        refuses=(Unauthenticated, RateLimited),
    ),
    Route(
        method="POST",
        path="/auth/refresh",
        summary="Go on with a session",
        handle=refresh,
        body=RefreshBody,
        answer=SessionShape,
        public=True,
        refuses=(Unauthenticated,),
    ),
    Route(
        method="POST",
        path="/auth/logout",
        summary="End a session",
        handle=logout,
        body=RefreshBody,
        status=204,
        public=True,
    ),
    Route(
        method="POST",
        path="/auth/password",
        summary="Change the password",
        handle=change_password,
        body=PasswordBody,
        status=204,
        refuses=(Forbidden, Conflict),
    ),
    Route(
        method="GET",
        path="/.well-known/jwks.json",
        summary="Keys that access tokens are signed with",
        handle=jwks,
        answer=None,
        public=True,
    ),
)
