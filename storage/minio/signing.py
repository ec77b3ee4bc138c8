"""AWS Signature Version 4 for what others send: forms (POST policies) and addresses (presigned requests).

Requests of our own are signed by the driver. It cannot sign these as they must be: it takes the time from the
machine, and its presigned PUT covers nothing but the host, so that neither size nor type would be fixed.
Pure: the same input gives the same signature, and no network is asked. The examples of Amazon's documentation
are the test vectors.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who signs, and for which region."""

    access_key: str
    secret_key: str = field(repr=False)
    region: str

    def credential(self, unix_ms: int) -> str:
        """Who signs what on that day: the `x-amz-credential` of a form or an address."""
        return f"{self.access_key}/{self._scope(unix_ms)}"

    def sign(self, text: str, unix_ms: int) -> str:
        """The signature of a text, as lower-case hex: of a policy document in base64, for a form."""
        key = f"AWS4{self.secret_key}".encode()
        for step in (day(unix_ms), self.region, "s3", "aws4_request"):
            key = hmac.new(key, step.encode(), sha256).digest()
        return hmac.new(key, text.encode(), sha256).hexdigest()

    def presign(
        self,
        method: str,
        host: str,
        path: str,
        headers: Mapping[str, str],
        *,
        lifetime_s: int,
        unix_ms: int,
    ) -> str:
        """The query under which `method` may be sent once with exactly these `headers`.

        `path` is that of the address, escaped already. The body is not signed; its length is, when
        `Content-Length` is among the headers.
        """
        signed = {name.lower(): value.strip() for name, value in headers.items()} | {"host": host}
        names = ";".join(sorted(signed))
        query = {
            "X-Amz-Algorithm": ALGORITHM,
            "X-Amz-Credential": self.credential(unix_ms),
            "X-Amz-Date": moment(unix_ms),
            "X-Amz-Expires": str(lifetime_s),
            "X-Amz-SignedHeaders": names,
        }
        asked = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
        lines = (
            method,
            path,
            asked,
            *(f"{name}:{signed[name]}" for name in sorted(signed)),
            "",
            names,
            "UNSIGNED-PAYLOAD",
        )
        digest = sha256("\n".join(lines).encode()).hexdigest()
        text = "\n".join((ALGORITHM, moment(unix_ms), self._scope(unix_ms), digest))
        return f"{asked}&X-Amz-Signature={self.sign(text, unix_ms)}"

    def _scope(self, unix_ms: int) -> str:
        return f"{day(unix_ms)}/{self.region}/s3/aws4_request"


def moment(unix_ms: int) -> str:
    """`20130524T000000Z`."""
    return datetime.fromtimestamp(unix_ms // 1000, UTC).strftime("%Y%m%dT%H%M%SZ")


def day(unix_ms: int) -> str:
    """`20130524`."""
    return moment(unix_ms)[:8]
