"""The runtime: finds or activates actors, hands them messages and events, and lets idle ones go.

It owns shards, not truth: each write is checked by the fence beside the data, so a runtime that was
paused, partitioned or simply wrong cannot do harm, only be refused. What it promises:

- one actor per entity in this process, loaded once however many ask for it at the same time;
- every event of the bus is applied once, in the same commit that notes its number;
- nothing waits without a bound: mailboxes, loads, backlog and deadlines are all numbers in `settings`;
- memory is thrown away on any loss of ownership, so a shard that comes back is read anew.
"""

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from actors.actor import Kind, Loader
from actors.batch import ShardStatistics
from actors.cell import Cell, Letter
from actors.cells import Cells
from actors.delivery import Delivery
from actors.events import AnyEvent
from actors.messages import Caller, Message
from actors.ports.bus import Envelope
from actors.ports.shard_store import Refused
from actors.shard import Collaborators, OwnedShard
from actors.tasks import Alarm
from actors.turn import Need, Turn
from sharding.errors import DeadlineExceeded, Internal, KinoraError, NotOwner
from sharding.fence import Bid, next_epoch
from sharding.shards import SHARD_COUNT

R = TypeVar("R")

#: Shards that are given up at a time.
_SEALS = 128


class RuntimeStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """One node at one moment."""

    shards: int
    actors: int
    loading: int
    backlog: int
    mailboxes_waiting: int
    refused: int
    activations: int
    passivations: int
    commits: int
    operations: int
    gaps: int
    shards_lost: int


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
        self._shards: dict[int, OwnedShard] = {}
        self.cells = Cells(self._shards, collaborators, loaders, alarm)
        self._delivery = Delivery(
            self._shards, self.cells, collaborators.clock, collaborators.settings
        )
        self._shards_lost = 0
        #: What shards did that are not owned any more.
        self._past = ShardStatistics(backlog=0, commits=0, operations=0)
        self._stopping = False

    # Ownership.

    async def acquire(
        self, shards: Sequence[int] = range(SHARD_COUNT), *, proven_dead: str | None = None
    ) -> list[int]:
        """Become the owner of `shards` where the fence allows it; returns those that are owned now.

        `proven_dead` is an incarnation that certainly does not run any more: its lease does not count.
        """
        clock, store = self._with.clock, self._with.store
        fences = await store.fences()
        now = clock.unix_ms()
        bids = [
            Bid(
                shard=shard,
                epoch=next_epoch(fences[shard], intended=0, unix_ms=now),
                owner=self.owner,
                lease_until_ms=now + self._settings.lease_ms,
                proven_dead=proven_dead,
            )
            for shard in shards
        ]
        owned: list[int] = []
        for bid, result in zip(bids, await store.install(bids, now_ms=now), strict=True):
            if isinstance(result, Refused):
                continue
            head = await store.open(bid.shard)
            if head.fence.epoch != bid.epoch or head.fence.owner != self.owner:
                continue
            shard = OwnedShard(bid.shard, head, self._with, self._lost)
            self._shards[bid.shard] = shard
            owned.append(bid.shard)
            if head.intents or head.outbox:
                self._with.tasks.spawn(shard.recover(head), name=f"recover-{shard.number}")
            else:
                shard.recovered.set_result(None)
        return owned

    async def recovered(self) -> None:
        """Return when the rows that former owners promised have landed."""
        for shard in list(self._shards.values()):
            await asyncio.shield(shard.recovered)

    async def keep(self) -> None:
        """Renew the leases of all shards; to be called at least every third of a lease."""
        if self._stopping:
            return
        until = self._with.clock.unix_ms() + self._settings.lease_ms
        held = dict(self._shards)
        renewed = await self._with.store.renew(tuple(held), owner=self.owner, lease_until_ms=until)
        # Somebody else owns the others; what is in memory of them must not be served any longer.
        for number in sorted(held.keys() - set(renewed)):
            held[number].lose("its lease could not be renewed")

    def _lost(self, shard: OwnedShard) -> None:
        self._shards_lost += 1
        self._forget(shard)

    def _forget(self, shard: OwnedShard) -> None:
        if self._shards.get(shard.number) is shard:
            del self._shards[shard.number]
            self.dirty.discard(shard.number)
        statistics = shard.statistics()
        self._past = ShardStatistics(
            backlog=0,
            commits=self._past.commits + statistics.commits,
            operations=self._past.operations + statistics.operations,
        )
        self.cells.forget(shard)

    # Asking.

    def ask_nowait(self, user_id: int, message: Message[R], session: int) -> R | None:
        """The answer of an actor that is here and lacks nothing; None when it must be waited for.

        For queries. Nothing is queued, awaited or changed.

        Raises:
            KinoraError: the actor refused.
        """
        cell = self.cells.get(user_id)
        if cell is None or cell.actor is None:
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
        return self._delivery.dirty

    # Time passes.

    def tick(self) -> None:
        """Write soft state behind and let coalesced events go; once a second."""
        for cell in self.cells.take_restless():
            self._look_at(cell)
        for shard in self._shards.values():
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
        turn = Turn(cell.entity, self._with.clock.unix_ms(), {})
        try:
            actor.tick(turn)
            turn.soft |= cell.soft
            cell.soft = set()
            for part in sorted(turn.soft):
                turn.put(part, actor.dump(part))
        except Exception as error:
            self._alarm(f"tick of {cell.entity}", error)
            cell.actor = None
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
        while clock.monotonic() < end and not all(s.quiet for s in self._shards.values()):
            await clock.sleep(0.01)
        shards = list(self._shards.values())
        for at in range(0, len(shards), _SEALS):
            await asyncio.gather(*(self._give_up(shard) for shard in shards[at : at + _SEALS]))

    async def _give_up(self, shard: OwnedShard) -> None:
        if shard.quiet:
            try:
                await self._with.store.seal(shard.number, epoch=shard.epoch, owner=self.owner)
            except (Refused, KinoraError) as error:
                self._alarm(f"seal of {shard.number}", error)
        self._forget(shard)

    @property
    def quiet(self) -> bool:
        """Whether everything has been committed, has landed and was relayed."""
        return self.cells.quiet and all(shard.quiet for shard in self._shards.values())

    @property
    def owned(self) -> Mapping[int, OwnedShard]:
        """The shards of this node."""
        return self._shards

    def statistics(self) -> RuntimeStatistics:
        """The node at this moment."""
        shards = [shard.statistics() for shard in self._shards.values()]
        budgets = [shard.budget.statistics() for shard in self._shards.values()]
        return RuntimeStatistics(
            shards=len(shards),
            actors=len(self.cells),
            loading=self.cells.loading,
            backlog=sum(each.backlog for each in shards),
            mailboxes_waiting=sum(each.waiting for each in budgets),
            refused=sum(each.refused for each in budgets),
            activations=self.cells.activations,
            passivations=self.cells.passivations,
            commits=self._past.commits + sum(each.commits for each in shards),
            operations=self._past.operations + sum(each.operations for each in shards),
            gaps=self._delivery.gaps,
            shards_lost=self._shards_lost,
        )

    def __repr__(self) -> str:
        return f"<Runtime {self.owner} shards={len(self._shards)} {self.cells!r}>"
