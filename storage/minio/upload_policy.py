"""`MinioUploadPolicies`: signed ways for a client to hand one file to the store, past us.

A POST carries a policy document: exactly this bucket, key, type and size. A PUT signs type and length as
headers. Either way the store refuses whatever is not the announced file, and no byte of it comes through us.
Both stay valid until they expire, also once the file is there: see `storage.minio.blobs` for what that means.
"""

from base64 import b64encode
from collections.abc import Mapping
from typing import NoReturn
from urllib.parse import quote, urlsplit

import msgspec

from actors.answers import UploadWay, at
from actors.ports.clock import Clock
from actors.replies import UploadTicket
from sharding.errors import Internal
from storage.minio.layout import Layout
from storage.minio.settings import MinioSettings
from storage.minio.signing import ALGORITHM, Signer, moment


class MinioUploadPolicies:
    """Fills `gateway.ports.UploadPolicies` for a store that verifies what it is sent by itself."""

    __slots__ = ("_bucket", "_clock", "_lifetime_s", "_signer", "_url")

    def __init__(self, settings: MinioSettings, signer: Signer, clock: Clock) -> None:
        scheme = "https" if settings.secure else "http"
        self._url = settings.public_url or f"{scheme}://{settings.endpoint}"
        self._bucket = Layout.of(settings.bucket_prefix).quarantine
        self._lifetime_s = settings.upload_lifetime_s
        self._signer = signer
        self._clock = clock

    def sign(self, ticket: UploadTicket) -> UploadWay:
        """A fresh way for exactly the file that `ticket` announces."""
        now_ms = self._clock.unix_ms()
        if ticket.method == "PUT":
            return self._sign_put(ticket, now_ms)
        return self._sign_post(ticket, now_ms)

    def verify_post(self, fields: Mapping[str, str]) -> NoReturn:
        """Never asked: the store verifies its own forms.

        Raises:
            Internal: always.
        """
        raise Internal(context="the store verifies its own forms")

    def verify_put(
        self, headers: Mapping[str, str], name: str, query: Mapping[str, str]
    ) -> NoReturn:
        """Never asked: the store verifies its own addresses.

        Raises:
            Internal: always.
        """
        raise Internal(context="the store verifies its own addresses")

    def _sign_post(self, ticket: UploadTicket, now_ms: int) -> UploadWay:
        fields = {
            "key": ticket.source,
            "Content-Type": ticket.content_type,
            "x-amz-algorithm": ALGORITHM,
            "x-amz-credential": self._signer.credential(now_ms),
            "x-amz-date": moment(now_ms),
        }
        conditions: list[object] = [{field: value} for field, value in fields.items()]
        conditions.append({"bucket": self._bucket})
        conditions.append(["content-length-range", ticket.size_bytes, ticket.size_bytes])
        expires_at = self._expires_at(now_ms)
        policy = msgspec.json.encode({"expiration": expires_at, "conditions": conditions})
        fields["policy"] = b64encode(policy).decode()
        fields["x-amz-signature"] = self._signer.sign(fields["policy"], now_ms)
        return UploadWay(
            method="POST",
            url=f"{self._url}/{self._bucket}",
            max_bytes=ticket.size_bytes,
            expires_at=expires_at,
            fields=fields,
            file_field="file",
        )

    def _sign_put(self, ticket: UploadTicket, now_ms: int) -> UploadWay:
        url = f"{self._url}/{self._bucket}/{quote(ticket.source)}"
        parts = urlsplit(url)
        headers = {
            "Content-Type": ticket.content_type,
            "Content-Length": str(ticket.size_bytes),
        }
        query = self._signer.presign(
            "PUT", parts.netloc, parts.path, headers, lifetime_s=self._lifetime_s, unix_ms=now_ms
        )
        return UploadWay(
            method="PUT",
            url=f"{url}?{query}",
            max_bytes=ticket.size_bytes,
            expires_at=self._expires_at(now_ms),
            headers=headers,
        )

    def _expires_at(self, now_ms: int) -> str:
        # An address counts its seconds from the whole second that it names.
        return at((now_ms // 1000 + self._lifetime_s) * 1000)

    def __repr__(self) -> str:
        return f"<MinioUploadPolicies {self._url}/{self._bucket}>"
