"""The tree of errors: each explains itself, survives a process boundary, and says what is certain."""

from __future__ import annotations

import pytest

from actors.mailbox import MailboxFull
from sharding import errors
from sharding.codec import Codec
from sharding.errors import (
    Conflict,
    ErrorRecord,
    FieldError,
    Internal,
    InvalidRequest,
    KinoraError,
    NotFound,
    Overloaded,
    RateLimited,
    Unavailable,
    every_error,
)

OURS = [each for each in every_error() if each.__module__ == errors.__name__]

#: Codes are part of the contract with clients: what each class says, and whether it is certain.
CODES = {
    "KinoraError": ("internal", False),
    "InvalidRequest": ("invalid_request", False),
    "InvalidCursor": ("invalid_cursor", False),
    "Unauthenticated": ("unauthenticated", False),
    "Forbidden": ("forbidden", False),
    "NotFound": ("not_found", False),
    "MethodNotAllowed": ("method_not_allowed", False),
    "Conflict": ("conflict", False),
    "NotUploaded": ("not_uploaded", False),
    "IdempotencyConflict": ("idempotency_conflict", False),
    "InProgress": ("in_progress", None),
    "Gone": ("gone", False),
    "TooLarge": ("too_large", False),
    "UnsupportedMedia": ("unsupported_media", False),
    "Unprocessable": ("unprocessable", False),
    "UpgradeRequired": ("upgrade_required", False),
    "RateLimited": ("rate_limited", False),
    "Unavailable": ("unavailable", None),
    "Overloaded": ("unavailable", False),
    "StorageUnavailable": ("unavailable", None),
    "NotOwner": ("unavailable", False),
    "DeadlineExceeded": ("deadline_exceeded", None),
    "Internal": ("internal", None),
}


def test_the_contract_names_every_error_and_no_other():
    assert {each.__name__ for each in OURS} == set(CODES)


def test_parents_come_before_their_children():
    order = list(every_error())
    assert order[0] is KinoraError
    assert all(order.index(each.__bases__[0]) < order.index(each) for each in order[1:])


@pytest.mark.parametrize("kind", OURS)
def test_an_error_has_its_code_and_says_whether_anything_was_done(kind):
    assert (kind.code, kind().executed) == CODES[kind.__name__]


@pytest.mark.parametrize("kind", OURS)
def test_the_docstring_is_the_message(kind):
    assert kind().detail == str(kind()) == (kind.__doc__ or "").strip()
    assert kind("Said otherwise.").detail == "Said otherwise."


@pytest.mark.parametrize("kind", OURS)
@pytest.mark.parametrize("executed", [True, False, None])
def test_an_error_is_the_same_on_the_other_side(kind, executed):
    error = kind("So it was.", retry_after_s=2.5, fields=(FieldError("text", "too_long"),))
    error.executed = executed
    codec: Codec[ErrorRecord] = Codec(ErrorRecord)
    arrived = KinoraError.of(codec.decode(codec.encode(error.record())))
    assert type(arrived) is kind
    assert arrived.record() == error.record()


def test_what_is_meant_for_logs_never_leaves():
    record = NotFound(context="row 17 of the secret table").record()
    assert "secret" not in repr(record)


def test_an_error_of_a_build_that_is_newer_is_internal():
    record = ErrorRecord(kind="Sunburnt", detail="Too much sun.", executed=False)
    arrived = KinoraError.of(record)
    assert type(arrived) is Internal
    assert arrived.executed is False


def test_a_class_that_only_one_process_knows_travels_as_its_nearest_parent():
    assert type(KinoraError.of(MailboxFull().record())) is Overloaded


def test_who_waits_is_told_for_how_long():
    assert RateLimited().retry_after_s == 1.0
    assert RateLimited(retry_after_s=0.25).retry_after_s == 0.25
    assert Conflict().retry_after_s is None
    assert Unavailable(retry_after_s=0.0).retry_after_s == 0.0


def test_what_was_done_cannot_be_called_undone_by_a_default():
    assert InvalidRequest(executed=True).executed is True
    assert Unavailable(executed=False).executed is False


def test_an_operator_reads_what_happened():
    assert repr(NotFound(context="x")) == (
        "NotFound('There is nothing here that you may see.', executed=False, context='x')"
    )
