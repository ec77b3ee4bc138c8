"""`Connection`: one connection to NATS that comes back by itself, and calls that end in bounded time.

The driver's own reconnecting is switched off. It gives up for good on some answers of the server, sends what
its callers had long given up on, waits for a stalled socket to close, and leaves requests hanging until they
time out. Here each connection is a fresh client: when it ends, whoever waits for an answer is told at once,
and the next client takes over every subscription. While there is none, calls are refused at once.

A handler of a subscription is a plain function that runs in the driver's task and must not block.
"""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from actors.ports.clock import Clock
from sharding.errors import KinoraError, StorageUnavailable
from storage.nats.chores import Chores
from storage.nats.errors import away, translated, translating
from storage.nats.settings import NatsSettings

Handler = Callable[[Msg], None]
Hook = Callable[[], Coroutine[Any, Any, None]]


class Interest:
    """A subject that this process hears, over all connections."""

    __slots__ = ("client", "handler", "live", "queue", "subject")

    def __init__(self, subject: str, handler: Handler, queue: str) -> None:
        self.subject = subject
        self.handler = handler
        self.queue = queue
        #: The newest client that was told of it, and the subscription there.
        self.client: Client | None = None
        self.live: Subscription | None = None


class _Waiting:
    """Somebody who waits for an answer."""

    __slots__ = ("answers", "future", "many", "timer")

    def __init__(
        self, future: "asyncio.Future[list[Msg]]", timer: asyncio.TimerHandle, many: bool
    ) -> None:
        self.future = future
        self.timer = timer
        self.many = many
        self.answers: list[Msg] = []

    def answered(self, message: Msg) -> bool:
        """Take one answer; whether it was the last."""
        self.answers.append(message)
        if self.many and status_of(message) is None:
            return False
        self.timer.cancel()
        if not self.future.done():
            self.future.set_result(self.answers)
        return True


