"""The runtime: finds or activates actors, hands them messages and events, and lets idle ones go.

It owns shards, not truth: each write is checked by the fence beside the data, so a runtime that was
paused, partitioned or simply wrong cannot do harm, only be refused. What it promises:

- one actor per entity in this process, loaded once however many ask for it at the same time;
- every event of the bus is applied once, in the same commit that notes its number;
- nothing waits without a bound: mailboxes, loads, backlog and deadlines are all numbers in `settings`;
- memory is thrown away on any loss of ownership, so a shard that comes back is read anew.
"""

import asyncio
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from actors.actor import Kind, Loader
from actors.cell import Cell, Letter
from actors.cells import Cells
from actors.collaborators import Collaborators
from actors.delivery import Delivery
from actors.events import AnyEvent
from actors.messages import Caller, Message
from actors.ownership import Ownership
from actors.ports.bus import Envelope
from actors.shard import OwnedShard
from actors.tasks import Alarm
from actors.turn import Need, Turn
from sharding.errors import DeadlineExceeded, Internal, KinoraError, NotOwner, Unavailable
from sharding.shards import SHARD_COUNT

R = TypeVar("R")


class RuntimeStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """One node at one moment."""

    shards: int
    #: Those that nobody is answered for, because their lease is over and the store is silent.
    shards_unsure: int
    actors: int
    loading: int
    backlog: int
    mailboxes_waiting: int
    refused: int
    activations: int
    passivations: int
    commits: int
    operations: int
    #: Commits offered again to a store that had lost them.
    replayed: int
    gaps: int
    shards_lost: int
    #: Those whose counts are to be taken anew.
    shards_dirty: int


