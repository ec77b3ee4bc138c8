"""Cursors: where a list goes on, signed for one user and one list.

A cursor is a few numbers and a keyed blake2b over them, the user and the list's name, in base64url. It
holds no secret and needs no storage; it is signed so that nobody can ask for places that were not given out.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Sequence
from hashlib import blake2b

from sharding.errors import InvalidCursor

#: 80 bits; guessing one in the life of a key is out of reach.
_MAC_BYTES = 10
#: Longest cursor that is looked at, in characters.
MAX_CHARS = 200


class Cursors:
    """Signs and opens cursors with one key."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key[:64]

    def sign(self, user_id: int, name: str, place: Sequence[int]) -> str:
        """The cursor for `place` (numbers below 2^64) in the list `name` of a user."""
        body = b"".join(number.to_bytes(8, "big") for number in place)
        return urlsafe_b64encode(body + self._mac(user_id, name, body)).rstrip(b"=").decode()

    def open(self, user_id: int, name: str, text: str, length: int) -> tuple[int, ...]:
        """The `length` numbers that were signed.

        Raises:
            InvalidCursor: it was not given out for this user and list.
        """
        if len(text) > MAX_CHARS or not text.isascii():
            raise InvalidCursor()
        try:
            raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except (NotBase64, ValueError):
            raise InvalidCursor() from None
        body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if len(body) != 8 * length or not hmac.compare_digest(mac, self._mac(user_id, name, body)):
            raise InvalidCursor()
        return tuple(int.from_bytes(body[at : at + 8], "big") for at in range(0, len(body), 8))

    def _mac(self, user_id: int, name: str, body: bytes) -> bytes:
        scope = f"{user_id}/{name}/".encode()
        return blake2b(scope + body, key=self._key, digest_size=_MAC_BYTES).digest()

    def __repr__(self) -> str:
        return "<Cursors>"