class Connection:
    """The connection of one process."""

    def __init__(
        self, settings: NatsSettings, clock: Clock, chores: Chores, password: str | None
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._chores = chores
        self._password = password
        self._client: Client | None = None
        self._ended = asyncio.Event()
        self._inbox = ""
        self._tokens = itertools.count(1)
        self._waiting: dict[str, _Waiting] = {}
        self._interests: dict[str, Interest] = {}
        self._hooks: list[Hook] = []
        #: When the newest connection was made, on the clock's monotonic scale.
        self.up_since = clock.monotonic()
        #: Connections made, and complaints of the driver.
        self.connections = self.complaints = 0

    @property
    def up(self) -> bool:
        """Whether there is a connection now, as far as is known."""
        return self._client is not None and self._client.is_connected

    def when_up(self, hook: Hook) -> None:
        """Have `hook` run beside everything else after each connection is made."""
        self._hooks.append(hook)

    async def hear(self, subject: str, handler: Handler, *, queue: str = "") -> None:
        """Have `handler` called with what is published to `subject`, now and on every later connection."""
        known = self._interests.get(subject)
        if known is not None:
            known.handler = handler
            return
        interest = self._interests[subject] = Interest(subject, handler, queue)
        if self._client is not None:
            # If it fails, the connection is ending, and the next one takes the interest over.
            with suppress(nats.errors.Error, OSError):
                await self._listen(self._client, interest)

    async def ignore(self, subject: str) -> None:
        """Hear `subject` no longer."""
        interest = self._interests.pop(subject, None)
        if interest is not None and interest.live is not None:
            with suppress(nats.errors.Error, OSError):
                await interest.live.unsubscribe()

    async def send(
        self, subject: str, payload: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        """Publish without an answer; what is sent while the connection breaks may be lost.

        Raises:
            StorageUnavailable: there is no connection, or too much waits for it.
        """
        client = self._usable()
        with translating():
            async with asyncio.timeout(self._settings.timeout_s):
                await client.publish(subject, payload, headers=dict(headers) if headers else None)

    async def begin(
        self,
        subject: str,
        payload: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        many: bool = False,
    ) -> "asyncio.Future[list[Msg]]":
        """Send a request; the future gets the answer, or an error of ours after `timeout_s` at the latest.

        With `many` it gets all answers up to the first one that carries a status.
        """
        client = self._usable()
        loop = asyncio.get_running_loop()
        token = str(next(self._tokens))
        future: asyncio.Future[list[Msg]] = loop.create_future()
        timer = loop.call_later(self._settings.timeout_s, self._expire, token)
        self._waiting[token] = _Waiting(future, timer, many)
        try:
            with translating():
                async with asyncio.timeout(self._settings.timeout_s):
                    await client.publish(
                        subject,
                        payload,
                        reply=f"{self._inbox}.{token}",
                        headers=dict(headers) if headers else None,
                    )
        except BaseException:
            timer.cancel()
            self._waiting.pop(token, None)
            raise
        return future

    async def ask(
        self, subject: str, payload: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Msg:
        """Send a request and return its answer.

        Raises:
            StorageUnavailable: no answer in time, or nobody there to answer.
        """
        return (await (await self.begin(subject, payload, headers)))[0]

    async def ask_many(self, subject: str, payload: bytes) -> list[Msg]:
        """Send a request and return its answers, the closing one with a status last.

        Raises:
            StorageUnavailable: not all answers in time, or nobody there to answer.
        """
        return await (await self.begin(subject, payload, many=True))

    async def run(self) -> None:
        """Connect, stay connected, and connect again, until cancelled."""
        pause = self._settings.reconnect_first_s
        while True:
            client = Client()
            try:
                await self._connect(client)
            except (nats.errors.Error, OSError):
                self.complaints += 1
                await self._abandon(client)
                await self._clock.sleep(pause)
                pause = min(pause * 2, self._settings.reconnect_longest_s)
                continue
            pause = self._settings.reconnect_first_s
            try:
                await self._watch_over(client)
            finally:
                self._client = None
                self._refuse_waiting()
                await self._abandon(client)

    async def _connect(self, client: Client) -> None:
        self._ended = ended = asyncio.Event()

        async def closed() -> None:
            ended.set()

        async def complained(error: Exception) -> None:
            self.complaints += 1

        settings = self._settings
        # The timeout bounds the whole of it: the driver alone would go on trying for ever.
        async with asyncio.timeout(settings.connect_timeout_s * 2):
            await client.connect(
                servers=list(settings.servers),
                user=settings.user or None,
                password=self._password,
                name=settings.prefix,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                # What the driver types as whole seconds it uses as a float.
                connect_timeout=settings.connect_timeout_s,  # type: ignore[arg-type]
                pending_size=settings.max_unsent_bytes,
                flush_timeout=settings.timeout_s,
                closed_cb=closed,
                error_cb=complained,
                skip_subject_validation=True,
            )
            self._inbox = client.new_inbox()
            await client.subscribe(f"{self._inbox}.*", cb=self._answered)
            await client.flush()
            # Some may come while others are told of; from the last look on nothing is awaited.
            while missing := [i for i in self._interests.values() if i.client is not client]:
                for interest in missing:
                    await self._listen(client, interest)
                await client.flush()
        self._client = client
        self.up_since = self._clock.monotonic()
        self.connections += 1
        for hook in self._hooks:
            self._chores.begin(hook(), name="welcome")

    async def _listen(self, client: Client, interest: Interest) -> None:
        async def handle(message: Msg) -> None:
            interest.handler(message)

        interest.client = client
        interest.live = live = await client.subscribe(
            interest.subject,
            queue=interest.queue,
            cb=handle,
            pending_bytes_limit=self._settings.max_unheard_bytes,
        )
        if self._interests.get(interest.subject) is not interest:
            await live.unsubscribe()

    async def _watch_over(self, client: Client) -> None:
        """Return when this connection is over, or gives no sign of life."""
        while client.is_connected:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.ping_every_s):
                    await self._ended.wait()
            if self._ended.is_set():
                return
            try:
                async with asyncio.timeout(self._settings.ping_every_s):
                    await client.flush()
            except (nats.errors.Error, OSError):
                self.complaints += 1
                return

    async def _abandon(self, client: Client) -> None:
        with suppress(Exception):
            async with asyncio.timeout(self._settings.close_timeout_s):
                await client.close()
        # The driver has no call for the rest: a stalled socket keeps it waiting for a flush, and a socket that
        # breaks while it closes leaves the tasks of all its subscriptions behind.
        writer = getattr(client._transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()
        for subscription in tuple(client._subs.values()):
            subscription._stop_processing()
        client._subs.clear()

    async def close(self) -> None:
        """Send what waits for the socket, in bounded time."""
        if self._client is not None:
            with suppress(nats.errors.Error, OSError):
                async with asyncio.timeout(self._settings.close_timeout_s):
                    await self._client.flush()

    def _usable(self) -> Client:
        client = self._client
        if client is None or not client.is_connected:
            raise away("there is no connection to NATS")
        if client.pending_data_size > self._settings.max_unsent_bytes:
            raise away("too much waits for the connection to NATS")
        return client

    async def _answered(self, message: Msg) -> None:
        token = message.subject.rpartition(".")[2]
        waiting = self._waiting.get(token)
        if waiting is None:
            return
        if status_of(message) == "503":
            self._fail(token, away("nobody answers for this at NATS"))
        elif waiting.answered(message):
            del self._waiting[token]

    def _expire(self, token: str) -> None:
        self._fail(token, translated(nats.errors.TimeoutError()))

    def _refuse_waiting(self) -> None:
        for token in tuple(self._waiting):
            self._fail(token, StorageUnavailable(context="the connection to NATS broke"))

    def _fail(self, token: str, error: KinoraError) -> None:
        waiting = self._waiting.pop(token, None)
        if waiting is not None:
            waiting.timer.cancel()
            if not waiting.future.done():
                waiting.future.set_exception(error)

    def __repr__(self) -> str:
        return (
            f"<Connection up={self.up} connections={self.connections} waiting={len(self._waiting)}>"
        )


def status_of(message: Msg) -> str | None:
    """The status line of a message of the server itself, None for anybody else's."""
    return message.headers.get("Status") if message.headers else None
