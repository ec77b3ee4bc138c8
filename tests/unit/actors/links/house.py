"""A door with scripted actors behind it and gateways in front of it."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from actors.links import wire
from actors.links.door import NodeDoor
from actors.links.pushes import RemoteSockets
from actors.links.settings import DoorSettings
from actors.links.wire import Hello
from actors.messages import Caller, Message
from sharding.frames import Frame, FrameKind, FrameReader, encode_frame
from sharding.table import Home
from tests.unit.actors.links.wires import FEED, SHARD, USER, End, join
from tests.unit.actors.virtual_time import settled

SETTINGS = DoorSettings(window=4, max_asks=8, min_window=1)


class Actors:
    """A runtime that answers as a test says."""

    def __init__(self):
        self.owned: Any = range(1024)
        self.ready: Any = None
        self.replies: dict[type, Any] = {}
        self.asked: list[tuple[int, Message[Any], Caller]] = []

    def ask_nowait(self, user_id, message, session):
        if isinstance(self.ready, Exception):
            raise self.ready
        return self.ready

    async def ask(self, user_id, message, caller):
        self.asked.append((user_id, message, caller))
        reply = self.replies.get(type(message), b"{}")
        if isinstance(reply, asyncio.Event):
            await reply.wait()
            reply = b"late"
        if isinstance(reply, Exception):
            raise reply
        return reply

    def of(self, kind):
        return [message for _, message, _ in self.asked if isinstance(message, kind)]


class Gateway(asyncio.Protocol):
    """Says what a test has it say, and notes what it hears."""

    def __init__(self, name="g1"):
        self.name = name
        self.heard: list[Frame] = []
        self.over = False
        self._reader = FrameReader()
        self._calls = 0

    def connection_made(self, transport):
        self.end = cast(End, transport)

    def data_received(self, data):
        self.heard.extend(self._reader.feed(data))

    def connection_lost(self, exc):
        self.over = True

    def say(self, kind, payload=b"", **more):
        self.end.write(encode_frame(Frame(kind=kind, payload=payload, **more)))

    def hello(self, hello=None):
        self.end.write(wire.hello_frame(hello or Hello(name=self.name)))

    def ask(self, message=FEED, *, shard=SHARD, deadline_ms=5_000, **caller):
        self._calls += 1
        payload = wire.encode_ask(message, Caller(session=7, **caller))
        more = {"call": self._calls, "shard": shard, "entity": USER, "deadline_ms": deadline_ms}
        self.say(FrameKind.ASK, payload, **more)
        return self._calls

    def of(self, kind):
        return [frame for frame in self.heard if frame.kind is kind]

    def answer(self, call):
        (frame,) = [
            frame
            for frame in self.heard
            if frame.call == call and frame.kind in (FrameKind.REPLY, FrameKind.ERROR)
        ]
        if frame.kind is FrameKind.ERROR:
            return wire.ERRORS.decode(frame.payload)
        return frame.payload if frame.flags else wire.STRUCTS.decode(frame.payload)


class House:
    """A door, its actors, and gateways in front of it."""

    def __init__(self, clock, tasks, alarms, settings=SETTINGS):
        self.actors = Actors()
        self.sockets = RemoteSockets()
        self.alarms = alarms
        self.homes: dict[int, Home] = {}
        self.door = NodeDoor(
            Hello(name="n1", incarnation="n1-1"),
            self.actors,
            self.sockets,
            self.homes.get,
            settings,
            clock=clock,
            tasks=tasks,
            alarm=alarms,
        )

    async def gateway(self, name="g1", *, greet=True):
        gateway = Gateway(name)
        join(gateway, self.door.enter())
        if greet:
            gateway.hello()
        await settled(5)
        return gateway
