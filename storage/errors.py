"""Drivers' exceptions become ours, in one place, most specific first.

What the engine could not do now is `StorageUnavailable`; what it says we asked wrongly is `Internal`, a
bug. Whether a failed write took effect is left unknown, except where the engine is certain.
"""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sharding.errors import Internal, KinoraError, StorageUnavailable


class WrongDatabase(Exception):
    """This file is not one that this build may serve from; nothing in it was changed."""


#: Classes whose every exception is a fault in our own statements, not the engine's.
_OUR_FAULT = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.NotSupportedError,
    sqlite3.ProgrammingError,
    sqlite3.InterfaceError,
    sqlite3.Warning,
)

#: Primary result codes of SQLite (the low byte), with what an operator should read.
_REASONS = {
    sqlite3.SQLITE_FULL: "The disk is full.",
    sqlite3.SQLITE_BUSY: "Another process holds the database.",
    sqlite3.SQLITE_LOCKED: "Another connection holds the table.",
    sqlite3.SQLITE_READONLY: "The database is read-only.",
    sqlite3.SQLITE_IOERR: "The disk does not answer.",
    sqlite3.SQLITE_CORRUPT: "The database file is damaged.",
    sqlite3.SQLITE_NOTADB: "The file is not a database.",
    sqlite3.SQLITE_CANTOPEN: "The database file cannot be opened.",
    sqlite3.SQLITE_NOMEM: "The machine is out of memory.",
}

#: With these the engine did nothing at all.
_CERTAINLY_NOT_EXECUTED = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN)


@contextmanager
def translating() -> Iterator[None]:
    """Run the body; whatever SQLite or the file system raises leaves it as one of our errors.

    Raises:
        StorageUnavailable: the engine or the disk does not do it now.
        Internal: the engine refused what we asked as wrong.
    """
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning, OSError) as error:
        raise translated(error) from error


def translated(error: sqlite3.Error | sqlite3.Warning | OSError) -> KinoraError:
    """Our error for one of the driver's."""
    context = f"{type(error).__name__}: {error}"
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        return StorageUnavailable("The disk is full." if full else None, context=context)
    if isinstance(error, _OUR_FAULT):
        return Internal(context=context)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return StorageUnavailable(
        _REASONS.get(code),
        executed=False if code in _CERTAINLY_NOT_EXECUTED else None,
        context=context,
    )
