"""What is said on a websocket: hello, welcome, commands and their answers.

Frames of a client are handled one after another, so its commands take effect in the order it sent them. A command
that is refused is answered and the talk goes on; a frame that is no message at all ends it.

Should the actor lose the connection (its node restarts, the link breaks, the shard moves), it is attached again by its
number while the talk goes on; commands said meanwhile wait for the node as any request does.
"""

import asyncio
import logging
from hashlib import blake2b
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import orjson

from actors.messages import (
    AttachSocket,
    Caller,
    Command,
    DetachSocket,
    LikeVideo,
    ReportViews,
)
from actors.replies import Attached
from gateway import errors
from gateway.bodies import MAX_SOCKET_VIEWS
from gateway.decoding import read_json, read_views
from gateway.edge import Edge
from gateway.fields import Id
from gateway.limits import Limit
from gateway.sockets import Connection
from gateway.tokens import Principal
from gateway.websocket import BAD_FRAME, BROKEN, RESTART, SESSION_ENDED, TOO_MANY
from sharding.errors import (
    DeadlineExceeded,
    InvalidRequest,
    KinoraError,
    RateLimited,
    Unauthenticated,
    Unavailable,
)

MessageId = Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern="^[!-~]+$")]

R = TypeVar("R")

_LOG = logging.getLogger("kinora.gateway.sockets")


class Said(msgspec.Struct, frozen=True, kw_only=True, tag_field="op", forbid_unknown_fields=True):
    """Base of what clients say."""


class Hello(Said, frozen=True, kw_only=True, tag="hello"):
    """First of all; `resume` is the last number that was seen."""

    resume: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)] | None = None


class SaidView(Said, frozen=True, kw_only=True, tag="view"):
    """What was watched."""

    id: MessageId
    views: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MAX_SOCKET_VIEWS)]


class SaidLike(Said, frozen=True, kw_only=True, tag="like"):
    """Like a video."""

    id: MessageId
    video_id: Id


class SaidUnlike(Said, frozen=True, kw_only=True, tag="unlike"):
    """No longer like a video."""

    id: MessageId
    video_id: Id


class SaidPing(Said, frozen=True, kw_only=True, tag="ping"):
    """Answered at once, to measure the way."""

    id: MessageId


Saying = Hello | SaidView | SaidLike | SaidUnlike | SaidPing


