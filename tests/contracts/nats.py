"""How the suites open NATS: streams of their own, removed afterwards."""

from __future__ import annotations

import itertools
import os
from contextlib import asynccontextmanager, suppress
from urllib.parse import quote

import msgspec
import nats
import pytest

from actors.media import source_name
from actors.ports.clock import SystemClock
from storage.nats.names import Names
from storage.nats.opening import open_nats
from storage.nats.settings import NatsSettings

#: The parameter of a fixture that runs over NATS.
NATS = pytest.param("nats", marks=pytest.mark.engines)

_COUNT = itertools.count(1)


def nats_settings(url, prefix=None, **more):
    """Settings of an installation that nobody else uses."""
    prefix = prefix or f"test{os.getpid()}-{next(_COUNT)}"
    fields = {"servers": (url,), "prefix": prefix, "stored_subject": f"{prefix}.stored"}
    return NatsSettings(**{**fields, **more})


@asynccontextmanager
async def open_test_nats(settings, tasks, clock=None, *, remove=True):
    """One process's ports, connected, with streams that go when the block ends."""
    origin = f"{settings.prefix} {next(_COUNT)}"
    try:
        async with open_nats(settings, clock or SystemClock(), tasks, origin=origin) as ports:
            await ports.ready()
            yield ports
    finally:
        if remove:
            await remove_streams(settings)


async def remove_streams(settings):
    client = await nats.connect(settings.servers[0], allow_reconnect=False)
    names = Names(settings.prefix)
    for stream in (names.inbox, names.jobs, names.table, names.uploads, names.dead):
        with suppress(nats.errors.Error):
            await client.request(f"$JS.API.STREAM.DELETE.{stream}", timeout=5)
    await client.close()


async def tell_of_stored(settings, video_id, size_bytes, name=None):
    """Publish what an object store publishes of an object; of an upload unless it has another name."""
    name = name or source_name(video_id)
    event = {"key": quote(name, safe=""), "size": size_bytes}
    record = {"eventName": "s3:ObjectCreated:Post", "s3": {"object": event}}
    client = await nats.connect(settings.servers[0], allow_reconnect=False)
    message = msgspec.json.encode({"Records": [record]})
    await client.request(settings.stored_subject, message, timeout=5)
    await client.close()
