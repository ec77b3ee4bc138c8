"""What the edge needs of the rest, as Protocols whose docstrings are contracts."""

from collections.abc import AsyncIterator, Mapping
from typing import Protocol, TypeVar

from actors.answers import UploadWay
from actors.messages import (
    Caller,
    Message,
)
from actors.replies import UploadTicket

R = TypeVar("R")


class NodeClient(Protocol):
    """The way to a user's actor, wherever it lives."""

    def ask_nowait(self, user_id: int, message: Message[R], session: int) -> R | None:
        """The answer to a query when the actor is idle and warm, else None, and nothing was done.

        Raises:
            KinoraError: the actor refuses.
        """
        ...

    async def ask(self, user_id: int, message: Message[R], caller: Caller) -> R:
        """The answer to `message`. A command that was begun goes on when the asker is cancelled.

        Raises:
            KinoraError: refused, failed or too late; its `executed` says what is certain.
        """
        ...


class Names(Protocol):
    """Who has which username. A name is claimed for a while, then made final."""

    async def claim(self, username: str, user_id: int, ttl_ms: int) -> bool:
        """Hold a free name; False when it is someone else's."""
        ...

    async def confirm(self, username: str, user_id: int) -> None:
        """Make a claim final. Idempotent.

        Raises:
            Conflict: the claim has run out and the name is someone else's.
        """
        ...

    async def lookup(self, username: str) -> int | None:
        """Whose name it is; None for a free or merely claimed one."""
        ...

    async def release(self, username: str, user_id: int) -> None:
        """Give up a claim that was not confirmed. Idempotent."""
        ...


class AllowedUpload(Protocol):
    """What a signed way to the store permits."""

    @property
    def name(self) -> str: ...

    @property
    def min_bytes(self) -> int: ...

    @property
    def max_bytes(self) -> int: ...

    @property
    def content_type(self) -> str: ...


class UploadPolicies(Protocol):
    """Signs ways to the store, and reads them back where the store is our own. Pure but for the clock."""

    def sign(self, ticket: UploadTicket) -> UploadWay:
        """A fresh way for the file that `ticket` announces."""
        ...

    def verify_post(self, fields: Mapping[str, str]) -> AllowedUpload:
        """What the signed fields of a form permit.

        Raises:
            Forbidden: they were not signed here, or contradict what was signed.
            Gone: the policy has expired.
        """
        ...

    def verify_put(
        self, headers: Mapping[str, str], name: str, query: Mapping[str, str]
    ) -> AllowedUpload:
        """What the signed query of a PUT permits; `headers` have lower-case names.

        Raises:
            Forbidden: it was not signed here, or a signed header differs.
            Gone: the signature has expired.
        """
        ...


class BlobWriter(Protocol):
    """A blob on its way in. Nothing of it can be read before `commit`."""

    async def write(self, data: bytes) -> None:
        """Append.

        Raises:
            TooLarge: it would pass `max_bytes`.
        """
        ...

    async def commit(self, name: str | None = None) -> None:
        """Make it readable, whole, under `name`, or under the name that it was created with."""
        ...

    async def abort(self) -> None:
        """Leave no trace of it. Idempotent, and harmless after `commit`."""
        ...


class BlobStat(Protocol):
    """What is known of a stored blob."""

    @property
    def size_bytes(self) -> int: ...


class BlobReader(Protocol):
    """A blob that stays readable while it is held open, also when it is deleted meanwhile."""

    @property
    def size_bytes(self) -> int: ...

    def chunks(self, first: int, length: int) -> AsyncIterator[bytes]:
        """`length` bytes from offset `first`, in pieces."""
        ...

    async def close(self) -> None:
        """Let it go. Idempotent."""
        ...


class BlobGate(Protocol):
    """Where uploads and pictures lie."""

    async def create(self, name: str, *, max_bytes: int, content_type: str) -> BlobWriter:
        """Begin a blob; an existing one of that name stays until `commit`."""
        ...

    async def open_read(self, name: str) -> BlobReader | None:
        """The blob of that name, None where there is none."""
        ...

    async def stat(self, name: str) -> BlobStat | None:
        """What is known of a blob, None where there is none."""
        ...


class SharedLimits(Protocol):
    """Counts that all gateways share, so that asking several of them gains nobody anything."""

    async def spend(self, name: str, key: str, *, per_window: int, window_ms: int) -> float | None:
        """Take one of `per_window`; None, or in how many seconds the next is free.

        Raises:
            StorageUnavailable: not known whether it was counted; the caller goes by its own count.
        """
        ...


class GatewayMetrics(Protocol):
    """Told of what happens; each call is a few additions and never fails."""

    def request(self, route: str, status: int, seconds: float) -> None:
        """One answered call; `route` is `GET /video/{video_id}`."""
        ...

    def sockets(self, count: int) -> None:
        """So many websockets are open now."""
        ...

    def socket_closed(self, code: int) -> None:
        """A websocket was closed from our side with this code."""
        ...


class NoMetrics:
    """For whoever does not measure."""

    __slots__ = ()

    def request(self, route: str, status: int, seconds: float) -> None:
        """Forget it."""

    def sockets(self, count: int) -> None:
        """Forget it."""

    def socket_closed(self, code: int) -> None:
        """Forget it."""