class Welcome(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to hello."""

    op: Literal["welcome"] = "welcome"
    seq: int
    resumed: bool
    heartbeat_s: int


class Resync(msgspec.Struct, frozen=True, kw_only=True):
    """What was missed is not known: read again, and go on after `seq`."""

    op: Literal["resync"] = "resync"
    seq: int


class _Envelope(msgspec.Struct, frozen=True):
    """The least that a message must be."""

    op: str
    id: str | None = None


class Dialogue:
    """The talk on one connection."""

    __slots__ = ("_attaching", "_connection", "_edge", "_pace", "_request_id", "_strikes", "_who")

    def __init__(self, edge: Edge, connection: Connection, who: Principal, request_id: str) -> None:
        self._edge = edge
        self._connection = connection
        self._who = who
        self._request_id = request_id
        self._pace: Limit[int] = Limit(
            "frames", edge.settings.frames_per_socket, keys=1, clock=edge.clock
        )
        self._strikes = 0
        self._attaching = False

    async def run(self) -> None:
        """Talk until one side has enough. The actor is always told of the end."""
        socket = self._connection.socket
        try:
            if not await self._greet():
                return
            self._connection.attach_again = self._attach_soon
            if self._connection.detached:
                self._attach_soon()
            while (frame := await socket.receive()) is not None:
                await self._hear(frame)
        except Exception as error:
            self._end(error)
        finally:
            self._connection.attach_again = None
            self._edge.deps.sockets.remove(self._connection)
            self._leave()

    def _end(self, error: Exception) -> None:
        """Close the connection with the code that `error` means."""
        socket = self._connection.socket
        if isinstance(error, Unauthenticated):
            socket.close(SESSION_ENDED, "session ended")
        elif isinstance(error, KinoraError):
            _LOG.info("socket_refused", extra=self._ids() | {"error": repr(error)})
            socket.close(RESTART, error.code)
        else:
            _LOG.error("socket_failed", extra=self._ids(), exc_info=error)
            socket.close(BROKEN, "internal")

    def _ids(self) -> dict[str, object]:
        return errors.ids_of(self._request_id, self._who.user_id)

    async def _greet(self) -> bool:
        socket = self._connection.socket
        try:
            async with asyncio.timeout(self._edge.settings.hello_timeout_s):
                first = await socket.receive()
        except TimeoutError:
            first = b""
        if first is None:
            return False
        try:
            hello = _read(first)
        except InvalidRequest:
            hello = None
        if not isinstance(hello, Hello):
            socket.close(BAD_FRAME, "hello first")
            return False
        attached = await self._ask(
            AttachSocket(connection=self._connection.id, resume=hello.resume)
        )
        welcome = Welcome(
            seq=attached.seq,
            resumed=attached.resumed,
            heartbeat_s=self._edge.settings.heartbeat_s,
        )
        self._connection.welcome(attached.seq, [msgspec.json.encode(welcome), *_missed(attached)])
        return True

    def _attach_soon(self) -> None:
        if self._attaching:
            return
        self._attaching = True
        try:
            self._edge.deps.tasks.spawn(self._attach_again(), name=f"attach {self._connection.id}")
        except RuntimeError:
            # The process ends, and says goodbye to its clients itself.
            return

    async def _attach_again(self) -> None:
        """Attach until it holds; the client notices nothing but the time it takes."""
        edge, connection = self._edge, self._connection
        pause = edge.settings.reattach_first_s
        until = edge.clock.monotonic() + edge.settings.reattach_give_up_s
        try:
            while connection.detached and not self._over():
                await edge.clock.sleep(edge.deps.random.uniform(0, pause))
                try:
                    async with edge.attaching:
                        await self._attach_once()
                except (Unavailable, DeadlineExceeded):
                    if edge.clock.monotonic() >= until:
                        raise
                    connection.detach()
                    pause = min(pause * 2, edge.settings.reattach_longest_s)
        except Exception as error:
            self._end(error)
        finally:
            self._attaching = False

    def _over(self) -> bool:
        return not self._connection.socket.open

    async def _attach_once(self) -> None:
        connection = self._connection
        if self._over():
            return
        connection.hold()
        attached = await self._ask(AttachSocket(connection=connection.id, resume=connection.last))
        connection.welcome(attached.seq, _missed(attached))
        if self._over():
            # Its leaving may have been told before this.
            self._leave()

    async def _hear(self, frame: bytes) -> None:
        """Handle one message of the client."""
        socket = self._connection.socket
        try:
            envelope = read_json(frame, _Envelope)
        except InvalidRequest:
            socket.close(BAD_FRAME, "not a message")
            return
        message_id = envelope.id if envelope.id and len(envelope.id) <= 64 else None
        try:
            self._count()
            saying = _read(frame)
            socket.send(_ack(message_id, await self._do(saying, frame)))
        except KinoraError as error:
            if (code := errors.close_code_of(error)) is not None:
                socket.close(code, error.code)
                return
            socket.send(errors.socket_error(error, message_id))
            if self._strikes > self._edge.settings.socket_strikes:
                socket.close(TOO_MANY, "too many frames")

    def _count(self) -> None:
        try:
            self._pace.spend(0)
        except RateLimited:
            self._strikes += 1
            raise
        self._strikes = 0

    async def _do(self, saying: Saying, frame: bytes) -> bytes:
        """The JSON object that answers a message."""
        match saying:
            case SaidPing():
                return b"{}"
            case SaidLike(id=key, video_id=video_id) | SaidUnlike(id=key, video_id=video_id):
                liked = isinstance(saying, SaidLike)
                like = LikeVideo(video_id=int(video_id), liked=liked)
                return await self._ask(like, op=("like" if liked else "unlike", key), frame=frame)
            case SaidView(id=key, views=entries):
                views, unusable = read_views(entries)
                report = ReportViews(views=views, unusable=unusable)
                return await self._ask(report, op=("view", key), frame=frame)
            case Hello():
                raise InvalidRequest("Hello was said before.")

    async def _ask(
        self, message: Command[R], *, op: tuple[str, str] | None = None, frame: bytes = b""
    ) -> R:
        edge, who = self._edge, self._who
        caller = edge.caller(
            self._request_id,
            session=who.session,
            command=True,
            op=(str(who.user_id), "WS", *op) if op else None,
            digest=blake2b(frame, digest_size=16).digest() if op else b"",
        )
        return await edge.node.ask(who.user_id, message, caller)

    def _leave(self) -> None:
        caller = self._edge.caller(self._request_id, session=self._who.session, command=True)
        message = DetachSocket(connection=self._connection.id)
        try:
            self._edge.deps.tasks.spawn(
                _quietly(self._edge, self._who.user_id, message, caller),
                name=f"detach {self._connection.id}",
            )
        except RuntimeError:
            # The process ends; the actor learns of it when it next delivers.
            return

    def __repr__(self) -> str:
        return f"<Dialogue {self._connection!r} strikes={self._strikes}>"


def _read(frame: bytes) -> Saying:
    # A union is a shape too, though not a `type` to mypy.
    shape: Any = Saying
    saying: Saying = read_json(frame, shape)
    return saying


def _missed(attached: Attached) -> list[bytes]:
    """What a client has to be told before live events go on."""
    if attached.resync:
        return [msgspec.json.encode(Resync(seq=attached.seq)), *attached.missed]
    return list(attached.missed)


async def _quietly(edge: Edge, user_id: int, message: DetachSocket, caller: Caller) -> None:
    try:
        await edge.node.ask(user_id, message, caller)
    except KinoraError as error:
        facts = {"connection": message.connection, "error": repr(error)}
        _LOG.info("detach_failed", extra=errors.ids_of(caller.request_id, user_id) | facts)


def _ack(message_id: str | None, answer: bytes) -> bytes:
    """The answer's members behind the name of what is answered."""
    head = b'{"op":"ack","id":%b' % orjson.dumps(message_id)
    return head + (b"," + answer[1:] if len(answer) > 2 else b"}")
