"""`Cassandra`: statements in, rows out, on the event loop.

A statement takes a place behind the `Gate`, is sent by the driver, and its answer comes back over the `Bridge`.
Its place is free again when its answer is there, not when its caller has stopped waiting: what is on its way
stays counted. A batch of several writes is only made for one partition, where it is one mutation.
"""

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import msgspec

from actors.ports.clock import Clock
from sharding.errors import StorageUnavailable
from storage.cassandra.bridge import Bridge
from storage.cassandra.driver import Driver
from storage.cassandra.errors import translated
from storage.cassandra.gate import Gate
from storage.cassandra.settings import CassandraSettings
from storage.cassandra.statements import Call, Level, Statement

Rows = list[tuple[Any, ...]]


class CassandraStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What a connection has done since it was opened."""

    #: Statements that are on their way.
    in_flight: int
    #: Statements that wait for a place.
    waiting: int
    #: Statements that were answered, errors included; a batch is one.
    requests: int
    errors: int
    #: Statements that were sent again, to another node.
    retries: int
    #: Statements that were turned away unsent.
    refused: int
    #: Seconds between sending and answer, summed over `requests`.
    latency_s: float
    #: How often answers woke the event loop; `requests / bursts` came at a time.
    bursts: int


class _Sent:
    """A statement on its way."""

    __slots__ = ("answer", "at_s", "over")

    def __init__(self, answer: "asyncio.Future[Rows]", at_s: float) -> None:
        self.answer = answer
        self.at_s = at_s
        self.over = False


class Cassandra:
    """One process's way to the facts, on one event loop."""

    def __init__(self, driver: Driver, clock: Clock, settings: CassandraSettings) -> None:
        """Belongs to the running loop."""
        self.settings = settings
        self.clock = clock
        self._driver = driver
        self._gate = Gate(settings.max_in_flight, settings.max_waiting, settings.max_wait_s)
        self._bridge = Bridge(asyncio.get_running_loop())
        self._requests = self._errors = self._refused = 0
        self._latency_s = 0.0
        self._closed = False

    async def rows(self, statement: Statement, *values: object) -> Rows:
        """The rows that `statement` finds.

        Raises:
            StorageUnavailable: it is not known to have been done, or certainly was not (`executed`).
        """
        return await (await self._send([Call(statement, values)]))

    async def first(self, statement: Statement, *values: object) -> tuple[Any, ...] | None:
        """The first row that `statement` finds, None without any."""
        found = await self.rows(statement, *values)
        return found[0] if found else None

    async def all(self, calls: Iterable[Call]) -> list[Rows]:
        """The rows of each of `calls`, which run beside each other, as many as there is room for.

        Raises:
            StorageUnavailable: one of them failed; of the others some may have been done.
        """
        return await self._gathered([call] for call in calls)

    async def write(self, mutations: Iterable[list[Call]]) -> None:
        """Do all `mutations`, beside each other; each is writes to one partition, done together or not at all.

        Raises:
            StorageUnavailable: one of them is not known to have been done.
        """
        await self._gathered(mutations)

    async def ping(self) -> None:
        """Return when a node answers.

        Raises:
            StorageUnavailable: none does.
        """
        await self.rows(_PING)

    def statistics(self) -> CassandraStatistics:
        """Numbers since it was opened."""
        return CassandraStatistics(
            in_flight=self._gate.inside,
            waiting=self._gate.waiting,
            requests=self._requests,
            errors=self._errors,
            retries=self._driver.retrying.retries,
            refused=self._refused,
            latency_s=self._latency_s,
            bursts=self._bridge.bursts,
        )

    def close(self) -> None:
        """Refuse whatever comes from now on."""
        self._closed = True

    async def _gathered(self, mutations: Iterable[list[Call]]) -> list[Rows]:
        sent: list[asyncio.Future[Rows]] = []
        try:
            for calls in mutations:
                # Waits for a place only; the answer comes while the next ones are sent.
                answer = await self._send(calls)
                sent.append(answer)
            return [await each for each in sent]
        except BaseException:
            for each in sent:
                # One error is told; the others are the same story, and nobody waits for them.
                if not each.cancel() and not each.cancelled():
                    each.exception()
            raise

    async def _send(self, calls: Sequence[Call]) -> "asyncio.Future[Rows]":
        if not self._gate.enter_nowait():
            try:
                await self._gate.enter()
            except StorageUnavailable:
                self._refused += 1
                raise
        try:
            if self._closed:
                raise StorageUnavailable("The connection to Cassandra is closed.", executed=False)
            return self._execute(calls)
        except BaseException as error:
            self._gate.leave()
            if isinstance(error, Exception):
                raise translated(error) from error
            raise

    def _execute(self, calls: Sequence[Call]) -> "asyncio.Future[Rows]":
        driver = self._driver
        alone = len(calls) == 1
        bound = driver.bind(calls[0]) if alone else driver.bind_together(list(calls))
        sent = _Sent(asyncio.get_running_loop().create_future(), self.clock.monotonic())
        asked = driver.session.execute_async(
            bound, execution_profile=calls[0].statement.level.value
        )
        hand_over = self._bridge.hand_over
        asked.add_callbacks(
            partial(hand_over, self._answered, sent), partial(hand_over, self._failed, sent)
        )
        return sent.answer

    def _answered(self, sent: "_Sent", rows: Rows | None) -> None:
        if self._over(sent) and not sent.answer.done():
            sent.answer.set_result(rows or [])

    def _failed(self, sent: "_Sent", error: Exception) -> None:
        if not self._over(sent):
            return
        self._errors += 1
        if not sent.answer.done():
            failure = translated(error)
            failure.__cause__ = error
            sent.answer.set_exception(failure)

    def _over(self, sent: "_Sent") -> bool:
        """Whether this is the first that is heard of a statement, which then has its place no longer."""
        if sent.over:
            # One that was asked of two nodes is answered by both, or by one and the timeout of the other.
            return False
        sent.over = True
        self._gate.leave()
        self._requests += 1
        self._latency_s += self.clock.monotonic() - sent.at_s
        return True

    def __repr__(self) -> str:
        return f"<Cassandra {self.settings.keyspace} {self._gate!r} errors={self._errors}>"


_PING = Statement(Level.NEAR, "SELECT key FROM system.local")
