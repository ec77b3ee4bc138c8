"""Access tokens and refresh tokens: made and verified here, decided on by the user's actor.

An access token is a JWT signed with Ed25519 (RFC 8725: the algorithms are a fixed list, the key is found by `kid`
among our own and by nothing else in the header, `iss`, `aud`, `exp` and `typ` are checked). Verified headers are
remembered until they expire, so a signature is checked once per token and process.

A refresh token is opaque to clients: user, family and number under an HMAC. It is made from those alone, so the
same number always gives the same token, and an answer that got lost can be given again.
"""

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256

import orjson
from joserfc import jwt
from joserfc.errors import JoseError

from actors.ports.clock import Clock
from gateway.bounded import BoundedTable
from gateway.keys import SigningKeys
from gateway.settings import GatewaySettings
from sharding.errors import Unauthenticated
from sharding.ids import parse_id

#: RFC 9864 names the algorithm `Ed25519`; older libraries still write `EdDSA` for the same thing.
ALGORITHMS = ["Ed25519", "EdDSA"]
#: RFC 9068: an access token, and no other kind of JWT of ours.
TYPE = "at+jwt"
#: Longer ones are not ours, and not worth parsing.
_MAX_CHARS = 2_048
_REFRESH = struct.Struct(">QQQ")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, by which session, and until when that is proven."""

    user_id: int
    session: int
    expires_ms: int


class AccessTokens:
    """Signs and verifies access tokens."""

    __slots__ = ("_clock", "_keys", "_settings", "_verified")

    def __init__(self, keys: SigningKeys, settings: GatewaySettings, clock: Clock) -> None:
        self._keys = keys
        self._settings = settings
        self._clock = clock
        self._verified: BoundedTable[str, Principal] = BoundedTable(settings.verified_tokens)

    def sign(self, user_id: int, session: int) -> str:
        """A token for this user's session, valid from now."""
        now_s = self._clock.unix_ms() // 1000
        expires_s = now_s + self._settings.access_token_s
        claims = {
            "iss": self._settings.issuer,
            "aud": self._settings.audience,
            "sub": str(user_id),
            "sid": str(session),
            "iat": now_s,
            "exp": expires_s,
        }
        key = self._keys.current
        header = {"alg": ALGORITHMS[0], "typ": TYPE, "kid": key.kid}
        token = jwt.encode(header, claims, key, algorithms=ALGORITHMS)
        # Its owner is about to show it here: what was just signed need not be proven to ourselves.
        proven = Principal(user_id, session, expires_s * 1000)
        self._verified.put(f"Bearer {token}", proven)
        return token

    def principal(self, authorization: str | None) -> Principal:
        """Who sent this `Authorization` header.

        Raises:
            Unauthenticated: it proves nobody.
        """
        if authorization is None:
            raise Unauthenticated
        known = self._verified.get(authorization)
        if known is None:
            scheme, _, token = authorization.partition(" ")
            if scheme.lower() != "bearer" or not 0 < len(token) <= _MAX_CHARS:
                raise Unauthenticated
            known = self._verify(token)
            self._verified.put(authorization, known)
        if known.expires_ms <= self._clock.unix_ms():
            self._verified.pop(authorization, None)
            raise Unauthenticated("The access token has expired.")
        return known

    def _verify(self, token: str) -> Principal:
        try:
            parsed = jwt.decode(token, self._keys.verifying, algorithms=ALGORITHMS)
        except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise Unauthenticated(context=repr(error)) from None
        return self._read(parsed.header, parsed.claims)

    def _read(self, header: dict[str, object], claims: dict[str, object]) -> Principal:
        """The principal of a token whose signature holds."""
        settings = self._settings
        if header.get("typ") != TYPE or "kid" not in header:
            raise Unauthenticated
        if claims.get("iss") != settings.issuer or claims.get("aud") != settings.audience:
            raise Unauthenticated
        issued_s, expires_s = _number(claims.get("iat")), _number(claims.get("exp"))
        if issued_s * 1000 > self._clock.unix_ms() + settings.clock_skew_s * 1000:
            raise Unauthenticated
        user_id, session = _id(claims.get("sub")), _id(claims.get("sid"))
        return Principal(user_id, session, expires_s * 1000)

    def __repr__(self) -> str:
        return f"<AccessTokens {self._keys!r} remembered={len(self._verified)}>"


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """What a refresh token says once its MAC was checked."""

    user_id: int
    family_id: int
    number: int


