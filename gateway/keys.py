"""The keys that this service signs with, and where they are kept.

Three Ed25519 keys stand in the folder: the one that signs, the one that will sign after the next rotation (clients
and other gateways know it long before it is used), and the one that signed before (tokens of its last quarter of an
hour are still about). A file is written whole and linked into place, so that of several gateways that start at once
one makes the key and all use it. Files have mode 0600.
"""

import hmac
import os
import secrets
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import orjson
from joserfc.jwk import KeySet, OKPKey

CURRENT = "token-current.jwk"
NEXT = "token-next.jwk"
PREVIOUS = "token-previous.jwk"
MAC = "mac.key"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeys:
    """The keys of one reading of the folder."""

    current: OKPKey = field(repr=False)
    next: OKPKey = field(repr=False)
    previous: OKPKey | None = field(default=None, repr=False)
    mac: bytes = field(repr=False)

    @property
    def verifying(self) -> KeySet:
        """All keys that a token may be signed with."""
        return KeySet([each for each in (self.current, self.next, self.previous) if each])

    def jwks(self) -> bytes:
        """The public halves, as RFC 7517 writes them."""
        public = [
            {**key.as_dict(private=False), "kid": key.kid, "use": "sig", "alg": "Ed25519"}
            for key in (self.current, self.next, self.previous)
            if key
        ]
        return orjson.dumps({"keys": public})

    def derive(self, purpose: bytes) -> bytes:
        """A symmetric key of its own for each purpose."""
        return hmac.new(self.mac, b"kinora/" + purpose, sha256).digest()


def make_signing_keys() -> SigningKeys:
    """Fresh keys, kept nowhere."""
    return SigningKeys(current=_fresh(), next=_fresh(), mac=secrets.token_bytes(32))


def open_signing_keys(folder: Path) -> SigningKeys:
    """The keys in `folder`; those that are missing are made there.

    Raises:
        OSError: the folder cannot be read or written.
        ValueError: a file holds no key.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    previous = folder / PREVIOUS
    return SigningKeys(
        current=_read(_ensure(folder / CURRENT, _private_jwk())),
        next=_read(_ensure(folder / NEXT, _private_jwk())),
        previous=_read(previous) if previous.exists() else None,
        mac=_ensure(folder / MAC, secrets.token_bytes(32)).read_bytes(),
    )


def rotate_signing_keys(folder: Path) -> SigningKeys:
    """Let the next key sign from now on; gateways take it up when they read the folder again.

    Safe to repeat after a crash between two steps: every key that signs is always in a file.
    """
    open_signing_keys(folder)
    os.replace(folder / CURRENT, folder / PREVIOUS)
    os.replace(folder / NEXT, folder / CURRENT)
    return open_signing_keys(folder)


def _fresh() -> OKPKey:
    key = OKPKey.generate_key("Ed25519", auto_kid=True)
    assert isinstance(key, OKPKey)
    return key


def _private_jwk() -> bytes:
    return orjson.dumps(_fresh().as_dict(private=True))


def _read(path: Path) -> OKPKey:
    key = OKPKey.import_key(orjson.loads(path.read_bytes()))
    key.ensure_kid()
    return key


def _ensure(path: Path, content: bytes) -> Path:
    """Put `content` there unless something is there already, all at once and readable by us alone."""
    if path.exists():
        return path
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path
