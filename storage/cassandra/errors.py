"""The driver's exceptions become ours, here and nowhere else.

What Cassandra could not do now is `StorageUnavailable`, and whether a failed write took effect stays unknown:
a coordinator that timed out may have reached a replica, and hints deliver later. What it says we asked wrongly
is `Internal`, a bug.
"""

from cassandra import (
    AlreadyExists,
    AuthenticationFailed,
    DriverException,
    InvalidRequest,
    OperationTimedOut,
    ReadTimeout,
    Unauthorized,
    Unavailable,
    WriteTimeout,
)
from cassandra.cluster import NoHostAvailable
from cassandra.connection import ConnectionException
from cassandra.protocol import ErrorMessage, SyntaxException

from sharding.errors import Internal, KinoraError, StorageUnavailable

_OUR_FAULT = (InvalidRequest, SyntaxException, Unauthorized, AlreadyExists)

_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (NoHostAvailable, "No Cassandra node answers."),
    (Unavailable, "Too few Cassandra replicas are alive."),
    (ReadTimeout, "Cassandra's replicas did not answer in time."),
    (WriteTimeout, "Cassandra's replicas did not answer in time."),
    (OperationTimedOut, "Cassandra did not answer in time."),
    (AuthenticationFailed, "Cassandra does not accept who we are."),
)

#: Everything that the driver raises; `OSError` is a socket's, `ErrorMessage` a server's without a class of its own.
DRIVER_ERRORS = (
    DriverException,
    NoHostAvailable,
    ConnectionException,
    ErrorMessage,
    OSError,
)


def translated(error: BaseException) -> KinoraError:
    """Our error for one of the driver's."""
    context = f"{type(error).__name__}: {error}"
    if isinstance(error, KinoraError):
        return error
    if isinstance(error, _OUR_FAULT) or not isinstance(error, DRIVER_ERRORS):
        return Internal(context=context)
    reason = next((text for kind, text in _REASONS if isinstance(error, kind)), None)
    return StorageUnavailable(reason, context=context)