class Runtime:
    """All shards that one process owns."""

    def __init__(
        self, owner: str, collaborators: Collaborators, loaders: Mapping[Kind, Loader], alarm: Alarm
    ) -> None:
        """`owner` names this incarnation; no two processes ever have the same."""
        self.owner = owner
        self._with = collaborators
        self._settings = collaborators.settings
        self._alarm = alarm
        self._ownership = Ownership(
            owner, collaborators, on_forgotten=lambda shard: self.cells.forget(shard), alarm=alarm
        )
        self.cells = Cells(self._ownership.shards, collaborators, loaders, alarm)
        self._delivery = Delivery(
            self._ownership.shards,
            self._ownership.dirty,
            self.cells,
            collaborators.clock,
            collaborators.settings,
        )
        self._stopping = False

    # Ownership.

    async def acquire(
        self, shards: Sequence[int] = range(SHARD_COUNT), *, proven_dead: Collection[str] = ()
    ) -> list[int]:
        """Become the owner of `shards` where the fence allows it; returns those that are owned now.

        `proven_dead` are incarnations that certainly do not run any more: their leases do not count.

        Raises:
            StorageUnavailable: none could be had because the store does not answer.
        """
        return await self._ownership.acquire(shards, proven_dead=proven_dead)

    async def recovered(self) -> None:
        """Return when the rows that former owners promised have landed."""
        for shard in list(self.owned.values()):
            await asyncio.shield(shard.recovered)

    async def keep(self) -> None:
        """Renew the leases of all shards; to be called several times within the length of one."""
        if not self._stopping:
            await self._ownership.keep()

    # Asking.

    def ask_nowait(self, user_id: int, message: Message[R], session: int) -> R | None:
        """The answer of an actor that is here and lacks nothing; None when it must be waited for.

        For queries. Nothing is queued, awaited or changed.

        Raises:
            KinoraError: the actor refused.
        """
        cell = self.cells.get(user_id)
        if cell is None or cell.actor is None or cell.shard.unsure:
            return None
        try:
            reply, batch = cell.query(message, session, {})
        except Need:
            return None
        # A page that had to be committed first is asked for again by `ask`, which waits for it.
        return reply if batch is None else None

    async def ask(self, user_id: int, message: Message[R], caller: Caller) -> R:
        """What the user's actor answers.

        A command goes on when the caller goes away.

        Raises:
            DeadlineExceeded: `executed` is False when it had not begun.
            KinoraError: refused or failed; `executed` says what is certain.
        """
        if self._stopping:
            raise NotOwner()
        remaining = None
        if caller.deadline:
            remaining = caller.deadline - self._with.clock.monotonic()
            if remaining <= 0:
                raise DeadlineExceeded("Its time was over before it began.", executed=False)
        letter = Letter(message, caller) if message.COMMAND else None
        cell: Cell | None = None
        try:
            async with asyncio.timeout(remaining):
                cell = await self.cells.activate(user_id, "user")
                if cell.shard.unsure:
                    raise Unavailable("Whose user this is now is not known.", executed=False)
                if letter is None:
                    return await self._query(cell, message, caller.session)
                cell.post(letter, lambda: len(msgspec.msgpack.encode(message)))
                reply: R = await asyncio.shield(letter.future)
                return reply
        except TimeoutError:
            begun = letter is not None and letter.started
            raise DeadlineExceeded(executed=None if begun else False) from None
        finally:
            if letter is not None and cell is not None:
                cell.withdraw(letter)

    async def _query(self, cell: Cell, message: Message[R], session: int) -> R:
        answers: dict[Hashable, object] = {}
        for _ in range(self._settings.max_fetches):
            try:
                reply, batch = cell.query(message, session, answers)
            except Need as need:
                cell = await self._supply(cell, need, answers)
                continue
            gate = batch or cell.gate
            if gate is not None and not gate.committed.done():
                await asyncio.shield(gate.committed)
            answer: R = reply
            return answer
        raise Internal(context=f"{message!r} never has enough")

    async def _supply(self, cell: Cell, need: Need, answers: dict[Hashable, object]) -> Cell:
        """Fetch what a query lacks; the cell that it goes on in, which stays meanwhile."""
        cell.queries += 1
        try:
            answers[need.key] = await need.load()
        except KinoraError as error:
            error.executed = False
            raise
        finally:
            cell.queries -= 1
        return cell if cell.actor is not None else await self.cells.activate(cell.entity, "user")

    # Hearing.

    async def receive(self, envelopes: Sequence[Envelope]) -> None:
        """Apply events from the bus, each once; returns when their effects are committed."""
        await self._delivery.receive(envelopes)

    async def tell(self, entity: int, event: AnyEvent) -> None:
        """Have an actor take note of something that did not come over the bus; committed on return."""
        await self._delivery.tell(entity, event)

    async def recount(self, entity: int, kind: Kind, tally: Callable[[int], Any]) -> int | None:
        """Set an entity's counts to the sizes of its facts; how far they were off, None if it kept moving."""
        return await self._delivery.recount(entity, kind, tally)

    @property
    def dirty(self) -> set[int]:
        """Shards in which an event may have been lost, so that all counts must be taken anew."""
        return self._ownership.dirty

    # Time passes.

    def tick(self) -> None:
        """Write soft state behind and let coalesced events go; once a second."""
        for cell in self.cells.take_restless():
            self._look_at(cell)
        for shard in self.owned.values():
            shard.tidy()

    def _look_at(self, cell: Cell) -> None:
        actor = cell.actor
        if actor is None or cell.shard.lost:
            return
        try:
            cell.shard.admit()
        except KinoraError:
            self.cells.note_restless(cell)
            return
        turn = Turn(cell.entity, self._with.clock.unix_ms(), {}, epoch=cell.shard.epoch)
        try:
            actor.tick(turn)
            turn.soft |= cell.soft
            cell.soft = set()
            for part in sorted(turn.soft):
                turn.put(part, actor.dump(part))
        except Exception as error:
            self._alarm(f"tick of {cell.entity}", error)
            cell.throw_away()
            return
        if turn.changed or turn.frames:
            cell.gate = cell.shard.submit(turn)
        if actor.restless:
            self.cells.note_restless(cell)

    async def stop(self) -> None:
        """Take nothing new, write everything behind, wait until it has landed, give the shards up."""
        self._stopping = True
        self.tick()
        clock = self._with.clock
        end = clock.monotonic() + self._settings.drain_s
        while clock.monotonic() < end and not all(s.quiet for s in self.owned.values()):
            await clock.sleep(0.01)
        await self._ownership.give_up()

    @property
    def quiet(self) -> bool:
        """Whether everything has been committed, has landed and was relayed."""
        return self.cells.quiet and all(shard.quiet for shard in self.owned.values())

    @property
    def owned(self) -> Mapping[int, OwnedShard]:
        """The shards of this node."""
        return self._ownership.shards

    def statistics(self) -> RuntimeStatistics:
        """The node at this moment."""
        done = self._ownership.statistics()
        budgets = [shard.budget.statistics() for shard in self.owned.values()]
        return RuntimeStatistics(
            shards=len(self.owned),
            shards_unsure=sum(shard.unsure for shard in self.owned.values()),
            actors=len(self.cells),
            loading=self.cells.loading,
            backlog=done.backlog,
            mailboxes_waiting=sum(each.waiting for each in budgets),
            refused=sum(each.refused for each in budgets),
            activations=self.cells.activations,
            passivations=self.cells.passivations,
            commits=done.commits,
            operations=done.operations,
            replayed=done.replayed,
            gaps=self._delivery.gaps,
            shards_lost=self._ownership.lost,
            shards_dirty=len(self.dirty),
        )

    def __repr__(self) -> str:
        return f"<Runtime {self.owner} shards={len(self.owned)} {self.cells!r}>"
