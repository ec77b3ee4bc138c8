"""Every exception of the driver becomes one of ours."""

from __future__ import annotations

import errno
import sqlite3

import pytest

from sharding.errors import Internal, KinoraError, StorageUnavailable
from storage.embedded.database import MEMORY, open_database
from storage.embedded.runners import InlineRunner
from storage.errors import translated, translating

DRIVER = [
    each
    for each in vars(sqlite3).values()
    if isinstance(each, type) and issubclass(each, Exception)
]


def test_the_driver_has_the_exceptions_that_we_know_of():
    assert len(DRIVER) == 10


@pytest.mark.parametrize("kind", DRIVER)
def test_every_exception_of_the_driver_is_translated(kind):
    with pytest.raises(KinoraError) as raised, translating():
        raise kind("words")
    assert isinstance(raised.value, StorageUnavailable | Internal)
    assert "words" in (raised.value.context or "")
    assert "words" not in raised.value.detail


@pytest.mark.parametrize("kind", [sqlite3.OperationalError, sqlite3.DatabaseError, sqlite3.Error])
def test_what_the_engine_cannot_do_leaves_the_outcome_open(kind):
    error = translated(kind())
    assert isinstance(error, StorageUnavailable)
    assert error.executed is None


@pytest.mark.parametrize(
    ("code", "executed", "word"),
    [
        (sqlite3.SQLITE_FULL, None, "full"),
        (sqlite3.SQLITE_BUSY, False, "Another process"),
        (sqlite3.SQLITE_READONLY, False, "read-only"),
        (sqlite3.SQLITE_CORRUPT, None, "damaged"),
        (sqlite3.SQLITE_IOERR | 5 << 8, None, "disk"),
    ],
)
def test_an_operator_reads_why(code, executed, word):
    error = sqlite3.OperationalError()
    error.sqlite_errorcode = code
    assert word in translated(error).detail
    assert translated(error).executed is executed


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_for_files_too(number):
    assert "full" in translated(OSError(number, "words")).detail


def test_our_own_errors_pass_untouched():
    with pytest.raises(KeyError), translating():
        raise KeyError


async def test_a_wrong_statement_is_a_bug_or_unavailable_but_never_the_drivers_own():
    async with open_database(MEMORY, InlineRunner()) as database:
        with pytest.raises(KinoraError):
            await database.read(lambda connection: connection.execute("SELECT nonsense"))
