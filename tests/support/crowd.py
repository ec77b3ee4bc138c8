"""Random clients: several for each user, all at once, each repeating what it was not answered.

A write is sent under one key until it is answered or refused, or until its client gives up. What a client
can judge for itself it judges at once (an id twice in a feed, an event out of order); the rest is left to
the checker.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec

from actors.media import source_name
from actors.messages import (
    AttachSocket,
    BlockUser,
    CompleteUpload,
    CreateUpload,
    DeleteComment,
    DeleteVideo,
    DetachSocket,
    FollowUser,
    GetFeed,
    GetVideo,
    LikeComment,
    LikeVideo,
    ListNotifications,
    Message,
    PostComment,
    ReadNotifications,
    Register,
    ReportViews,
    ShareVideo,
    View,
)
from actors.replies import Attached, Granted, UploadTicket
from sharding.errors import DeadlineExceeded, Gone, InProgress, Internal, KinoraError, Unavailable
from tests.support.checker import possible_ends
from tests.support.history import Op
from tests.support.process import CrowdedMint, Lost

if TYPE_CHECKING:
    from tests.support.simulation import World

#: Virtual seconds after which a client no longer repeats a write.
_PATIENCE_S = 45.0
#: Scenarios in which no owner is left behind, so that a read is never older than an answer.
_ONE_OWNER = ("alone", "unproven", "double")

#: What a client does next, and how likely.
_DEEDS = {
    "like": 6,
    "comment": 4,
    "follow": 3,
    "share": 2,
    "view": 3,
    "uncomment": 1,
    "like_comment": 2,
    "upload": 1,
    "feed": 3,
    "notifications": 1,
    "block": 0.4,
    "delete_video": 0.3,
}


class Person(msgspec.Struct, kw_only=True):
    """One user."""

    user: int
    family: int
    watcher: Watcher | None = None


class Watcher:
    """A user's websocket: goes on from the last number whenever its connection ends."""

    def __init__(self, crowd: Crowd, person: Person) -> None:
        self._crowd = crowd
        self._world = crowd.world
        self._person = person
        self._connections = 0
        self.start: int | None = None
        self.saw: list[int] = []
        self.leaving = False

    async def watch(self) -> None:
        """Hold connections, one after the other, until told to leave."""
        dice = self._crowd.dice
        while not self.leaving:
            hold_s = dice.uniform(0.5, 5.0)
            if not await self.connect(hold_s):
                await asyncio.sleep(dice.uniform(0.1, 0.5))

    async def connect(self, hold_s: float) -> bool:
        """One connection; False when it could not be attached."""
        world, user = self._world, self._person.user
        self._connections += 1
        name = f"{user}/{self._connections}"
        buffer = world.connections[name] = []
        resume = self.saw[-1] if self.saw else self.start
        try:
            hello = AttachSocket(connection=name, resume=resume)
            attached = await world.ask(user, hello, session=self._person.family)
        except (Lost, KinoraError):
            world.connections.pop(name, None)
            return False
        self._welcomed(attached, resume)
        end = world.loop.time() + hold_s
        while name in world.connections and world.loop.time() < end and not self.leaving:
            await asyncio.sleep(0.3)
            self._take(buffer)
        world.connections.pop(name, None)
        self._take(buffer)
        try:
            await world.ask(user, DetachSocket(connection=name))
        except (Lost, KinoraError):
            pass
        return True

    def _welcomed(self, attached: Attached, resume: int | None) -> None:
        if resume is None or attached.resync:
            if attached.resync and self._world.history.scenario in _ONE_OWNER:
                self._world.complain(f"user {self._person.user} must resync from {resume}")
            self.start, self.saw = attached.seq, []
        self._take(list(attached.missed))

    def _take(self, frames: list[bytes]) -> None:
        for frame in frames:
            seq = msgspec.json.decode(frame).get("seq")
            if seq is not None:
                self.saw.append(seq)
        frames.clear()


