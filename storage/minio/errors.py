"""What minio-py and urllib3 raise becomes ours, here and nowhere else.

That the store cannot be reached, is too busy, or does not let us in now is `StorageUnavailable`; that it calls
our request wrong is `Internal`, a bug. Whether a failed write took effect is never known: tries before the
last may have arrived.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import HTTPError

from sharding.errors import Internal, KinoraError, StorageUnavailable

#: Answers that say nothing about the request: who asks is refused, too slow, too many.
_NOT_NOW = frozenset({401, 403, 408, 425, 429})
#: Codes of S3 that mean the same with another status: a bucket is yet to be made, an upload in parts was
#: ended by somebody else, two calls met.
_NOT_NOW_CODES = frozenset({"NoSuchBucket", "NoSuchUpload", "OperationAborted", "RequestTimeout"})

_MISSING = frozenset({"NoSuchKey", "NoSuchVersion", "NotFound"})
_PRECONDITION_FAILED = 412


@contextmanager
def translating() -> Iterator[None]:
    """Run the body; whatever the driver or the file system raises leaves it as one of our errors.

    Raises:
        StorageUnavailable: the store does not do it now.
        Internal: the store refused what we asked as wrong.
    """
    try:
        yield
    except (MinioException, HTTPError, OSError) as error:
        raise translated(error) from error


def translated(error: MinioException | HTTPError | OSError) -> KinoraError:
    """Our error for one of the driver's."""
    context = f"{type(error).__name__}: {error}"
    status = status_of(error)
    if status is None or status >= 500 or status in _NOT_NOW:
        return StorageUnavailable(context=context)
    if isinstance(error, S3Error) and error.code in _NOT_NOW_CODES:
        return StorageUnavailable(context=context)
    return Internal(context=context)


def is_missing(error: S3Error | ServerError) -> bool:
    """Whether there is no such object."""
    return isinstance(error, S3Error) and error.code in _MISSING


def is_replaced(error: S3Error | ServerError) -> bool:
    """Whether the object is not the one any more that a condition named."""
    return status_of(error) == _PRECONDITION_FAILED or (
        isinstance(error, S3Error) and error.code == "PreconditionFailed"
    )


def is_unsupported(error: S3Error | InvalidResponseError | ServerError) -> bool:
    """Whether this server does not know what it was asked to set."""
    return status_of(error) in (400, 405, 501)


def status_of(error: Exception) -> int | None:
    """The HTTP status that the store answered with, None where it did not answer."""
    match error:
        case S3Error():
            return int(error.response.status)
        case ServerError():
            return error.status_code
        case InvalidResponseError():
            # The driver has no public name for it.
            return int(error._code)
    return None
