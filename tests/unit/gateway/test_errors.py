"""The table of errors is complete, and nothing but it leaves."""

import logging

import msgspec
import pytest
from sanic.exceptions import InvalidUsage, PayloadTooLarge, ServerError
from sanic.exceptions import NotFound as SanicNotFound

from gateway import errors
from sharding.errors import (
    Conflict,
    DeadlineExceeded,
    FieldError,
    InProgress,
    InvalidRequest,
    KinoraError,
    NotFound,
    NotUploaded,
    Overloaded,
    RateLimited,
    StorageUnavailable,
    Unauthenticated,
    Unavailable,
    every_error,
)
from tests.support.codes import CODES

ALL = [each for each in every_error() if each is not KinoraError]


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_has_the_status_that_its_code_promises(kind):
    assert errors.status_of(kind) == CODES[kind.code]
    assert any(each in errors.STATUS for each in kind.__mro__)


def test_every_promised_code_can_be_raised():
    assert {each.code for each in ALL} == set(CODES)


def test_every_status_has_a_title():
    assert set(errors.TITLES) == set(CODES.values())


def test_a_new_class_below_an_old_one_is_served_like_it():
    class Younger(NotUploaded):
        """Not there yet."""

    assert errors.status_of(Younger) == 409


def render(error):
    return msgspec.json.decode(errors.problem(error, "r-1"))


def test_a_problem_tells_what_is_certain_and_nothing_of_the_server():
    told = render(StorageUnavailable(context="redis at 10.0.0.7 refused"))
    assert told == {
        "type": "about:blank",
        "title": "Not available now",
        "status": 503,
        "code": "unavailable",
        "detail": "A store does not answer; whether the work was done is not known.",
        "request_id": "r-1",
        "retry_after_s": 1.0,
    }


def test_executed_is_told_only_where_it_is_certainly_false():
    assert render(Overloaded())["executed"] is False
    assert "executed" not in render(DeadlineExceeded())


def test_wrong_fields_are_named():
    error = InvalidRequest(fields=(FieldError("caption", "too_long"),))
    assert render(error)["errors"] == [{"field": "caption", "code": "too_long"}]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RateLimited(retry_after_s=0.2), {"Retry-After": "1"}),
        (Unavailable(retry_after_s=1.2), {"Retry-After": "2"}),
        (InProgress(), {"Retry-After": "1"}),
        (Conflict(), {}),
        (Unauthenticated(), {"WWW-Authenticate": "Bearer"}),
        (NotFound(), {}),
    ],
)
def test_retry_after_is_whole_seconds_rounded_up(error, expected):
    assert dict(errors.problem_headers(error)) == expected


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (SanicNotFound("x"), "not_found"),
        (PayloadTooLarge("x"), "too_large"),
        (InvalidUsage("x"), "invalid_request"),
        (ServerError("secret"), "internal"),
        (RuntimeError("secret"), "internal"),
    ],
)
def test_whatever_is_raised_becomes_a_documented_code(raised, code):
    error = errors.as_error(raised)
    assert error.code == code
    assert b"secret" not in errors.problem(error, "r")


@pytest.mark.parametrize(
    ("cause", "level", "traceback"),
    [
        (NotFound(), logging.INFO, False),
        (Unavailable(), logging.WARNING, False),
        (DeadlineExceeded(), logging.WARNING, False),
        (ZeroDivisionError("x"), logging.ERROR, True),
    ],
)
def test_the_log_level_follows_the_blame(caplog, cause, level, traceback):
    caplog.set_level(logging.INFO, "kinora.gateway")
    errors.log(errors.as_error(cause), cause, route="GET /x", request_id="r")
    (record,) = caplog.records
    assert record.levelno == level
    assert bool(record.exc_info) is traceback


def test_a_flood_that_is_refused_does_not_fill_the_log(caplog):
    caplog.set_level(logging.INFO, "kinora.gateway")
    errors.log(RateLimited(), RateLimited(), route="GET /feed", request_id="r")
    assert not caplog.records


def test_only_a_lost_session_ends_a_websocket():
    assert errors.close_code_of(Unauthenticated()) == 4401
    assert errors.close_code_of(NotFound()) is None
