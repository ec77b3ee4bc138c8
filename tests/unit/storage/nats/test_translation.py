"""What leaves the driver leaves as one of our errors, and names go through subjects unharmed."""

from __future__ import annotations

import inspect

import nats.errors
import nats.js.errors
import pytest

from sharding.errors import Internal, StorageUnavailable
from storage.nats.errors import translating
from storage.nats.names import Names, as_token, from_token
from storage.nats.uploads import uploads_in
from tests.unit.storage.nats.events import event

OURS = {"MaxPayloadError", "BadSubjectError", "BadHeaderError", "InvalidCallbackTypeError"}


def every_error():
    for module in (nats.errors, nats.js.errors):
        for _, kind in inspect.getmembers(module, inspect.isclass):
            if issubclass(kind, nats.errors.Error):
                yield kind


@pytest.mark.parametrize("kind", sorted(set(every_error()), key=repr))
def test_every_error_of_the_driver_is_translated(kind):
    wanted = Internal if kind.__name__ in OURS else StorageUnavailable
    # Each wants other arguments; what counts is the class.
    bare = type("Bare", (kind,), {"__init__": lambda self: None, "__str__": lambda self: "bare"})
    with pytest.raises(wanted), translating():
        raise bare()


@pytest.mark.parametrize("error", [OSError(), TimeoutError(), ConnectionResetError()])
def test_a_socket_that_fails_is_a_store_that_is_away(error):
    with pytest.raises(StorageUnavailable), translating():
        raise error


@pytest.mark.parametrize("name", ["node-1", "a.b", "*", ">", "a b", "ä", "%2E"])
def test_any_name_is_one_token(name):
    token = as_token(name)
    assert from_token(token) == name
    assert not set(token) & set(".*> ")


def test_subjects_that_are_heard_mirror_those_that_are_stored():
    names = Names("k")
    assert names.heard(names.shard(7)) == "k.heard.shard.7"
    assert names.key("*") == "k.table.*"


def test_only_uploads_in_quarantine_are_taken_for_uploads():
    names = ["quarantine/7/clip", "quarantine/7/other", "v/7/1/a.mp4", "quarantine/x/clip", "a"]
    assert [found.video_id for found in uploads_in(event(*names))] == [7]
    assert uploads_in(b"not even JSON") == []
