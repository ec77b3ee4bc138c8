"""Nothing but a token of ours, for us, in time, proves anyone."""

import stat
from base64 import urlsafe_b64encode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey

from gateway.keys import make_signing_keys, open_signing_keys, rotate_signing_keys
from gateway.settings import GatewaySettings
from gateway.tokens import AccessTokens, Principal, RefreshToken, RefreshTokens, Tickets
from sharding.errors import Unauthenticated
from tests.unit.gateway.clock import StandingClock

KEYS = make_signing_keys()
SETTINGS = GatewaySettings()
CLOCK = StandingClock()
NOW = CLOCK.unix_ms() // 1000
CLAIMS = {
    "iss": "kinora",
    "aud": "kinora-api",
    "sub": "12",
    "sid": "34",
    "iat": NOW,
    "exp": NOW + 900,
}
HEADER = {"alg": "Ed25519", "typ": "at+jwt", "kid": KEYS.current.kid}


def tokens(clock=CLOCK, keys=KEYS):
    return AccessTokens(keys, SETTINGS, clock)


def encode(header=None, claims=None, key=None):
    key = key or KEYS.current
    header = {**HEADER, **(header or {})}
    claims = {**CLAIMS, **(claims or {})}
    header = {name: value for name, value in header.items() if value is not None}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(header, claims, key, algorithms=[header["alg"]])


def b64(value):
    raw = value if isinstance(value, bytes) else orjson.dumps(value)
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def test_a_token_of_ours_proves_its_user_and_session():
    token = tokens().sign(12, 34)
    expected = Principal(12, 34, (NOW + 900) * 1000)
    assert tokens().principal(f"Bearer {token}") == expected
    assert tokens().principal(f"bearer {token}") == expected


def test_what_was_signed_here_is_not_proven_to_ourselves():
    class NothingToVerifyWith:
        current = KEYS.current
        verifying = None

    ours = tokens(keys=NothingToVerifyWith())
    token = ours.sign(12, 34)
    assert ours.principal(f"Bearer {token}") == Principal(12, 34, (NOW + 900) * 1000)
    with pytest.raises(Unauthenticated):
        ours.principal(f"Bearer {token[:-4]}AAAA")


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_older_name_of_the_algorithm_is_taken_too():
    token = encode({"alg": "EdDSA"})
    assert tokens().principal(f"Bearer {token}").user_id == 12


def test_a_token_of_the_next_key_is_taken_before_it_signs():
    assert tokens().principal(f"Bearer {encode({'kid': KEYS.next.kid}, key=KEYS.next)}")


STRANGER = OKPKey.generate_key("Ed25519")
PUBLIC = orjson.dumps(KEYS.current.as_dict(private=False))
FORGED = {
    "none": lambda: f"{b64({**HEADER, 'alg': 'none'})}.{b64(CLAIMS)}.",
    "none, spelt otherwise": lambda: f"{b64({**HEADER, 'alg': 'nOnE'})}.{b64(CLAIMS)}.",
    "another key under our kid": lambda: encode(key=STRANGER),
    "a key that is unknown": lambda: encode({"kid": "stranger"}, key=STRANGER),
    "a key within the header": lambda: jwt.encode(
        {**HEADER, "jwk": STRANGER.as_dict(private=False)},
        CLAIMS,
        STRANGER,
        algorithms=["Ed25519"],
    ),
    "the public key as a secret": lambda: jwt.encode(
        {**HEADER, "alg": "HS256"}, CLAIMS, OctKey.import_key(PUBLIC), algorithms=["HS256"]
    ),
    "another curve": lambda: jwt.encode(
        {**HEADER, "alg": "ES256"}, CLAIMS, ECKey.generate_key("P-256"), algorithms=["ES256"]
    ),
    "no kid": lambda: encode({"kid": None}),
    "expired": lambda: encode(claims={"exp": NOW - 1}),
    "expires at this moment": lambda: encode(claims={"exp": NOW}),
    "no expiry": lambda: encode(claims={"exp": None}),
    "an expiry that is no number": lambda: encode(claims={"exp": str(NOW + 900)}),
    "an endless expiry": lambda: encode(claims={"exp": 1 << 70}),
    "issued tomorrow": lambda: encode(claims={"iat": NOW + 86_400, "exp": NOW + 90_000}),
    "another audience": lambda: encode(claims={"aud": "kinora-admin"}),
    "several audiences": lambda: encode(claims={"aud": ["kinora-api", "other"]}),
    "no audience": lambda: encode(claims={"aud": None}),
    "another issuer": lambda: encode(claims={"iss": "someone"}),
    "another kind of token": lambda: encode({"typ": "JWT"}),
    "no kind": lambda: encode({"typ": None}),
    "no user": lambda: encode(claims={"sub": None}),
    "a user that is no id": lambda: encode(claims={"sub": "-1"}),
    "a user that is a number": lambda: encode(claims={"sub": 12}),
    "no session": lambda: encode(claims={"sid": None}),
    "claims that are a list": lambda: f"{b64(HEADER)}.{b64([])}.{b64(b'x' * 64)}",
    "cut short": lambda: encode()[:-4],
    "another user under the same signature": lambda: ".".join(
        [encode().split(".")[0], b64({**CLAIMS, "sub": "13"}), encode().split(".")[2]]
    ),
    "nothing": lambda: "",
    "two words": lambda: encode() + " x",
    "far too long": lambda: "a" * 10_000,
    "no JWT": lambda: "a.b",
}


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED.keys())
def test_a_forged_or_foreign_token_proves_nobody(forge):
    with pytest.raises(Unauthenticated):
        tokens().principal(f"Bearer {forge()}")


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic abc", "Token x.y.z"])
def test_another_header_proves_nobody(header):
    with pytest.raises(Unauthenticated):
        tokens().principal(header)


