"""Payloads: every message and every answer crosses, and what another build says is refused, not guessed."""

from __future__ import annotations

import typing

import msgspec
import pytest

from actors import messages, replies
from actors.links import wire
from actors.messages import Caller, Command, Message
from sharding.codec import UnknownMessage


def made(kind):
    """A message of this class, every field filled with something."""
    fields = {}
    for field in msgspec.structs.fields(kind):
        if field.required:
            fields[field.name] = example(field.type)
    return kind(**fields)


def example(kind):
    known = {int: 7, str: "x", bool: True, float: 1.5, bytes: b"x"}
    if kind in known:
        return known[kind]
    if typing.get_origin(kind) is typing.Literal:
        return typing.get_args(kind)[0]
    if typing.get_origin(kind) is tuple:
        return ()
    return None


def test_every_message_of_the_contract_can_be_asked_over_a_link():
    told = {
        each
        for each in vars(messages).values()
        if isinstance(each, type) and issubclass(each, Message) and each not in (Message, Command)
    }
    assert set(wire.MESSAGES) == told


@pytest.mark.parametrize("kind", wire.MESSAGES, ids=lambda kind: kind.__name__)
def test_a_message_arrives_as_it_left(kind):
    message = made(kind)
    caller = Caller(session=2**62, op_id=b"op", keyed=True, digest=b"d", request_id="r")
    asked = wire.ASKS.decode(wire.encode_ask(message, caller))
    assert asked.message == message
    assert type(asked.message) is kind
    assert (asked.session, asked.op_id, asked.keyed) == (2**62, b"op", True)
    assert (asked.digest, asked.request_id) == (b"d", "r")


def test_what_a_query_does_not_need_is_not_sent():
    payload = wire.encode_ask(messages.GetFeed(), Caller(session=7))
    assert b"op_id" not in payload
    assert b"digest" not in payload


@pytest.mark.parametrize(
    "reply",
    [
        replies.Granted(user_id=1, family_id=2, current=3, expires_ms=4, user=b"{}"),
        replies.CredentialFound(password_hash="h", version=1),
        replies.Attached(seq=2**40, resumed=True, missed=(b"a", b"b"), resync=False),
        replies.Uploads(items=(), next_cursor=None),
    ],
    ids=lambda reply: type(reply).__name__,
)
def test_a_struct_arrives_as_it_left(reply):
    assert wire.STRUCTS.decode(wire.STRUCTS.encode(reply)) == reply


def test_a_field_that_a_newer_build_added_is_passed_over():
    raw = msgspec.msgpack.decode(wire.encode_ask(messages.GetFeed(), Caller(session=7)))
    raw["message"]["colour"] = "red"
    raw["priority"] = 5
    assert wire.ASKS.decode(msgspec.msgpack.encode(raw)).message == messages.GetFeed()


def test_a_message_that_only_a_newer_build_knows_is_refused():
    with pytest.raises(UnknownMessage):
        wire.ASKS.decode(msgspec.msgpack.encode({"message": {"type": "DanceAlone"}}))


def test_a_hello_of_a_later_protocol_can_still_be_read():
    raw = {"protocol": 99, "shards": 1024, "name": "g", "incarnation": "", "window": 0, "more": [1]}
    hello = wire.HELLOS.decode(msgspec.msgpack.encode(raw))
    farewell = wire.check_hello(hello)
    assert farewell is not None
    assert (farewell.reason, farewell.detail) == ("protocol", "1 is spoken here, not 99")
