"""Everything that Kinora refuses or fails with, as one tree.

    KinoraError
    ├─ InvalidRequest          invalid_request
    │  └─ InvalidCursor        invalid_cursor
    ├─ Unauthenticated         unauthenticated
    ├─ Forbidden               forbidden
    ├─ NotFound                not_found
    ├─ MethodNotAllowed        method_not_allowed
    ├─ Conflict                conflict
    │  ├─ NotUploaded          not_uploaded
    │  ├─ IdempotencyConflict  idempotency_conflict
    │  └─ InProgress           in_progress
    ├─ Gone                    gone
    ├─ TooLarge                too_large
    ├─ UnsupportedMedia        unsupported_media
    ├─ Unprocessable           unprocessable
    ├─ UpgradeRequired         upgrade_required
    ├─ RateLimited             rate_limited
    ├─ Unavailable             unavailable
    │  ├─ Overloaded           unavailable   a bound of ours is reached
    │  ├─ StorageUnavailable   unavailable   an engine of ours does not answer
    │  └─ NotOwner             unavailable   another node owns the shard
    ├─ DeadlineExceeded        deadline_exceeded
    └─ Internal                internal      a bug

An error knows nothing of HTTP: it has a stable `code` that clients translate, typed facts, and a
docstring that is its default message, so that each explains itself. Two facts every error carries:

- `executed` is False where it is certain that nothing was done, None where that is not known. Nobody
  may guess: a client repeats the first freely and the second only under its Idempotency-Key.
- `retry_after_s` is how long waiting helps, None where it does not.

Errors cross process boundaries as an `ErrorRecord`; `KinoraError.of` rebuilds the same class.
"""

from collections.abc import Iterator
from typing import ClassVar

import msgspec


class FieldError(msgspec.Struct, frozen=True):
    """One field of a request that is wrong, and the code of what is wrong with it."""

    field: str
    code: str


class ErrorRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An error on its way between two processes."""

    kind: str
    detail: str
    executed: bool | None
    retry_after_s: float | None = None
    fields: tuple[FieldError, ...] = ()


class KinoraError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "internal"
    #: What holds for this class unless the raiser knows better.
    certainly_not_executed: ClassVar[bool] = True
    default_retry_after_s: ClassVar[float | None] = None

    def __init__(
        self,
        detail: str | None = None,
        *,
        executed: bool | None = None,
        retry_after_s: float | None = None,
        fields: tuple[FieldError, ...] = (),
        context: str | None = None,
    ) -> None:
        self.detail = detail or self.default_detail()
        self.executed = False if executed is None and self.certainly_not_executed else executed
        self.retry_after_s = self.default_retry_after_s if retry_after_s is None else retry_after_s
        self.fields = fields
        #: For logs on the server; never sent.
        self.context = context
        super().__init__(self.detail)

    @classmethod
    def default_detail(cls) -> str:
        """The first sentence of the docstring."""
        return (cls.__doc__ or cls.__name__).partition("\n")[0].strip()

    def record(self) -> ErrorRecord:
        """This error as plain data; `context` stays behind.

        A class from elsewhere travels as the nearest one of this tree, which every process knows.
        """
        known = next(each for each in type(self).__mro__ if each.__module__ == __name__)
        return ErrorRecord(
            kind=known.__name__,
            detail=self.detail,
            executed=self.executed,
            retry_after_s=self.retry_after_s,
            fields=self.fields,
        )

    @staticmethod
    def of(record: ErrorRecord) -> "KinoraError":
        """The error that `record` was made from; `Internal` for a class that this build does not know."""
        kind = {each.__name__: each for each in every_error()}.get(record.kind, Internal)
        error = kind(record.detail, retry_after_s=record.retry_after_s, fields=record.fields)
        error.executed = record.executed
        return error

    def __repr__(self) -> str:
        facts = [repr(self.detail), f"executed={self.executed}"]
        if self.context:
            facts.append(f"context={self.context!r}")
        return f"{type(self).__name__}({', '.join(facts)})"


class InvalidRequest(KinoraError):
    """The request is not of the documented form."""

    code = "invalid_request"


class InvalidCursor(InvalidRequest):
    """The cursor was not given out by this service to this user for this list."""

    code = "invalid_cursor"


class Unauthenticated(KinoraError):
    """A valid access token of a live session is needed."""

    code = "unauthenticated"


class Forbidden(KinoraError):
    """It is visible to you but not yours to do."""

    code = "forbidden"


class NotFound(KinoraError):
    """There is nothing here that you may see."""

    code = "not_found"


class MethodNotAllowed(KinoraError):
    """The path exists, but not with this method."""

    code = "method_not_allowed"


class Conflict(KinoraError):
    """It contradicts the present state."""

    code = "conflict"


class NotUploaded(Conflict):
    """No file has arrived for this upload yet."""

    code = "not_uploaded"


class IdempotencyConflict(Conflict):
    """This Idempotency-Key was used for another request."""

    code = "idempotency_conflict"


class InProgress(Conflict):
    """A request with this Idempotency-Key is still running."""

    code = "in_progress"
    certainly_not_executed = False
    default_retry_after_s = 1.0


class Gone(KinoraError):
    """It was here, but is too old now."""

    code = "gone"


class TooLarge(KinoraError):
    """It is larger than allowed."""

    code = "too_large"


class UnsupportedMedia(KinoraError):
    """The content type is not one that this call takes."""

    code = "unsupported_media"


class Unprocessable(KinoraError):
    """It is well formed but makes no sense here."""

    code = "unprocessable"


class UpgradeRequired(KinoraError):
    """This version of the app is no longer served."""

    code = "upgrade_required"


class RateLimited(KinoraError):
    """Too many requests of this kind."""

    code = "rate_limited"
    default_retry_after_s = 1.0


class Unavailable(KinoraError):
    """The service cannot do this now."""

    code = "unavailable"
    certainly_not_executed = False
    default_retry_after_s = 1.0


class Overloaded(Unavailable):
    """A bound of the service is reached; nothing was done."""

    certainly_not_executed = True


class StorageUnavailable(Unavailable):
    """A store does not answer; whether the work was done is not known."""


class NotOwner(Unavailable):
    """Another node owns this shard; nothing was done here."""

    certainly_not_executed = True
    default_retry_after_s = 0.1


class DeadlineExceeded(KinoraError):
    """The time for this request is over; it may still take effect."""

    code = "deadline_exceeded"
    certainly_not_executed = False


class Internal(KinoraError):
    """Something unexpected happened; it has been logged."""

    certainly_not_executed = False


def every_error(root: type[KinoraError] = KinoraError) -> Iterator[type[KinoraError]]:
    """`root` and all classes below it, parents first."""
    yield root
    for each in root.__subclasses__():
        yield from every_error(each)