def test_a_remembered_token_expires_on_time():
    clock = StandingClock()
    mine = tokens(clock)
    header = f"Bearer {mine.sign(12, 34)}"
    mine.principal(header)
    clock.advance(899)
    mine.principal(header)
    clock.advance(1)
    with pytest.raises(Unauthenticated, match="expired"):
        mine.principal(header)


@given(st.text(max_size=200))
def test_no_header_whatever_raises_anything_else(text):
    with pytest.raises(Unauthenticated):
        tokens().principal("Bearer " + text)


ids = st.integers(1, 2**63 - 1)


@given(ids, ids, st.integers(0, 2**40))
def test_a_refresh_token_says_what_it_was_made_of(user_id, family_id, number):
    mine = RefreshTokens(KEYS)
    token = RefreshToken(user_id, family_id, number)
    assert mine.read(mine.make(token)) == token
    assert mine.make(token) == mine.make(token)


def test_a_refresh_token_with_any_byte_changed_says_nothing():
    mine = RefreshTokens(KEYS)
    text = mine.make(RefreshToken(1, 2, 3))
    for place in range(len(text) - 1):
        other = "A" if text[place] != "A" else "B"
        assert mine.read(text[:place] + other + text[place + 1 :]) is None
    assert RefreshTokens(make_signing_keys()).read(text) is None


@given(st.text(max_size=120))
def test_what_is_no_refresh_token_says_nothing(text):
    assert RefreshTokens(KEYS).read(text) is None


def test_a_ticket_opens_once_and_only_in_time():
    clock = StandingClock()
    mine = Tickets(KEYS, SETTINGS, clock)
    who = Principal(12, 34, clock.unix_ms() + 900_000)
    first, second = mine.make(who, 1), mine.make(who, 2)
    assert mine.use(first) == who
    for again in (first, first + "=", first + "=="):
        with pytest.raises(Unauthenticated):
            mine.use(again)
    clock.advance(30)
    with pytest.raises(Unauthenticated, match="over"):
        mine.use(second)


@given(st.text(max_size=200))
def test_what_is_no_ticket_opens_nothing(text):
    with pytest.raises(Unauthenticated):
        Tickets(KEYS, SETTINGS, CLOCK).use(text)


def test_keys_are_made_once_and_readable_by_us_alone(tmp_path):
    folder = tmp_path / "secrets"
    first, second = open_signing_keys(folder), open_signing_keys(folder)
    assert first.current.kid == second.current.kid
    assert first.mac == second.mac
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_token_outlives_a_rotation(tmp_path):
    before = open_signing_keys(tmp_path)
    token = tokens(keys=before).sign(12, 34)
    after = rotate_signing_keys(tmp_path)
    assert after.current.kid == before.next.kid
    assert tokens(keys=after).principal(f"Bearer {token}").user_id == 12
    with pytest.raises(Unauthenticated):
        tokens(keys=rotate_signing_keys(tmp_path)).principal(f"Bearer {token}")


def test_keys_tell_no_secret():
    assert "'d'" not in repr(KEYS)
    assert repr(KEYS.mac) not in repr(KEYS)
    published = orjson.loads(KEYS.jwks())["keys"]
    assert {each["kid"] for each in published} == {KEYS.current.kid, KEYS.next.kid}
    assert all("d" not in each and each["alg"] == "Ed25519" for each in published)
