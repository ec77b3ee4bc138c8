"""What a fault says to whoever asked."""

from __future__ import annotations

import pytest

from sharding.errors import Internal, StorageUnavailable
from storage.redis.aioredis_port import _Link
from storage.redis.faults import Crowded, ErrorReply, LinkLost


@pytest.mark.parametrize(
    ("fault", "executed"),
    [
        (LinkLost("refused", sent=False), False),
        (LinkLost("reset", sent=True), None),
        (Crowded("full"), False),
        (ErrorReply("OOM", "no memory"), False),
        (ErrorReply("READONLY", "a replica"), False),
    ],
)
def test_executed_is_false_exactly_when_nothing_can_have_been_done(fault, executed):
    error = fault.error(unknown=fault.unknown)
    assert isinstance(error, StorageUnavailable)
    assert error.executed is executed


@pytest.mark.parametrize("code", ["ERR", "WRONGTYPE", "CROSSSLOT", "NOSCRIPT"])
def test_a_command_that_redis_finds_wrong_is_a_bug_of_ours(code):
    assert isinstance(ErrorReply(code, "x").error(unknown=False), Internal)


@pytest.mark.parametrize(
    ("code", "text", "address"),
    [
        ("MOVED", "3999 127.0.0.1:6381", ("127.0.0.1", 6381)),
        ("ASK", "3999 node-1.redis:6381", ("node-1.redis", 6381)),
        ("MOVED", "3999 ::1:6381", ("::1", 6381)),
        ("MOVED", "3999 :6381", None),
        ("TRYAGAIN", "Multiple keys:1", None),
    ],
)
def test_a_redirection_names_its_node_where_it_has_a_name(code, text, address):
    assert ErrorReply(code, text).address == address


class _Reset:
    """A connection of the driver whose transport was reset before its reader heard of it."""

    closed = False

    def execute(self, *command: bytes) -> None:
        raise RuntimeError(
            "unable to perform operation on <TCPTransport closed=True>; the handler is closed"
        )

    def close(self) -> None:
        self.closed = True


def test_a_transport_that_was_reset_before_anybody_noticed_is_a_lost_link_with_nothing_sent():
    connection = _Reset()
    link = _Link(connection)

    with pytest.raises(LinkLost) as caught:
        link.send((b"PING",))

    assert not caught.value.unknown
    assert link.closed