class RefreshTokens:
    """Makes refresh tokens and reads them back."""

    __slots__ = ("_key",)

    def __init__(self, keys: SigningKeys) -> None:
        self._key = keys.derive(b"refresh")

    def make(self, token: RefreshToken) -> str:
        """The text of a token; always the same for the same facts."""
        facts = _REFRESH.pack(token.user_id, token.family_id, token.number)
        return urlsafe_b64encode(facts + self._mac(facts)).decode().rstrip("=")

    def read(self, text: str) -> RefreshToken | None:
        """The facts of a token that was made here, else None."""
        try:
            raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        except ValueError:
            return None
        facts, mac = raw[: _REFRESH.size], raw[_REFRESH.size :]
        if len(facts) != _REFRESH.size or not hmac.compare_digest(mac, self._mac(facts)):
            return None
        return RefreshToken(*_REFRESH.unpack(facts))

    def _mac(self, facts: bytes) -> bytes:
        return hmac.new(self._key, facts, sha256).digest()

    def __repr__(self) -> str:
        return "<RefreshTokens>"


class Tickets:
    """Tickets for opening a websocket: signed, so that any gateway takes them; used once where they are shown."""

    __slots__ = ("_clock", "_key", "_life_ms", "_used")

    def __init__(self, keys: SigningKeys, settings: GatewaySettings, clock: Clock) -> None:
        self._key = keys.derive(b"ticket")
        self._life_ms = settings.ticket_s * 1000
        self._clock = clock
        self._used: BoundedTable[str, int] = BoundedTable(settings.ticket_memory)

    def make(self, principal: Principal, nonce: int) -> str:
        """A ticket for this session; `nonce` makes it unlike any other."""
        facts = orjson.dumps(
            [
                principal.user_id,
                principal.session,
                self._clock.unix_ms() + self._life_ms,
                nonce,
                principal.expires_ms,
            ]
        )
        return urlsafe_b64encode(facts + self._mac(facts)).decode().rstrip("=")

    def use(self, text: str) -> Principal:
        """Whose ticket it is, the first time that it is shown here.

        Raises:
            Unauthenticated: it was not made by us, is over, or was shown before.
        """
        try:
            raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        except ValueError:
            raise Unauthenticated("This ticket was not given out here.") from None
        facts, mac = raw[:-32], raw[-32:]
        if len(text) > _MAX_CHARS or not hmac.compare_digest(mac, self._mac(facts)):
            raise Unauthenticated("This ticket was not given out here.")
        user_id, session, until_ms, nonce, expires_ms = orjson.loads(facts)
        if until_ms <= self._clock.unix_ms():
            raise Unauthenticated("This ticket is over.")
        # Of the facts, not of the text: base64 has more than one spelling for the same bytes.
        key = f"{user_id}:{nonce}"
        if key in self._used:
            raise Unauthenticated("This ticket was used before.")
        self._used.put(key, until_ms)
        return Principal(user_id, session, expires_ms)

    def _mac(self, facts: bytes) -> bytes:
        return hmac.new(self._key, facts, sha256).digest()

    def __repr__(self) -> str:
        return f"<Tickets used={len(self._used)}>"


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 40:
        raise Unauthenticated
    return value


def _id(value: object) -> int:
    number = parse_id(value) if isinstance(value, str) else None
    if number is None:
        raise Unauthenticated
    return number
