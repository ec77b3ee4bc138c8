"""One person's websocket: says hello, resumes by number after every loss, and asks over it.

What was asked and not answered is asked again with the same id after a reconnect, which API.md makes safe.
Events must come with growing numbers; whatever else they do is counted, not judged.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from actors.tasks import TaskSet
from ops.demo.client import Answer, GaveUp, Person, Refused

#: Most bytes of one frame; the contract has 16 KiB.
MAX_FRAME_BYTES = 64 * 1024
#: Seconds until a server that accepted the connection must have said welcome.
WELCOME_S = 10.0


class Live:
    """A websocket that is kept up until the block of `open_live` ends."""

    def __init__(self, person: Person, *, by_ticket: bool) -> None:
        self.person = person
        self.events: Counter[str] = Counter()
        #: What the server did that it must not do.
        self.complaints: list[str] = []
        self.connects = 0
        self.resumed = 0
        self._by_ticket = by_ticket
        self._tries = 0
        self._seq: int | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._asked: dict[str, tuple[dict[str, Any], asyncio.Future[dict[str, Any]]]] = {}

    async def ask(self, op: str, **fields: object) -> dict[str, Any]:
        """The server's acknowledgement.

        Raises:
            Refused: it answered with an error.
            GaveUp: no answer within the patience.
        """
        frame = {"op": op, "id": self.person.wire.mint_key(), **fields}
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[str(frame["id"])] = (frame, answer)
        try:
            async with asyncio.timeout(self.person.wire.patience.total_s):
                if self._socket is not None:
                    await self._say(self._socket, frame)
                said = await answer
        except TimeoutError:
            raise GaveUp(f"websocket {op}: no answer") from None
        finally:
            self._asked.pop(str(frame["id"]), None)
        if said["op"] == "error":
            refusal = Answer(status=0, body=said)
            self.person.wire.weather.refused[f"WS {op}: {refusal.code}"] += 1
            raise Refused(f"WS {op}", refusal)
        return said

    async def run(self) -> None:
        """Connect, and again whenever the connection is gone; ends only by being cancelled."""
        wire = self.person.wire
        pause = wire.patience.first_pause_s
        while True:
            try:
                async with await self._connect() as socket:
                    await self._greet(socket)
                    pause = wire.patience.first_pause_s
                    await self._listen(socket)
            except (aiohttp.ClientError, TimeoutError, OSError, GaveUp):
                wire.weather.lost += 1
            except Refused:
                # Too many connections, or a session that ended: the next try says which.
                pass
            finally:
                self._socket = None
            await wire.clock.sleep(pause * wire.dice.uniform(1.0, 1.3))
            pause = min(2 * pause, wire.patience.longest_pause_s)

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        wire = self.person.wire
        query, headers = "", self.person.bearer()
        self._tries += 1
        if self._by_ticket or self._tries > 1:
            # Asking for a ticket also renews an access token that has run out meanwhile.
            ticket = await self.person.call("POST", "/ws/ticket")
            query, headers = f"?ticket={ticket['ticket']}", {}
        async with asyncio.timeout(wire.patience.answer_s):
            return await wire.http.ws_connect(
                f"{wire.find_url()}/ws{query}", headers=headers, max_msg_size=MAX_FRAME_BYTES
            )

    async def _greet(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        await self._say(socket, {"op": "hello", "resume": self._seq})
        async with asyncio.timeout(WELCOME_S):
            welcome = await self._hear(socket)
        if welcome.get("op") != "welcome":
            raise aiohttp.ClientError(f"instead of a welcome: {welcome}")
        self.connects += 1
        self.resumed += bool(welcome["resumed"])
        if self._seq is None or not welcome["resumed"]:
            self._seq = welcome["seq"]
        self._socket = socket
        for frame, answer in list(self._asked.values()):
            if not answer.done():
                await self._say(socket, frame)

    async def _listen(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            frame = await self._hear(socket)
            op = frame.get("op")
            if op == "event":
                self._note(frame)
            elif op == "resync":
                self._seq = frame["seq"]
            elif op in ("ack", "error"):
                asked = self._asked.get(str(frame.get("id")))
                if asked is not None and not asked[1].done():
                    asked[1].set_result(frame)
                elif op == "error" and frame.get("id") is None:
                    self.complaints.append(f"an error that answers nothing: {frame.get('code')}")

    def _note(self, event: dict[str, Any]) -> None:
        self.events[str(event.get("type"))] += 1
        seq = event.get("seq")
        if seq is None:
            return
        if self._seq is not None and seq <= self._seq:
            self.complaints.append(f"event {seq} came after {self._seq}")
        self._seq = seq

    async def _say(self, socket: aiohttp.ClientWebSocketResponse, frame: dict[str, Any]) -> None:
        try:
            await socket.send_str(orjson.dumps(frame).decode())
        except (ConnectionError, aiohttp.ClientError):
            # The reader notices the same, reconnects, and says it again.
            pass

    async def _hear(self, socket: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
        message = await socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise aiohttp.ClientConnectionError(f"closed with {socket.close_code}")
        frame: dict[str, Any] = orjson.loads(message.data)
        return frame

    def __repr__(self) -> str:
        return f"<Live {self.person.name} connects={self.connects} seq={self._seq}>"


@asynccontextmanager
async def open_live(person: Person, *, by_ticket: bool, tasks: TaskSet) -> AsyncIterator[Live]:
    """A websocket that looks after itself in the background until the block ends."""
    live = Live(person, by_ticket=by_ticket)
    running = tasks.spawn(live.run(), name=f"websocket of {person.name}")
    try:
        yield live
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
