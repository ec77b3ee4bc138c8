"""The cell: one actor's place in memory, and the rules by which its turns are taken.

- A query runs at once on an actor that is there, even while a command waits for something: turns are
  whole, so there is never anything half-done to see.
- Commands run one after the other. One that finds the actor idle runs on the spot, in the caller's own
  stack, with no task and no queue; one that lacks something makes the actor busy until it has it; what
  comes meanwhile waits in the mailbox.
- A reply leaves when its batch has landed. An answer that changed nothing rests on the last batch.
- A handler that fails in an unexpected way may have left the state half changed: the state is thrown away
  and read again, and the sender gets `Internal`.

The caller may go away (phones do): a command that has begun goes on without it.
"""

import asyncio
from collections.abc import Callable, Hashable
from typing import Any

from actors.actor import Actor
from actors.batch import Batch
from actors.mailbox import Mailbox
from actors.messages import (
    Caller,
    Message,
)
from actors.ports.clock import Clock
from actors.ports.shard_store import KeptAnswer, ShardStore
from actors.ports.sockets import SocketHub
from actors.replies import Reply
from actors.settings import RuntimeSettings
from actors.shard import OwnedShard
from actors.tasks import Alarm, TaskSet
from actors.turn import Need, Turn
from sharding.codec import Codec
from sharding.errors import (
    DeadlineExceeded,
    IdempotencyConflict,
    InProgress,
    Internal,
    KinoraError,
    Unavailable,
)

#: How answers are kept for repeats.
REPLIES: Codec[Reply] = Codec(Reply)


#: First half of the key under which a turn fetches the kept answer of its op.
_ANSWER = "answer"


class Letter:
    """A command on its way through a cell."""

    __slots__ = ("caller", "future", "message", "started")

    def __init__(self, message: Message[Any], caller: Caller) -> None:
        self.message = message
        self.caller = caller
        self.future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.started = False

    def answer(self, reply: Any) -> None:
        if isinstance(reply, KinoraError):
            self.refuse(reply)
        elif not self.future.done():
            self.future.set_result(reply)

    def refuse(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)
            # The sender may have gone away.
            self.future.exception()


