"""Two protocols joined in memory, and a node that says what a test tells it to."""

from __future__ import annotations

import asyncio
import random
from typing import Any, cast

from actors.links import wire
from actors.links.call import Call
from actors.links.caller import LinkEvents, NodeLink
from actors.links.parking import Parking
from actors.links.settings import CallerSettings
from actors.links.wire import Hello
from actors.messages import Caller, GetFeed, LikeVideo
from sharding.frames import Frame, FrameKind, FrameReader, encode_frame
from sharding.shards import shard_of

USER = 1001
SHARD = shard_of(USER)
FEED = GetFeed()
LIKE = LikeVideo(video_id=5, liked=True)
SETTINGS = CallerSettings(retry_first_s=0.01, retry_longest_s=0.04)


class End(asyncio.Transport):
    """One end of a joint; what is written arrives at the other in the next turn of the loop."""

    def __init__(self, protocol):
        super().__init__()
        self.protocol = protocol
        self.other: Any = None
        self.writes = []
        self.closing = self.over = False
        self.reading = True
        #: Set to have the other side hear nothing, as if this one were stopped.
        self.mute = False
        self._arrived = []

    def set_write_buffer_limits(self, high=None, low=None):
        pass

    def write(self, data):
        if self.closing:
            return
        self.writes.append(bytes(data))
        if not self.mute:
            asyncio.get_running_loop().call_soon(self.other.arrive, bytes(data))

    def arrive(self, data):
        if self.closing:
            return
        if self.reading:
            self.protocol.data_received(data)
        else:
            self._arrived.append(data)

    def pause_reading(self):
        self.reading = False

    def resume_reading(self):
        self.reading = True
        arrived, self._arrived = self._arrived, []
        for data in arrived:
            self.arrive(data)

    def is_closing(self):
        return self.closing

    def close(self):
        # What was written before arrives before the end of it.
        if not self.closing:
            self.closing = True
            loop = asyncio.get_running_loop()
            loop.call_soon(self.other.abort)
            loop.call_soon(self._lost)

    def abort(self):
        for end in (self, self.other):
            if not end.closing:
                end.closing = True
                asyncio.get_running_loop().call_soon(end._lost)

    def _lost(self):
        if self.over:
            return
        self.over = True
        for data in self._arrived:
            self.protocol.data_received(data)
        self.protocol.connection_lost(None)


def join(left, right):
    """Connect two protocols; their ends."""
    ends = End(left), End(right)
    ends[0].other, ends[1].other = ends[1], ends[0]
    left.connection_made(ends[0])
    right.connection_made(ends[1])
    return ends


class ScriptedNode(asyncio.Protocol):
    """Says hello, notes what it is asked, and answers when a test has it answer."""

    def __init__(self, *, window=8, hello=None):
        self.window = window
        self.hello = hello or Hello(name="n1", incarnation="n1-1", window=window)
        self.asks: list[Frame] = []
        self.heard: list[Frame] = []
        self.pongs = True
        self._reader = FrameReader()

    def connection_made(self, transport):
        self.end = cast(End, transport)

    def data_received(self, data):
        for frame in self._reader.feed(data):
            self.heard.append(frame)
            if frame.kind is FrameKind.HELLO:
                self.end.write(wire.hello_frame(self.hello))
            elif frame.kind is FrameKind.ASK:
                self.asks.append(frame)
            elif frame.kind is FrameKind.PING and self.pongs:
                self.end.write(wire.PING_FRAME)

    def answer(self, at=-1, body=b"{}"):
        self.say(FrameKind.REPLY, self.asks[at].call, body, wire.PLAIN)

    def say(self, kind, call=0, payload=b"", flags=0, entity=0):
        frame = Frame(kind=kind, call=call, payload=payload, flags=flags, entity=entity)
        self.end.write(encode_frame(frame))


class Wired:
    """A link to nodes that a test scripts; each connection finds a new one."""

    def __init__(self, clock, *, settings=SETTINGS, window=8, hello=None):
        self.clock = clock
        self.settings = settings
        self.window = window
        self.hello = hello
        self.nodes: list[ScriptedNode] = []
        self.ends: list[End] = []
        self.there = True
        self.pushed: list[Any] = []
        self.lost: list[str] = []
        self.parking = Parking(settings)
        self.link = NodeLink(
            "n1",
            Hello(name="g1"),
            self._dial,
            self.parking,
            settings,
            clock=clock,
            dice=random.Random(1),
            events=LinkEvents(pushed=lambda *push: self.pushed.append(push), lost=self.lost.append),
        )

    async def _dial(self, protocols):
        await asyncio.sleep(0)
        if not self.there:
            raise ConnectionRefusedError
        node = ScriptedNode(window=self.window, hello=self.hello)
        end, _ = join(protocols(), node)
        self.nodes.append(node)
        self.ends.append(end)

    @property
    def node(self):
        return self.nodes[-1]

    def ask(self, message=FEED, *, within=10.0, user=USER, keyed=False, payload=None):
        """The call of an ask that was handed to the link."""
        call = Call(
            asyncio.get_running_loop().create_future(),
            shard_of(user),
            user,
            payload or wire.encode_ask(message, Caller(session=7, keyed=keyed)),
            self.clock.monotonic() + within if within else 0.0,
            message.COMMAND,
        )
        self.link.ask(call)
        return call

    def cut(self):
        self.ends[-1].abort()

    def sweep(self):
        self.link.sweep()


def outcome(call):
    """What became of a call: its answer, its error, or None while nobody knows."""
    if not call.future.done():
        return None
    return call.future.exception() or call.future.result()
