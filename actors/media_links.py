"""The way to a video's media: a base address whose path holds the signature.

    <media url>/<signature>/<expiry>/v/<video>/<generation>/<name>

One signature covers everything below a video's prefix (or a person's, for their picture), so that names in
a playlist inherit it, a removal revokes it whole, and a cache can leave it out of its key. The expiry is
rounded up to the hour: all who ask within an hour get the same address, and a card is signed once for them.

Two signatures, one form of address: `MediaLinks` where we verify, `EdgeLinks` where nginx does.
"""

import hmac
from base64 import urlsafe_b64encode
from hashlib import md5, sha256

from sharding.errors import Forbidden, Gone

#: A base is valid for at least this long when it is served (API.md).
MIN_VALID_MS = 6 * 3_600_000
_HOUR_MS = 3_600_000
#: 128 bits of the MAC, in base64 without padding.
_SIGNATURE_CHARS = 22


class MediaLinks:
    """Signs and verifies media paths; pure but for the key."""

    __slots__ = ("_key", "url")

    def __init__(self, url: str, key: bytes) -> None:
        #: Where the edge (or the embedded gateway) serves media, without a slash at the end.
        self.url = url
        self._key = key

    def expiry_ms(self, now_ms: int) -> int:
        """The expiry that everything signed in this hour shares."""
        return (now_ms // _HOUR_MS + 1) * _HOUR_MS + MIN_VALID_MS

    def base(self, prefix: str, *, expires_ms: int) -> str:
        """The address below which the objects of `prefix` (`v/<id>/<generation>/`, `a/<id>/`) lie."""
        expiry_s = expires_ms // 1000
        return f"{self.url}/{self._sign(_scope(prefix), expiry_s)}/{expiry_s}/{prefix}"

    def verify(self, signature: str, expiry: str, name: str, *, now_ms: int) -> str:
        """The blob's name, once the path is proven to be one of ours.

        Raises:
            Forbidden: the signature does not fit.
            Gone: it has expired.
        """
        if not (expiry.isascii() and expiry.isdigit() and len(expiry) < 16):
            raise Forbidden("This address was not signed here.")
        if not hmac.compare_digest(
            signature.encode(), self._sign(_scope(name), int(expiry)).encode()
        ):
            raise Forbidden("This address was not signed here.")
        if int(expiry) * 1000 <= now_ms:
            raise Gone("This address has expired; read the video again.")
        return name

    def _sign(self, scope: str, expiry_s: int) -> str:
        mac = hmac.new(self._key, f"{expiry_s}/{scope}".encode(), sha256).digest()
        return urlsafe_b64encode(mac).decode()[:_SIGNATURE_CHARS]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}>"


class EdgeLinks(MediaLinks):
    """Signs what nginx verifies by itself: its `secure_link` knows MD5 over a text that ends with a secret.

    MD5 is broken for collisions, and this is no HMAC. It is tolerable here, and nowhere else, because none of
    what is known helps a forger: a collision needs two texts of his choice, while ours are a number, `v` or
    `a`, and a number, in one block with 64 characters of secret that he does not know; an extended text
    would go on behind the secret, and nginx reads nothing behind it; and the best known preimage attack takes
    2^123 steps, for an address that ends within seven hours and opens one video.
    """

    __slots__ = ()

    @property
    def secret(self) -> str:
        """The key as nginx has to be told it."""
        return sha256(b"edge links " + self._key).hexdigest()

    def _sign(self, scope: str, expiry_s: int) -> str:
        digest = md5(f"{expiry_s}/{scope} {self.secret}".encode()).digest()
        return urlsafe_b64encode(digest).decode()[:_SIGNATURE_CHARS]


def _scope(name: str) -> str:
    """What one signature covers: the first two steps of a name."""
    return "/".join(name.split("/", 2)[:2])