class Cell:
    """Holds at most one actor."""

    __slots__ = (
        "_alarm",
        "_clock",
        "_on_soft",
        "_running",
        "_settings",
        "_sockets",
        "_store",
        "_tasks",
        "actor",
        "busy",
        "entity",
        "gate",
        "loading",
        "mailbox",
        "queries",
        "shard",
        "soft",
        "used",
    )

    def __init__(
        self,
        entity: int,
        shard: OwnedShard,
        *,
        store: ShardStore,
        clock: Clock,
        tasks: TaskSet,
        sockets: SocketHub,
        settings: RuntimeSettings,
        alarm: Alarm,
        on_soft: Callable[["Cell"], None],
    ) -> None:
        """`on_soft` is told whenever there is something to write behind."""
        self.entity = entity
        self.shard = shard
        self.actor: Actor | None = None
        #: Set while the actor is being loaded.
        self.loading: asyncio.Future[None] | None = None
        self.busy = False
        #: Queries that wait for something and will go on with this actor.
        self.queries = 0
        #: The last batch that carries something of this actor.
        self.gate: Batch | None = None
        #: Parts to be written behind.
        self.soft: set[str] = set()
        #: Whether it was used since the last look for idle actors.
        self.used = True
        self.mailbox: Mailbox[Letter] | None = None
        self._running: dict[bytes, bytes] | None = None
        self._store = store
        self._clock = clock
        self._tasks = tasks
        self._sockets = sockets
        self._settings = settings
        self._alarm = alarm
        self._on_soft = on_soft

    # Queries.

    def query(
        self, message: Message[Any], session: int, answers: dict[Hashable, object]
    ) -> tuple[Any, Batch | None]:
        """Answer at once; with it the batch that must be committed first, if the answer needed one.

        Raises:
            Need: as the handler says.
        """
        actor = self.actor
        if actor is None:
            raise Unavailable("The user is being moved.", executed=False)
        self.used = True
        turn = Turn(self.entity, self._clock.unix_ms(), answers, epoch=self.shard.epoch)
        try:
            reply = actor.ask(message, turn, session)
        except (Need, KinoraError):
            self._soften(turn)
            raise
        except Exception as error:
            raise self._broken(message, error) from error
        return reply, self._take(turn)

    # Commands.

    def post(self, letter: Letter, size: Callable[[], int]) -> None:
        """Run a command now or when those before it are done.

        Raises:
            MailboxFull: too many wait; it was not executed.
            InProgress, IdempotencyConflict: the same key is running.
        """
        self.used = True
        caller = letter.caller
        if caller.keyed:
            running = self._running
            if running is not None and caller.op_id in running:
                if running[caller.op_id] != caller.digest:
                    raise IdempotencyConflict()
                raise InProgress()
        if self.busy:
            if self.mailbox is None:
                self.mailbox = Mailbox(self._settings.mailbox_capacity, self.shard.budget)
            self.mailbox.put_nowait(letter, size())
        if caller.keyed:
            if self._running is None:
                self._running = {}
            self._running[caller.op_id] = caller.digest
            letter.future.add_done_callback(lambda _: self._ended(caller.op_id))
        if not self.busy:
            self._work(letter)

    def withdraw(self, letter: Letter) -> None:
        """Take back a command whose sender no longer waits, if it has not begun."""
        if not letter.started:
            letter.future.cancel()
            if self.mailbox is not None:
                self.mailbox.drop(letter)

    def _ended(self, op_id: bytes) -> None:
        if self._running is not None:
            self._running.pop(op_id, None)
            if not self._running:
                self._running = None

    def _work(self, letter: Letter | None) -> None:
        """Run a letter, and then those that wait, until one has to fetch something."""
        while letter is not None:
            if not letter.future.done():
                letter.started = True
                answers: dict[Hashable, object] = {}
                need = self._attempt(letter, answers)
                if need is not None:
                    self.busy = True
                    self._tasks.spawn(
                        self._fetch(letter, need, answers), name=f"turn-{self.entity}"
                    )
                    return
            letter = self.mailbox.get_nowait() if self.mailbox is not None else None
        self.mailbox = None

    async def _fetch(self, letter: Letter, need: Need, answers: dict[Hashable, object]) -> None:
        try:
            lacking: Need | None = need
            for _ in range(self._settings.max_fetches):
                assert lacking is not None
                await self.fetch(lacking, answers)
                lacking = self._attempt(letter, answers)
                if lacking is None:
                    break
            else:
                letter.refuse(Internal(context=f"{letter.message!r} never has enough"))
        except KinoraError as error:
            error.executed = False
            letter.refuse(error)
        except Exception as error:
            self._alarm(f"fetch of {self.entity} for {type(letter.message).__name__}", error)
            letter.refuse(Internal(executed=False, context=repr(error)))
        finally:
            self.busy = False
        self._work(self.mailbox.get_nowait() if self.mailbox is not None else None)

    async def fetch(self, need: Need, answers: dict[Hashable, object]) -> None:
        """Get what a handler lacks, once this actor's own rows can be read."""
        if not (self.settled or is_answer(need.key)):
            assert self.gate is not None
            await asyncio.wait((self.gate.landed,))
        answers[need.key] = await need.load()

    def _attempt(self, letter: Letter, answers: dict[Hashable, object]) -> Need | None:
        """Take the turn; what it lacks, or None when the letter is answered, refused or on its way."""
        caller, actor = letter.caller, self.actor
        if caller.deadline and self._clock.monotonic() >= caller.deadline:
            letter.refuse(DeadlineExceeded("Its time was over before it began.", executed=False))
            return None
        if actor is None:
            letter.refuse(Unavailable("The user is being moved.", executed=False))
            return None
        turn = Turn(self.entity, self._clock.unix_ms(), answers, epoch=self.shard.epoch)
        kept: KeptAnswer | None = None
        try:
            if caller.keyed:
                known = self._kept(caller, turn)
                if known is not None:
                    self._rest(letter, REPLIES.decode(known.answer))
                    return None
            self.shard.admit()
            reply = actor.ask(letter.message, turn, caller.session)
            if caller.keyed:
                kept = KeptAnswer(
                    op_id=caller.op_id,
                    digest=caller.digest,
                    answer=REPLIES.encode(reply),
                    expires_ms=turn.now_ms + self._settings.keyed_answer_ms,
                )
        except Need as need:
            return need
        except KinoraError as error:
            letter.refuse(error)
            return None
        except Exception as error:
            letter.refuse(self._broken(letter.message, error))
            return None
        batch = self._take(turn, kept)
        outcome = reply if turn.refusal is None else turn.refusal
        if batch is None:
            self._rest(letter, outcome)
        else:
            _when(batch.landed, letter, outcome)
        return None

    def _kept(self, caller: Caller, turn: Turn) -> KeptAnswer | None:
        """The answer of an earlier run of this op.

        Raises:
            IdempotencyConflict: it was another request.
        """
        known = turn.fetched(
            (_ANSWER, caller.op_id),
            lambda: self._store.answer(self.shard.number, caller.op_id, now_ms=turn.now_ms),
        )
        if known is not None and known.digest != caller.digest:
            raise IdempotencyConflict()
        return known

    def _rest(self, letter: Letter, reply: Any) -> None:
        """Answer what changed nothing, once that which it rests on has landed."""
        if self.gate is None or self.gate.landed.done():
            letter.answer(reply)
        else:
            _when(self.gate.landed, letter, reply)

    def _take(self, turn: Turn, kept: KeptAnswer | None = None) -> Batch | None:
        """Hand what a turn left behind to the shard."""
        self._soften(turn)
        if not (turn.changed or kept is not None or turn.frames or turn.broadcasts):
            return None
        batch = self.shard.submit(turn, answer=kept)
        self.gate = batch
        return batch

    def _soften(self, turn: Turn) -> None:
        """Note what is to be written behind."""
        if turn.soft:
            self.soft |= turn.soft
            self._on_soft(self)

    def _broken(self, message: object, error: Exception) -> Internal:
        """The state may be half changed: forget it."""
        self._alarm(f"actor {self.entity} at {type(message).__name__}", error)
        self.throw_away()
        return Internal(context=repr(error))

    # Its life.

    @property
    def settled(self) -> bool:
        """Whether everything of it has landed."""
        return self.gate is None or self.gate.landed.done()

    @property
    def idle(self) -> bool:
        """Whether it may be let go."""
        return (
            not self.busy
            and self.queries == 0
            and self.mailbox is None
            and self.loading is None
            and not self.soft
            and self.settled
            and (self.actor is None or not (self.actor.connections or self.actor.restless))
        )

    def close(self) -> None:
        """Refuse whoever waits; nothing of theirs was done."""
        while self.mailbox is not None and (letter := self.mailbox.get_nowait()) is not None:
            letter.refuse(Unavailable("The user is being moved.", executed=False))
        self.mailbox = None
        self.throw_away()

    def throw_away(self) -> None:
        """Let the actor go as it is; its websockets attach again, to whoever comes after it."""
        actor, self.actor = self.actor, None
        for connection in tuple(actor.connections) if actor is not None else ():
            self._sockets.detach(connection)

    def __repr__(self) -> str:
        waiting = len(self.mailbox) if self.mailbox is not None else 0
        return (
            f"<Cell {self.entity} shard={self.shard.number} active={self.actor is not None}"
            f" busy={self.busy} waiting={waiting}>"
        )


def is_answer(key: Hashable) -> bool:
    """Whether a turn fetches a kept answer, which does not lie among the facts."""
    return isinstance(key, tuple) and key[0] == _ANSWER


def _when(moment: asyncio.Future[None], letter: Letter, reply: Any) -> None:
    """Answer with `reply` when `moment` comes, or with its failure."""

    def settle(done: asyncio.Future[None]) -> None:
        if done.cancelled():
            letter.refuse(Unavailable("The service is stopping."))
        elif (error := done.exception()) is not None:
            letter.refuse(error)
        else:
            letter.answer(reply)

    if moment.done():
        settle(moment)
    else:
        moment.add_done_callback(settle)
