"""How work on the database is executed: on threads in production, inline in tests and in the simulator.

Inline, an effect runs on the event loop between two awaits, whole or not at all. The hook `delay` stands
in both of them: a simulator makes virtual time pass there, or raises to lose the call or its answer.
Threads are in `thread_runner`; what a transaction of several effects means is here, for both.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from sharding.errors import StorageUnavailable
from storage.errors import translating

T = TypeVar("T")
Effect = Callable[[sqlite3.Connection], T]


class Source(Protocol):
    """Where connections come from."""

    @property
    def shared(self) -> bool:
        """Whether there is only one connection, for reading and writing."""
        ...

    def connect(self, *, reader: bool) -> sqlite3.Connection:
        """A new connection in autocommit mode. Blocks."""
        ...


class DatabaseStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What a database has done since it was opened."""

    #: Effects that were handed in and are not answered yet.
    waiting: int
    #: Transactions that wrote; `writes / batches` is how many callers shared one fsync.
    batches: int
    writes: int
    reads: int
    #: Seconds that the writer was at work; against the time that passed, how busy it is.
    write_s: float


class Runner(Protocol):
    """Executes effects on connections."""

    async def start(self, source: Source) -> None:
        """Connect; called once, before anything else."""
        ...

    async def write(self, effect: Effect[T]) -> T:
        """Run `effect` in a transaction and return its result once that is durable.

        An exception of the effect undoes the effect alone and is raised here.

        Raises:
            StorageUnavailable: the engine fails, or too much is waiting.
        """
        ...

    async def read(self, effect: Effect[T]) -> T:
        """Run `effect` on one consistent snapshot, which holds every write answered before."""
        ...

    async def close(self) -> None:
        """Finish what was handed in, then disconnect. Later calls are refused."""
        ...

    def statistics(self) -> DatabaseStatistics:
        """Numbers as of now."""
        ...


class Outcome(msgspec.Struct, frozen=True):
    """How one effect ended."""

    value: Any = None
    error: Exception | None = None

    def unwrap(self) -> Any:
        """The value, or the error raised."""
        if self.error is not None:
            raise self.error
        return self.value


def run_together(connection: sqlite3.Connection, effects: Sequence[Effect[Any]]) -> list[Outcome]:
    """Run `effects` in one transaction, each undone alone if it raises; one outcome for each."""
    try:
        with translating():
            connection.execute("BEGIN IMMEDIATE")
    except Exception as error:
        return [Outcome(error=error)] * len(effects)
    alone = len(effects) == 1
    outcomes = []
    for effect in effects:
        outcome = _run_one(connection, effect, alone=alone)
        if not connection.in_transaction and not (alone and outcome.error):
            # A full disk makes SQLite roll back everything, savepoints and all.
            lost = StorageUnavailable(context=f"the engine rolled back: {outcome.error!r}")
            return [Outcome(error=lost)] * len(effects)
        outcomes.append(outcome)
    if not connection.in_transaction:
        return outcomes
    try:
        with translating():
            connection.execute("COMMIT")
    except Exception as error:
        _roll_back(connection)
        return [Outcome(error=error)] * len(effects)
    return outcomes


def run_alone(connection: sqlite3.Connection, effect: Effect[Any]) -> Outcome:
    """Run a reading `effect` on one snapshot."""
    try:
        with translating():
            connection.execute("BEGIN")
            return Outcome(effect(connection))
    except Exception as error:
        return Outcome(error=error)
    finally:
        _roll_back(connection)


def _run_one(connection: sqlite3.Connection, effect: Effect[Any], *, alone: bool) -> Outcome:
    try:
        with translating():
            # A savepoint costs two statements; an effect that is alone has the transaction for it.
            if not alone:
                connection.execute("SAVEPOINT effect")
            value = effect(connection)
            if not alone:
                connection.execute("RELEASE effect")
            return Outcome(value)
    except Exception as error:
        if alone:
            _roll_back(connection)
        elif connection.in_transaction:
            connection.execute("ROLLBACK TO effect")
            connection.execute("RELEASE effect")
        return Outcome(error=error)


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        connection.execute("ROLLBACK")


class InlineRunner:
    """Runs every effect on the event loop, between two calls of `delay`.

    A caller that is cancelled before its effect never had it; after, it has. The same holds where `delay`
    raises.
    """

    def __init__(self, delay: Callable[[], Awaitable[None]] | None = None) -> None:
        self._delay = delay
        self._connection: sqlite3.Connection | None = None
        self._writes = self._reads = 0

    async def start(self, source: Source) -> None:
        """Open the one connection."""
        with translating():
            self._connection = source.connect(reader=False)

    async def write(self, effect: Effect[T]) -> T:
        """`Runner.write`."""
        await self._pause()
        self._writes += 1
        outcome = run_together(self._live(), [effect])[0]
        await self._pause()
        value: T = outcome.unwrap()
        return value

    async def read(self, effect: Effect[T]) -> T:
        """`Runner.read`."""
        await self._pause()
        self._reads += 1
        outcome = run_alone(self._live(), effect)
        await self._pause()
        value: T = outcome.unwrap()
        return value

    async def close(self) -> None:
        """`Runner.close`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def statistics(self) -> DatabaseStatistics:
        """`Runner.statistics`; inline, every write is a batch and nothing waits."""
        return DatabaseStatistics(
            waiting=0, batches=self._writes, writes=self._writes, reads=self._reads, write_s=0.0
        )

    async def _pause(self) -> None:
        if self._delay is not None:
            await self._delay()

    def _live(self) -> sqlite3.Connection:
        if self._connection is None:
            raise closed()
        return self._connection

    def __repr__(self) -> str:
        return f"<InlineRunner writes={self._writes} reads={self._reads}>"


def closed() -> StorageUnavailable:
    """The refusal of a database that is closed."""
    return StorageUnavailable("The database is closed.", executed=False)
