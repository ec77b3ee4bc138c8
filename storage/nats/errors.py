"""What nats-py raises becomes ours, here and nowhere else.

A server that is away, slow, full or without a leader is `StorageUnavailable`: repeat the call. A message that
no server would ever take (too large, a bad subject) is `Internal`, a bug of ours: repeating it helps nobody.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import nats.errors

from sharding.errors import Internal, KinoraError, StorageUnavailable

#: Classes whose every exception is a fault in what we asked.
_OUR_FAULT = (
    nats.errors.MaxPayloadError,
    nats.errors.BadSubjectError,
    nats.errors.BadHeaderError,
    nats.errors.InvalidCallbackTypeError,
)


class WrongRevision(Exception):
    """Somebody else has changed this key meanwhile; never leaves this folder."""


class Refused(StorageUnavailable):
    """The message bus refuses this now."""

    def __init__(self, number: int, why: str) -> None:
        """`number` is the server's own for what is wrong: the stream is full, missing, without a leader."""
        super().__init__(executed=False, context=f"{why} ({number})")
        self.number = number


@contextmanager
def translating() -> Iterator[None]:
    """Run the body; whatever the driver or the socket raises leaves it as one of our errors.

    Raises:
        StorageUnavailable: NATS does not do it now; unknown whether it did.
        Internal: we asked for what no server does.
    """
    try:
        yield
    except (nats.errors.Error, OSError) as error:
        raise translated(error) from error


def translated(error: nats.errors.Error | OSError) -> KinoraError:
    """Our error for one of the driver's."""
    context = f"{type(error).__name__}: {error}"
    if isinstance(error, _OUR_FAULT):
        return Internal(context=context)
    return StorageUnavailable(context=context)


def away(context: str, *, executed: bool | None = False) -> StorageUnavailable:
    """What is raised where NATS is known to be away; by default it is certain that nothing was done."""
    return StorageUnavailable(executed=executed, context=context)
