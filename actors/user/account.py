"""The account: registration, sign-in, sessions, profile, and its end.

The gateway verifies passwords and signs tokens; what it verified against and what it may sign for is decided
here, by the account's only writer. Refresh tokens are numbers in a family: using one makes the next; showing
a used one again within a minute, while its successor is unused, is a lost answer and gives the same
successor; any other reuse means that two parties hold the family, and ends it (RFC 9700 §4.14).
"""

import msgspec

from actors import answers
from actors.cards import author_answer
from actors.events import AccountClosed, DiscardMedia, ProfileChanged
from actors.messages import (
    ChangePassword,
    DeleteAccount,
    EditProfile,
    EndSession,
    FindCredential,
    OpenSession,
    RefreshSession,
    Register,
    SetAvatar,
)
from actors.records import Account
from actors.replies import CredentialFound, Granted
from actors.rows import CountsRow, CredentialRow, SessionRow, UserRow
from actors.turn import Turn
from actors.user.limits import spend
from actors.user.state import User, dump
from sharding.errors import Conflict, Unauthenticated

#: A used refresh token gives the same successor for this long, in milliseconds.
GRACE_MS = 60_000
_DAY_MS = 86_400_000


def register(user: User, message: Register, turn: Turn) -> Granted:
    """Make the account, or answer again for the session that made it."""
    if user.account is not None:
        if message.family_id in user.sessions and user.account.username == message.username:
            return _granted(user, turn, user.sessions[message.family_id])
        raise Conflict("There is an account already.")
    user.account = UserRow(
        user_id=user.id,
        username=message.username,
        display_name=message.display_name,
        bio="",
        avatar=None,
        created_ms=turn.now_ms,
    )
    user.credential_version = 1
    user.following, user.blocks, user.blocked_by = set(), set(), set()
    user.not_interested, user.uploads = set(), {}
    user.counts = CountsRow(entity_id=user.id)
    user.marks.seq = user.marks.floor = turn.now_ms
    turn.put("marks", dump(user, "marks"))
    turn.put("counts", dump(user, "counts"))
    turn.write(
        user.account,
        CredentialRow(user_id=user.id, version=1, password_hash=message.password_hash),
        user.counts,
    )
    # A profile that was looked for before it was there must be looked for again.
    turn.broadcasts.append(ProfileChanged(user_id=user.id))
    return _open(user, turn, message.family_id)


def find_credential(user: User, message: FindCredential, turn: Turn) -> CredentialFound:
    """What a password is verified against; read each time, since it is rarely wanted."""
    account = turn.fetched("account", lambda: user.world.people.account(user.id))
    if user.account is None or user.account.deleted or account is None:
        raise Unauthenticated()
    assert isinstance(account, Account)
    return CredentialFound(
        password_hash=account.credential.password_hash, version=account.credential.version
    )


def open_session(user: User, message: OpenSession, turn: Turn) -> Granted:
    """Sign in, unless the password has changed since it was verified."""
    if user.account is None or user.account.deleted:
        raise Unauthenticated()
    if message.credential_version != user.credential_version:
        raise Unauthenticated("The password was changed meanwhile.")
    return _open(user, turn, message.family_id)


def refresh_session(user: User, message: RefreshSession, turn: Turn) -> Granted:
    """Go on to the next token of the family."""
    session = user.sessions.get(message.family_id)
    if session is None or turn.now_ms >= session.expires_ms:
        raise Unauthenticated("This session has ended.")
    if message.number == session.current:
        session = msgspec.structs.replace(
            session,
            current=session.current + 1,
            rotated_ms=turn.now_ms,
            expires_ms=_expiry(user, turn),
        )
        user.sessions[message.family_id] = session
        turn.write(session)
        return _granted(user, turn, session, with_user=False)
    lost_answer = (
        message.number == session.current - 1 and turn.now_ms - session.rotated_ms <= GRACE_MS
    )
    if lost_answer:
        return _granted(user, turn, session, with_user=False)
    _end(user, turn, session)
    # Raised after the end is on its way: the refusal itself changes something.
    turn.refusal = Unauthenticated("This token was used before; the session has ended.")
    return _granted(user, turn, session, with_user=False)


def end_session(user: User, message: EndSession, turn: Turn) -> bytes:
    """Sign out."""
    session = user.sessions.get(message.family_id)
    if session is not None:
        _end(user, turn, session)
    return b"{}"