class Crowd:
    """All clients of one run."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.dice = Random(f"crowd {world.history.seed}")
        mint = CrowdedMint(world.next_minter(), world.clock, world.shards)
        self.people = [
            Person(user=mint.mint(), family=mint.mint()) for _ in range(world.scale.users)
        ]
        self._videos: list[int] = []
        self._authors: dict[int, int] = {}
        #: (comment, video, who wrote it)
        self._comments: list[tuple[int, int, int]] = []
        self._watching: list[asyncio.Task[None]] = []

    async def act(self) -> None:
        """Register, upload, then everybody does as they like."""
        world = self.world
        for number, person in enumerate(self.people):
            await self._register(number, person)
        await asyncio.gather(*(self._upload(each, sure=True) for each in self.people))
        for person in self.people:
            person.watcher = Watcher(self, person)
            self._watching.append(world.tasks.spawn(person.watcher.watch(), name="watcher"))
        await asyncio.sleep(self.dice.uniform(0.5, 1.5))
        clients = [
            self._client(person) for person in self.people for _ in range(world.scale.devices)
        ]
        await asyncio.gather(*clients)
        for person in self.people:
            assert person.watcher is not None
            person.watcher.leaving = True
        await asyncio.gather(*self._watching)

    async def settle(self) -> None:
        """When all is quiet: what was forgotten has become old, and every websocket comes once more."""
        await asyncio.sleep(6.0)
        for process in self.world.processes:
            await process.carry(process.node.sweep())
        await asyncio.sleep(3.0)
        await asyncio.gather(*map(self._attach_once_more, self.people))

    async def _attach_once_more(self, person: Person) -> None:
        assert person.watcher is not None
        person.watcher.leaving = False
        # What was held back to be coalesced comes when its owner has woken, a tick later.
        if not await person.watcher.connect(2.5):
            self.world.complain(f"user {person.user} could not attach in the end")

    async def _client(self, person: Person) -> None:
        for _ in range(self.world.scale.deeds):
            await asyncio.sleep(self.dice.choice((0.0, 0.05, 0.3, 1.0)) * self.dice.random())
            (deed,) = self.dice.choices(list(_DEEDS), list(_DEEDS.values()))
            await self._do(person, deed)

    async def _do(self, person: Person, deed: str) -> None:
        video = self._some_video()
        if deed == "upload":
            await self._upload(person)
        elif deed == "feed":
            await self._walk(person, self.dice.choice(("foryou", "following")))
        elif deed == "notifications":
            await self._look(person)
        elif deed in ("follow", "block"):
            await self._turn_to(person, deed)
        elif video is None:
            return
        elif deed == "like":
            await self._like(person, video)
        elif deed == "share":
            await self.write(person, Op(number=0, user=0, kind="share", target=video),
                             ShareVideo(video_id=video))  # fmt: skip
        elif deed == "view":
            await self._view(person, video)
        elif deed == "comment":
            await self._comment(person, video)
        elif deed in ("uncomment", "like_comment") and self._comments:
            await self._on_comment(person, deed)
        elif deed == "delete_video" and self._authors[video] == person.user:
            await self.write(person, Op(number=0, user=0, kind="delete_video", target=video),
                             DeleteVideo(video_id=video))  # fmt: skip

    def _some_video(self) -> int | None:
        if not self._videos:
            return None
        # Most of it happens to few, so that it happens at once.
        return self.dice.choice(self._videos[:3] if self.dice.random() < 0.7 else self._videos)

    # Writes.

    async def write(
        self, person: Person, op: Op, message: Message[Any], *, keyed: bool = True
    ) -> Any:
        """Send until answered; the answer, or None. `op` goes into the history."""
        world = self.world
        op.number, op.user, op.sent = len(world.history.ops) + 1, person.user, world.loop.time()
        world.history.ops.append(op)
        unknown = False
        while True:
            try:
                answer = await self._send(person, op, message, keyed)
            except Lost:
                unknown = True
            except (Unavailable, InProgress, DeadlineExceeded) as error:
                unknown |= error.executed is None
            except Internal as error:
                world.complain(f"op {op.number} ({op.kind}): {error!r}")
                unknown = True
            except KinoraError as error:
                op.outcome, op.code, op.done = "refused", error.code, world.loop.time()
                if error.code == "unauthenticated" or error.executed is not False:
                    world.complain(f"op {op.number} ({op.kind}): {error!r}")
                return None
            else:
                op.outcome, op.done = "ok", world.loop.time()
                if keyed and self.dice.random() < 0.15:
                    await self._repeat(person, op, message, answer)
                return answer
            if self.dice.random() < 0.03 or world.loop.time() > op.sent + _PATIENCE_S:
                op.outcome, op.code = "unknown" if unknown else "refused", "gave up"
                return None
            await asyncio.sleep(self.dice.uniform(0.02, 0.4))

    async def _send(self, person: Person, op: Op, message: Message[Any], keyed: bool) -> Any:
        return await self.world.ask(
            person.user,
            message,
            patience_s=self.dice.choice((0.3, 2.0, 5.0)),
            session=0 if isinstance(message, Register) else person.family,
            op_id=f"{person.user}/{op.number}".encode(),
            keyed=keyed,
            digest=f"{op.number}".encode(),
        )

    async def _repeat(self, person: Person, op: Op, message: Message[Any], answer: Any) -> None:
        await asyncio.sleep(self.dice.uniform(0.0, 2.0))
        try:
            again = await self._send(person, op, message, True)
        except Lost:
            return
        except KinoraError as error:
            if not isinstance(error, Unavailable | InProgress | DeadlineExceeded):
                op.changed_answer = repr(error)
            return
        if again != answer:
            op.changed_answer = f"{answer!r}, then {again!r}"

    async def _register(self, number: int, person: Person) -> None:
        message = Register(
            username=f"user{number}",
            display_name=f"User {number}",
            password_hash="-",
            family_id=person.family,
        )
        op = Op(number=0, user=0, kind="register")
        while op.outcome != "ok":
            granted = await self.write(person, op, message, keyed=False)
            assert granted is None or isinstance(granted, Granted)

    async def _upload(self, person: Person, *, sure: bool = False) -> None:
        message = CreateUpload(caption="clip #some", size_bytes=100, content_type="video/mp4")
        op = Op(number=0, user=0, kind="upload")
        ticket = await self.write(person, op, message)
        if ticket is None:
            return
        assert isinstance(ticket, UploadTicket)
        op.made = ticket.video_id
        self._authors[op.made] = person.user
        self._videos.append(op.made)
        await asyncio.sleep(self.dice.uniform(0.0, 0.3))
        self.world.blobs.put(source_name(op.made), 100)
        if sure or self.dice.random() < 0.8:
            done = Op(number=0, user=0, kind="complete", target=op.made)
            await self.write(person, done, CompleteUpload(video_id=op.made, stored_bytes=100))

    async def _like(self, person: Person, video: int) -> None:
        op = Op(number=0, user=0, kind="like", target=video, value=self.dice.random() < 0.6)
        await self.write(person, op, LikeVideo(video_id=video, liked=op.value))
        if op.outcome == "ok" and self.world.history.scenario in _ONE_OWNER:
            try:
                shown = await self.world.ask(
                    person.user, GetVideo(video_id=video), session=person.family
                )
            except (Lost, KinoraError):
                return
            liked = msgspec.json.decode(shown)["viewer"]["liked"]
            same = [
                each
                for each in self.world.history.ops
                if (each.kind, each.user, each.target) == ("like", person.user, video)
            ]
            if liked not in possible_ends(same):
                self.world.complain(f"after op {op.number} its user reads liked={liked}")

    async def _view(self, person: Person, video: int) -> None:
        name = f"v{len(self.world.history.ops)}"
        op = Op(number=0, user=0, kind="view", target=video, text=name)
        view = View(view_id=name, video_id=video, watched_ms=2_000)
        answer = await self.write(person, op, ReportViews(views=(view, view)))
        if answer is not None and msgspec.json.decode(answer)["dropped"]:
            op.code = "dropped"

    async def _comment(self, person: Person, video: int) -> None:
        parents = [each for each, under, _ in self._comments if under == video]
        parent = self.dice.choice(parents) if parents and self.dice.random() < 0.3 else None
        op = Op(number=0, user=0, kind="comment", target=video)
        op.text = f"words {len(self.world.history.ops)} {person.user}"
        answer = await self.write(
            person, op, PostComment(video_id=video, text=op.text, parent_id=parent)
        )
        if answer is not None:
            op.made = int(msgspec.json.decode(answer)["comment_id"])
            self._comments.append((op.made, video, person.user))

    async def _on_comment(self, person: Person, deed: str) -> None:
        comment, video, writer = self.dice.choice(self._comments)
        if deed == "like_comment":
            op = Op(number=0, user=0, kind="like_comment", target=video, comment=comment)
            op.value = self.dice.random() < 0.6
            await self.write(
                person, op, LikeComment(video_id=video, comment_id=comment, liked=op.value)
            )
        elif person.user in (writer, self._authors[video]):
            op = Op(number=0, user=0, kind="uncomment", target=video, comment=comment)
            await self.write(person, op, DeleteComment(video_id=video, comment_id=comment))

    async def _turn_to(self, person: Person, deed: str) -> None:
        other = self.dice.choice([each.user for each in self.people if each is not person])
        value = self.dice.random() < 0.6
        if deed == "follow":
            op = Op(number=0, user=0, kind="follow", target=other, value=value)
            await self.write(person, op, FollowUser(user_id=other, following=value))
        else:
            op = Op(number=0, user=0, kind="block", target=other, value=value)
            await self.write(person, op, BlockUser(user_id=other, blocked=value))

    # Reads.

    async def _walk(self, person: Person, tab: Any) -> None:
        """Some pages of a feed, in which no id may come twice."""
        seen: list[str] = []
        cursor = None
        for _ in range(4):
            try:
                message = GetFeed(tab=tab, cursor=cursor, limit=2)
                page = await self.world.ask(person.user, message, session=person.family)
            except (Lost, Unavailable, DeadlineExceeded, Gone):
                return
            except KinoraError as error:
                self.world.complain(f"feed of {person.user}: {error!r}")
                return
            found = msgspec.json.decode(page)
            seen += [item["video_id"] for item in found["items"]]
            if len(seen) != len(set(seen)):
                self.world.complain(f"{tab} feed of {person.user} repeats itself: {seen}")
            cursor = found["next_cursor"]
            if cursor is None:
                return

    async def _look(self, person: Person) -> None:
        try:
            page = await self.world.ask(person.user, ListNotifications(), session=person.family)
            items = msgspec.json.decode(page)["items"]
            if items:
                message = ReadNotifications(up_to_seq=items[0]["seq"])
                await self.world.ask(person.user, message, session=person.family)
        except (Lost, Unavailable, DeadlineExceeded):
            return
