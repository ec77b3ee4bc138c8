"""`HmacUploadPolicies`: signed ways to hand a file to our own store, in the manner of S3.

A POST carries a policy document (base64 of JSON: expiration, exact key, exact type, range of sizes) and its
HMAC-SHA256; a PUT carries its signature in the query and signs two headers. What they permit is written in
what is signed, so verifying needs the key and the clock, and no memory of what was handed out.
"""

import hmac
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from actors.answers import UploadWay, at
from actors.ports.clock import Clock
from actors.replies import UploadTicket
from sharding.errors import Forbidden, Gone

#: How long a way stays open, in milliseconds.
LIFETIME_MS = 3_600_000
#: The longest policy document that is looked at, in base64 characters.
MAX_POLICY_CHARS = 4096

_ALGORITHM = "HMAC-SHA256"
_FIELDS = frozenset({"key", "Content-Type", "policy", "x-amz-algorithm", "x-amz-signature"})


class AllowedUpload(msgspec.Struct, frozen=True, kw_only=True):
    """What a signed way to the store permits."""

    name: str
    min_bytes: int
    max_bytes: int
    content_type: str


class _Policy(msgspec.Struct, frozen=True):
    expiration: str
    conditions: list[Any]


class HmacUploadPolicies:
    """Fills `gateway.ports.UploadPolicies`; pure but for the clock."""

    __slots__ = ("_clock", "_key", "_lifetime_ms", "_url")

    def __init__(self, url: str, key: bytes, clock: Clock, lifetime_ms: int = LIFETIME_MS) -> None:
        """`url`, without a slash at its end, takes POSTs; a PUT goes to `url/name`."""
        self._url = url
        self._key = key
        self._clock = clock
        self._lifetime_ms = lifetime_ms

    def sign(self, ticket: UploadTicket) -> UploadWay:
        """A fresh way for exactly the file that `ticket` announces."""
        expires_ms = self._clock.unix_ms() + self._lifetime_ms
        if ticket.method == "PUT":
            return self._sign_put(ticket, expires_ms)
        return self._sign_post(ticket, expires_ms)

    def verify_post(self, fields: Mapping[str, str]) -> AllowedUpload:
        """What the signed fields of a form permit.

        Raises:
            Forbidden: they were not signed here, or contradict what was signed.
            Gone: the policy has expired.
        """
        encoded = fields.get("policy", "")
        if set(fields) != _FIELDS or len(encoded) > MAX_POLICY_CHARS:
            raise Forbidden("The form holds other fields than those that were signed.")
        self._check(fields["x-amz-signature"], encoded)
        try:
            policy = msgspec.json.decode(b64decode(encoded, validate=True), type=_Policy)
            exact = {
                field: value
                for condition in policy.conditions
                if isinstance(condition, dict)
                for field, value in condition.items()
            }
            ranges = [each for each in policy.conditions if isinstance(each, list)]
            ((_, min_bytes, max_bytes),) = ranges
            expires_ms = int(datetime.fromisoformat(policy.expiration).timestamp() * 1000)
            allowed = AllowedUpload(
                name=exact["key"],
                min_bytes=min_bytes,
                max_bytes=max_bytes,
                content_type=exact["Content-Type"],
            )
        except (msgspec.DecodeError, Base64Error, ValueError, KeyError) as error:
            raise Forbidden("The policy is not one of ours.") from error
        if any(fields[field] != value for field, value in exact.items()):
            raise Forbidden("The form contradicts the policy that was signed.")
        self._check_time(expires_ms)
        return allowed

    def verify_put(
        self, headers: Mapping[str, str], name: str, query: Mapping[str, str]
    ) -> AllowedUpload:
        """What the signed query of a PUT permits; `headers` have lower-case names.

        Raises:
            Forbidden: it was not signed here, or a signed header differs.
            Gone: the signature has expired.
        """
        expires = query.get("x-amz-expires", "")
        size = headers.get("content-length", "")
        content_type = headers.get("content-type", "")
        if not all(
            text.isascii() and text.isdigit() and len(text) < 16 for text in (expires, size)
        ):
            raise Forbidden("This address was not signed here, or a signed header is missing.")
        self._check(query.get("x-amz-signature", ""), _put_text(name, expires, content_type, size))
        self._check_time(int(expires))
        return AllowedUpload(
            name=name, min_bytes=int(size), max_bytes=int(size), content_type=content_type
        )

    def _sign_post(self, ticket: UploadTicket, expires_ms: int) -> UploadWay:
        fields = {
            "key": ticket.source,
            "Content-Type": ticket.content_type,
            "x-amz-algorithm": _ALGORITHM,
        }
        conditions: list[Any] = [{field: value} for field, value in fields.items()]
        conditions.append(["content-length-range", ticket.size_bytes, ticket.size_bytes])
        policy = _Policy(at(expires_ms), conditions)
        fields["policy"] = b64encode(msgspec.json.encode(policy)).decode()
        fields["x-amz-signature"] = self._sign(fields["policy"])
        return UploadWay(
            method="POST",
            url=self._url,
            max_bytes=ticket.size_bytes,
            expires_at=at(expires_ms),
            fields=fields,
            file_field="file",
        )

    def _sign_put(self, ticket: UploadTicket, expires_ms: int) -> UploadWay:
        size = str(ticket.size_bytes)
        signature = self._sign(_put_text(ticket.source, str(expires_ms), ticket.content_type, size))
        query = urlencode({"x-amz-expires": expires_ms, "x-amz-signature": signature})
        return UploadWay(
            method="PUT",
            url=f"{self._url}/{quote(ticket.source)}?{query}",
            max_bytes=ticket.size_bytes,
            expires_at=at(expires_ms),
            headers={"Content-Type": ticket.content_type, "Content-Length": size},
        )

    def _sign(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), sha256).hexdigest()

    def _check(self, signature: str, text: str) -> None:
        if not hmac.compare_digest(signature.encode(), self._sign(text).encode()):
            raise Forbidden("This upload was not signed here.")

    def _check_time(self, expires_ms: int) -> None:
        if expires_ms <= self._clock.unix_ms():
            raise Gone("This way to upload has expired; ask for a fresh one.")

    def __repr__(self) -> str:
        return f"<HmacUploadPolicies {self._url}>"


def _put_text(name: str, expires: str, content_type: str, size: str) -> str:
    # JSON keeps the parts apart, whatever they hold.
    return msgspec.json.encode(["PUT", name, expires, content_type, size]).decode()
