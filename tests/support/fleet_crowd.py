"""A bounded crowd on a fleet: everybody does one thing after another, and all of it is written down.

A person is stubborn, and sends an unanswered write again with the same key until it is answered, or lets it be.
Looks at `viewer.liked` are written down as well, because the register that they look at must be linearizable.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import aiohttp
import orjson

from actors.tasks import TaskSet
from tests.support.fleet import Fleet
from tests.support.fleet_member import Log, Look, Member, hear, verdict
from tests.support.history import History, Kind, Op
from tests.support.people import Reply

#: How long one try may take, in seconds, and how long those of somebody impatient may, who leaves work behind that is
#: done while they try again; and what a clip may take.
TRIES_S = (1.0, 2.5, 6.0)
UPLOAD_TRY_S = 10.0
#: How long a stubborn person goes on, in seconds; covers the start of Cassandra.
PATIENCE_S = 75.0
#: Pauses of a person between two deeds, in seconds.
PAUSE_S = (0.02, 0.35)
#: Deeds by how often they are done.
_DEEDS = {"like": 45, "look": 25, "comment": 13, "follow": 17}


class FleetCrowd:
    """All clients of one run."""

    def __init__(self, fleet: Fleet, seed: int, clip: Path) -> None:
        self.fleet = fleet
        self.dice = Random(f"crowd {seed}")
        self.clip = clip.read_bytes()
        self.log = Log(history=History(seed=seed, scenario="fleet", one_clock=False))
        self.members: list[Member] = []
        #: Videos that things are done to; later ones only have to arrive.
        self.videos: list[int] = []
        self.leaving = False
        self._began = time.monotonic()
        self._tasks: list[asyncio.Task[None]] = []
        self._set = TaskSet(lambda name, error: self.complain(f"{name}: {error!r}"))
        self._stack = AsyncExitStack()

    @property
    def now(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    async def gather(self, count: int, uploaders: int = 2) -> None:
        """Register, upload a first video each of `uploaders`, and begin."""
        people = await self._stack.enter_async_context(self.fleet.people())
        # Other runs may have been on this fleet: names are taken for ever.
        crowd = f"crowd_{uuid4().hex[:8]}"
        for _ in range(count):
            person = await people.join(crowd)
            self.members.append(Member(person=person, user=int(person.user_id)))
        for member in self.members[:uploaders]:
            made = await self.upload(member)
            assert made is not None, "the first videos are not taken"
            self.videos.append(made)
        until = time.monotonic() + 60
        while not await self._all_play():
            assert time.monotonic() < until, "the first videos do not become ready"
            await asyncio.sleep(0.2)
        for member in self.members:
            self._tasks.append(self._set.spawn(self._watch(member), name="watch"))
        await asyncio.sleep(0.5)
        for member in self.members:
            self._tasks.append(self._set.spawn(self._act(member, Random(member.user)), name="act"))

    def have_uploaded(self, number: int) -> None:
        """Have one of them upload a video meanwhile, on another device."""
        member = self.members[number % len(self.members)]
        self._tasks.append(self._set.spawn(self._upload_and_forget(member), name="upload"))

    async def all_go_on(self, within_s: float) -> float:
        """Wait until everybody has something acked again; seconds that took.

        Whoever has not within `within_s` is complained of.
        """
        began = self.now
        while True:
            served = {user for at, user in self.log.acks if at > began}
            waiting = {member.user for member in self.members} - served
            if not waiting:
                return self.now - began
            if self.now - began > within_s:
                self.complain(f"nothing is acked for {sorted(waiting)} since {within_s:g} s")
                return self.now - began
            await asyncio.sleep(0.1)

    async def disperse(self) -> None:
        """End everybody's doings; what is under way is finished."""
        self.leaving = True
        await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """Let go of connections."""
        await self._set.close()
        await self._stack.aclose()

    async def _upload_and_forget(self, member: Member) -> None:
        await self.upload(member)

    async def _all_play(self) -> bool:
        person = self.members[0].person
        ids = ",".join(map(str, self.videos))
        try:
            answer = await person.ask("GET", f"/videos?ids={ids}")
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False
        return answer.status == 200 and len(answer.body["items"]) == len(self.videos)

    async def _act(self, member: Member, dice: Random) -> None:
        while not self.leaving:
            (deed,) = dice.choices(list(_DEEDS), list(_DEEDS.values()))
            video = dice.choice(self.videos)
            if deed == "look":
                await self._look(member, video)
            elif deed == "like":
                value = dice.random() < 0.55
                await self._write(member, "like", video, f"/video/{video}/like", dice, value=value)
                if dice.random() < 0.5:
                    await self._look(member, video)
            elif deed == "comment":
                text = f"words {len(self.log.history.ops)} {member.user}"
                path = f"/video/{video}/comments"
                await self._write(member, "comment", video, path, dice, text=text)
            else:
                other = dice.choice([each.user for each in self.members if each is not member])
                await self._write(
                    member, "follow", other, f"/user/{other}/follow", dice,
                    value=dice.random() < 0.6,
                )  # fmt: skip
            await asyncio.sleep(dice.uniform(*PAUSE_S))

    async def _write(
        self,
        member: Member,
        kind: Kind,
        target: int,
        path: str,
        dice: Random,
        *,
        value: bool = True,
        text: str = "",
    ) -> None:
        method = "POST" if value else "DELETE"
        body = {"text": text} if text else None
        op = self._op(member, kind, target, value=value, text=text)
        # Only a POST carries a key; a like is repeatable without one, but another may come in between.
        stubborn = dice.random() < 0.6
        answer = await self._send(member, op, method, path, body, stubborn=stubborn)
        if answer is not None and kind == "comment":
            op.made = int(answer.body["comment_id"])
        if answer is not None and kind == "like" and answer.body["liked"] is not value:
            self.complain(f"op {op.number}: like to {value} was answered {answer.body}")

    async def upload(self, member: Member) -> int | None:
        """One small video through a gateway; its id, where that was answered."""
        caption = f"video {len(self.log.history.ops)} {member.user}"
        op = self._op(member, "upload", 0, text=caption)

        def form() -> aiohttp.FormData:
            made = aiohttp.FormData()
            made.add_field("caption", caption)
            made.add_field("file", self.clip, filename="clip.mp4", content_type="video/mp4")
            return made

        answer = await self._send(
            member, op, "POST", "/upload/video", None, stubborn=True, form=form
        )
        if answer is None:
            return None
        op.made = int(answer.body["video_id"])
        done = self._op(member, "complete", op.made)
        done.sent, done.done, done.outcome = op.sent, op.done, "ok"
        return op.made

    async def _send(
        self,
        member: Member,
        op: Op,
        method: str,
        path: str,
        body: object,
        *,
        stubborn: bool,
        form: Any = None,
    ) -> Reply | None:
        key = f"{member.user}-{op.number}"
        unknown = False
        end = self.now + PATIENCE_S
        try_s = UPLOAD_TRY_S if form else self.dice.choice(TRIES_S)
        while True:
            pause = self.dice.uniform(0.05, 0.2)
            try:
                async with asyncio.timeout(try_s):
                    answer = await member.person.ask(
                        method, path, body, key=key if method == "POST" else None,
                        data=form() if form else None,
                    )  # fmt: skip
            except (aiohttp.ClientConnectorError, ConnectionRefusedError):
                op.code = "not sent"
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                unknown, op.code = True, type(error).__name__
            else:
                op.code = answer.code
                found = verdict(answer.status, answer.body)
                if found == "acked":
                    op.done, op.outcome = self.now, "ok"
                    self.log.acks.append((self.now, member.user))
                    return answer
                unknown |= found == "unknown"
                self._frown(op, answer)
                if found == "refused" and answer.status not in (429, 503):
                    break
                if isinstance(answer.body, dict):
                    pause = min(float(answer.body.get("retry_after_s", pause)), 1.0)
            if not stubborn or self.now > end:
                break
            if self.leaving and self.now > end - PATIENCE_S / 2:
                break
            if method == "DELETE" and unknown:
                # Without a key a repeat is another write: the first may still come.
                break
            await asyncio.sleep(pause)
        op.outcome = "unknown" if unknown else "refused"
        return None

    def _frown(self, op: Op, answer: Reply) -> None:
        if answer.status == 500 or answer.status in (401, 403, 404):
            self.complain(f"op {op.number} ({op.kind}) was answered {answer!r}")

    async def _look(self, member: Member, video: int) -> None:
        sent = self.now
        try:
            async with asyncio.timeout(TRIES_S[-1]):
                answer = await member.person.ask("GET", f"/video/{video}")
        except (aiohttp.ClientError, TimeoutError, OSError):
            return
        if answer.status == 200:
            liked = bool(answer.body["viewer"]["liked"])
            self.log.looks.append(Look(member.user, video, liked, sent, self.now))
        elif answer.status not in (429, 503, 504):
            self.complain(f"GET /video/{video} was answered {answer!r}")

    async def _watch(self, member: Member) -> None:
        """Hold a websocket, and go on from the last number after each loss of it."""
        while not self.leaving:
            try:
                await self.connect(member, lambda: self.leaving)
            except (aiohttp.ClientError, TimeoutError, OSError):
                pass
            await asyncio.sleep(self.dice.uniform(0.05, 0.3))

    async def connect(self, member: Member, enough: Any) -> None:
        """One connection, until it is lost or `enough()`."""
        resume = member.saw[-1] if member.saw else member.start
        person = member.person
        async with person.people.http.ws_connect(
            f"{person.people.url}/ws",
            headers=person.bearer,
            timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
        ) as wire:
            member.connections += 1
            await wire.send_str(orjson.dumps({"op": "hello", "resume": resume}).decode())
            while not enough():
                try:
                    message = await wire.receive(timeout=0.5)
                except TimeoutError:
                    continue
                if message.type is not aiohttp.WSMsgType.TEXT:
                    return
                hear(member, orjson.loads(message.data), resume, self.now)

    def complain(self, text: str) -> None:
        """Note what must not be."""
        self.log.history.complaints.append(f"{self.now:.2f} s: {text}")

    def _op(
        self, member: Member, kind: Kind, target: int, *, value: bool = True, text: str = ""
    ) -> Op:
        op = Op(
            number=len(self.log.history.ops) + 1,
            user=member.user,
            kind=kind,
            target=target,
            value=value,
            text=text,
            sent=self.now,
        )
        self.log.history.ops.append(op)
        return op

    def __repr__(self) -> str:
        return f"<FleetCrowd of {len(self.members)}, {len(self.log.history.ops)} ops>"