def change_password(user: User, message: ChangePassword, turn: Turn) -> bytes:
    """Replace the credential; whoever knew the old one is signed out."""
    if message.credential_version != user.credential_version:
        raise Conflict("The password was changed meanwhile.")
    user.credential_version += 1
    turn.write(
        CredentialRow(
            user_id=user.id,
            version=user.credential_version,
            password_hash=message.password_hash,
        )
    )
    for session in list(user.sessions.values()):
        if session.family_id != turn.session:
            _end(user, turn, session)
    return b"{}"


def delete_account(user: User, message: DeleteAccount, turn: Turn) -> bytes:
    """Sign everybody out at once; the content follows in steps."""
    if message.credential_version != user.credential_version:
        raise Conflict("The password was changed meanwhile.")
    assert user.account is not None
    user.account = msgspec.structs.replace(user.account, deleted=True, avatar=None, bio="")
    turn.write(user.account)
    turn.errands.append(DiscardMedia(prefixes=(f"a/{user.id}/",)))
    for session in list(user.sessions.values()):
        _end(user, turn, session)
    turn.broadcasts.append(ProfileChanged(user_id=user.id))
    turn.tell(user.id, AccountClosed(stage=0))
    return b"{}"


def edit_profile(user: User, message: EditProfile, turn: Turn) -> bytes:
    """Change the name or the bio."""
    assert user.account is not None
    spend(user, turn, "edits", user.world.limits.edits_a_minute)
    changed = msgspec.structs.replace(
        user.account,
        display_name=(
            user.account.display_name if message.display_name is None else message.display_name
        ),
        bio=user.account.bio if message.bio is None else message.bio,
    )
    return _changed(user, turn, changed)


def set_avatar(user: User, message: SetAvatar, turn: Turn) -> bytes:
    """Show another picture, or none."""
    assert user.account is not None
    spend(user, turn, "edits", user.world.limits.edits_a_minute)
    old = user.account.avatar
    if old is not None and old != message.name:
        turn.errands.append(DiscardMedia(prefixes=(old,)))
    return _changed(user, turn, msgspec.structs.replace(user.account, avatar=message.name))


def own_profile(user: User, turn: Turn) -> answers.User:
    """The account as its owner sees it."""
    assert user.account is not None
    links = user.world.links
    author = author_answer(user.account, links, links.expiry_ms(turn.now_ms))
    return answers.User(
        **msgspec.structs.asdict(author),
        bio=user.account.bio,
        created_at=answers.at(user.account.created_ms),
        counts=user_counts(user.counts),
        viewer=answers.UserViewer(follow="none", followed_by=False, own=True, blocked=False),
    )


def user_counts(counts: CountsRow) -> answers.UserCounts:
    """A person's counts as clients get them."""
    return answers.UserCounts(
        followers=counts.followers,
        following=counts.following,
        videos=counts.videos,
        likes_received=counts.likes_received,
    )


def _changed(user: User, turn: Turn, account: UserRow) -> bytes:
    if account != user.account:
        user.account = account
        turn.write(account)
        turn.broadcasts.append(ProfileChanged(user_id=user.id))
    return answers.to_json(own_profile(user, turn))


def _open(user: User, turn: Turn, family_id: int) -> Granted:
    session = SessionRow(
        user_id=user.id,
        family_id=family_id,
        current=1,
        rotated_ms=turn.now_ms,
        expires_ms=_expiry(user, turn),
    )
    user.sessions[family_id] = session
    turn.write(session)
    while len(user.sessions) > user.world.limits.sessions:
        _end(user, turn, next(iter(user.sessions.values())))
    return _granted(user, turn, session)


def _end(user: User, turn: Turn, session: SessionRow) -> None:
    del user.sessions[session.family_id]
    turn.write(msgspec.structs.replace(session, ended=True))
    for connection, family in list(user.sockets.items()):
        if family == session.family_id:
            del user.sockets[connection]
            turn.frames.append((connection, 0, None))


def _granted(user: User, turn: Turn, session: SessionRow, *, with_user: bool = True) -> Granted:
    return Granted(
        user_id=user.id,
        family_id=session.family_id,
        current=session.current,
        expires_ms=session.expires_ms,
        user=answers.to_json(own_profile(user, turn)) if with_user else b"",
    )


def _expiry(user: User, turn: Turn) -> int:
    return turn.now_ms + user.world.limits.session_days * _DAY_MS
