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
from functools import partial
from typing import Any, TypeVar

import msgspec

from actors.actor import Kind, Loader
from actors.batch import ShardStatistics
from actors.cell import Cell, Letter
from actors.events import FOR_VIDEOS, AnyEvent
from actors.messages import Caller, Message
from actors.ports.bus import Envelope
from actors.ports.shard_store import Link, Refused
from actors.shard import Collaborators, OwnedShard
from actors.tasks import Alarm
from actors.turn import Need, Turn
from sharding.errors import (
    DeadlineExceeded,
    Internal,
    KinoraError,
    NotOwner,
    Overloaded,
    Unavailable,
)
from sharding.fence import Bid, next_epoch
from sharding.shards import SHARD_COUNT, shard_of

R = TypeVar("R")


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
        self._loaders = loaders
        self._alarm = alarm
        self._shards: dict[int, OwnedShard] = {}
        self._cells: dict[int, Cell] = {}
        #: Cells with something to write behind, in the order in which that came up.
        self._soft: dict[Cell, None] = {}
        self._loading = 0
        self._activations = 0
        self._passivations = 0
        self._gaps = 0
        self._shards_lost = 0
        self._past = ShardStatistics(backlog=0, commits=0, operations=0)
        #: Shards in which an event may have been lost, so that all counts must be taken anew.
        self.dirty: set[int] = set()
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
        for cell in [cell for cell in self._cells.values() if cell.shard is shard]:
            cell.close()
            self._soft.pop(cell, None)
            del self._cells[cell.entity]

    # Asking.

    def ask_nowait(self, user_id: int, message: Message[R], session: int) -> R | None:
        """The answer of an actor that is here and lacks nothing; None when it must be waited for.

        For queries. Nothing is queued, awaited or changed.

        Raises:
            KinoraError: the actor refused.
        """
        cell = self._cells.get(user_id)
        if cell is None or cell.actor is None:
            return None
        try:
            reply, batch = cell.query(message, session, {})
        except Need:
            return None
        if cell.soft:
            self._soft[cell] = None
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
        try:
            async with asyncio.timeout(remaining):
                cell = await self._activate(user_id, "user")
                if letter is None:
                    return await self._query(cell, message, caller.session)
                cell.post(letter, lambda: len(msgspec.msgpack.encode(message)))
                reply: R = await asyncio.shield(letter.future)
                return reply
        except TimeoutError:
            begun = letter is not None and letter.started
            raise DeadlineExceeded(executed=None if begun else False) from None
        finally:
            if letter is not None and not letter.started:
                letter.future.cancel()
            if (held := self._cells.get(user_id)) is not None and held.soft:
                self._soft[held] = None

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
        return cell if cell.actor is not None else await self._activate(cell.entity, "user")

    # Events.

    async def receive(self, envelopes: Sequence[Envelope]) -> None:
        """Apply events from the bus, each once; returns when their effects are committed."""
        touched: dict[int, OwnedShard] = {}
        for envelope in envelopes:
            shard = self._shards.get(envelope.target)
            if shard is None:
                raise NotOwner()
            await self._apply(shard, envelope)
            touched[shard.number] = shard
        for shard in touched.values():
            await shard.barrier()

    async def _apply(self, shard: OwnedShard, envelope: Envelope) -> None:
        number = (envelope.epoch, envelope.number)
        kind = _kind_of(envelope.event)
        answers: dict[Hashable, object] = {}
        for _ in range(self._settings.max_fetches):
            if shard.last_received(envelope.source) >= number:
                return
            cells = await self._listeners(envelope, kind)
            # Loading may have taken a while; from here on nothing else runs.
            if shard.lost:
                raise NotOwner()
            if shard.last_received(envelope.source) >= number:
                return
            if any(cell.actor is None for cell in cells):
                continue
            try:
                turn = self._hear(cells, envelope.event, answers)
            except Need as need:
                await self._supply_all(cells, need, answers)
                continue
            gap = envelope.after != shard.last_received(envelope.source)
            link = Link(peer=envelope.source, epoch=envelope.epoch, number=envelope.number)
            batch = shard.submit(turn, received=link)
            if gap:
                batch.committed.add_done_callback(partial(self._missed, shard))
            for cell in cells:
                cell.gate = batch
                self._note_soft(cell, turn)
            return
        raise Internal(context=f"{envelope.event!r} never has enough")

    async def _supply_all(
        self, cells: Sequence[Cell], need: Need, answers: dict[Hashable, object]
    ) -> None:
        """Fetch what a hearer lacks, once the rows of all who listen can be read."""
        for cell in cells:
            cell.queries += 1
        try:
            for cell in cells:
                if cell.gate is not None and not cell.settled:
                    await asyncio.wait((cell.gate.landed,))
            answers[need.key] = await need.load()
        finally:
            for cell in cells:
                cell.queries -= 1

    def _missed(self, shard: OwnedShard, committed: asyncio.Future[None]) -> None:
        """The event before one that counts never came; what a stale owner misses went to another."""
        if not committed.cancelled() and committed.exception() is None:
            self._gaps += 1
            self.dirty.add(shard.number)

    async def _listeners(self, envelope: Envelope, kind: Kind) -> list[Cell]:
        """The actors that an event is for; those asleep only if it is worth waking them."""
        if envelope.event.WAKES:
            return [await self._activate(entity, kind) for entity in envelope.to]
        awake = (self._cells.get(entity) for entity in envelope.to)
        return [cell for cell in awake if cell is not None and cell.actor is not None]

    def _hear(
        self, cells: Sequence[Cell], event: AnyEvent, answers: dict[Hashable, object]
    ) -> Turn:
        turn = Turn(0, self._with.clock.unix_ms(), answers)
        for cell in cells:
            turn.entity = cell.entity
            assert cell.actor is not None
            try:
                cell.actor.hear(event, turn)
            except (Need, KinoraError):
                raise
            except Exception:
                cell.actor = None
                raise
        return turn

    async def tell(self, entity: int, event: AnyEvent) -> None:
        """Have an actor take note of something that did not come over the bus (a job's report).

        At least once is the sender's business; handlers of such events ignore copies by what they say.
        """
        answers: dict[Hashable, object] = {}
        for _ in range(self._settings.max_fetches):
            cell = await self._activate(entity, _kind_of(event))
            if cell.actor is None:
                continue
            try:
                turn = self._hear((cell,), event, answers)
            except Need as need:
                await self._supply_all((cell,), need, answers)
                continue
            self._note_soft(cell, turn)
            if turn.changed or turn.frames:
                cell.gate = cell.shard.submit(turn)
                await asyncio.shield(cell.gate.committed)
            return
        raise Internal(context=f"{event!r} never has enough")

    async def recount(self, entity: int, kind: Kind, tally: Callable[[int], Any]) -> int | None:
        """Set an entity's counts to the sizes of its facts; how far they were off, None if it kept moving."""
        cell = await self._activate(entity, kind)
        actor = cell.actor
        if actor is None:
            return None
        heard = actor.heard
        counted = await tally(entity)
        if cell.actor is not actor or actor.heard != heard or not cell.settled:
            return None
        turn = Turn(entity, self._with.clock.unix_ms(), {})
        off = actor.count(counted, turn)
        if turn.changed:
            cell.gate = cell.shard.submit(turn)
            await asyncio.shield(cell.gate.landed)
        return off

    # Coming and going.

    async def _activate(self, entity: int, kind: Kind) -> Cell:
        """The entity's cell with its actor in it; loaded at most once at a time."""
        while True:
            cell = self._cells.get(entity)
            if cell is None:
                cell = self._new_cell(entity)
            if cell.actor is not None:
                return cell
            if cell.loading is None:
                if self._loading >= self._settings.max_loading * 16:
                    raise Overloaded("Too many users are waking up.")
                self._loading += 1
                cell.loading = asyncio.get_running_loop().create_future()
                self._with.tasks.spawn(self._load(cell, kind), name=f"load-{entity}")
            await asyncio.shield(cell.loading)

    def _new_cell(self, entity: int) -> Cell:
        shard = self._shards.get(shard_of(entity))
        if shard is None:
            raise NotOwner()
        if len(self._cells) >= self._settings.max_actors:
            self._make_room()
        cell = self._cells[entity] = Cell(
            entity,
            shard,
            store=self._with.store,
            clock=self._with.clock,
            tasks=self._with.tasks,
            settings=self._settings,
            alarm=self._alarm,
        )
        return cell

    async def _load(self, cell: Cell, kind: Kind) -> None:
        assert cell.loading is not None
        self._activations += 1
        loading = cell.loading
        try:
            await asyncio.shield(cell.shard.recovered)
            if cell.gate is not None:
                # What its predecessor in memory left behind must be readable first.
                await asyncio.wait((cell.gate.landed,))
            parts = await self._with.store.load(cell.shard.number, cell.entity)
            actor = await self._loaders[kind](cell.entity, parts)
            if cell.shard.lost:
                raise NotOwner()
            cell.actor = actor
            if actor.restless:
                self._soft[cell] = None
            loading.set_result(None)
        except BaseException as error:
            # What has not landed yet is remembered with the cell; the next load must wait for it.
            if self._cells.get(cell.entity) is cell and cell.settled:
                del self._cells[cell.entity]
            if isinstance(error, KinoraError):
                error.executed = False
                failure: BaseException = error
            else:
                failure = Unavailable(
                    "The user could not be read.", executed=False, context=repr(error)
                )
            loading.set_exception(failure)
            loading.exception()
            if not isinstance(error, KinoraError):
                raise
        finally:
            self._loading -= 1
            cell.loading = None

    def _make_room(self) -> None:
        """Let go actors that were idle and unused since the last look: one pass of a second-chance clock."""
        wanted = max(1, self._settings.max_actors // 20)
        for entity in [*self._cells, *self._cells]:
            cell = self._cells.get(entity)
            if cell is None:
                continue
            if cell.used or not cell.idle:
                cell.used = False
                # Behind the hand of the clock: it is looked at again when all others were.
                self._cells[entity] = self._cells.pop(entity)
                continue
            del self._cells[entity]
            self._passivations += 1
            wanted -= 1
            if wanted == 0:
                return
        if len(self._cells) >= self._settings.max_actors:
            raise Overloaded("Too many users are active.")

    def _note_soft(self, cell: Cell, turn: Turn) -> None:
        cell.soft |= turn.soft
        if cell.soft or (cell.actor is not None and cell.actor.restless):
            self._soft[cell] = None

    async def passivate(self, entity: int) -> bool:
        """Let one actor go if it is idle; for operators and tests."""
        cell = self._cells.get(entity)
        if cell is None or not cell.idle:
            return cell is None
        del self._cells[entity]
        self._passivations += 1
        return True

    # Time passes.

    def tick(self) -> None:
        """Write soft state behind and let coalesced events go; once a second."""
        cells, self._soft = self._soft, {}
        for cell in cells:
            actor = cell.actor
            if actor is None or cell.shard.lost:
                continue
            try:
                cell.shard.admit()
            except KinoraError:
                self._soft[cell] = None
                continue
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
                continue
            if turn.changed or turn.frames:
                cell.gate = cell.shard.submit(turn)
            if actor.restless:
                self._soft[cell] = None
        for shard in self._shards.values():
            shard.tidy()

    async def stop(self) -> None:
        """Take nothing new, write everything behind, wait until it has landed, give the shards up."""
        self._stopping = True
        self.tick()
        clock = self._with.clock
        end = clock.monotonic() + self._settings.drain_s
        while clock.monotonic() < end and not all(s.quiet for s in self._shards.values()):
            await clock.sleep(0.01)
        for shard in list(self._shards.values()):
            if shard.quiet:
                try:
                    await self._with.store.seal(shard.number, epoch=shard.epoch, owner=self.owner)
                except (Refused, KinoraError) as error:
                    self._alarm(f"seal of {shard.number}", error)
            self._forget(shard)

    def suspects(self) -> list[int]:
        """Entities in memory whose counts should be taken anew."""
        return [
            cell.entity
            for cell in self._cells.values()
            if cell.actor is not None and cell.actor.suspect
        ]

    @property
    def quiet(self) -> bool:
        """Whether everything has been committed, has landed and was relayed."""
        return not self._soft and all(shard.quiet for shard in self._shards.values())

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
            actors=len(self._cells),
            loading=self._loading,
            backlog=sum(each.backlog for each in shards),
            mailboxes_waiting=sum(each.waiting for each in budgets),
            refused=sum(each.refused for each in budgets),
            activations=self._activations,
            passivations=self._passivations,
            commits=self._past.commits + sum(each.commits for each in shards),
            operations=self._past.operations + sum(each.operations for each in shards),
            gaps=self._gaps,
            shards_lost=self._shards_lost,
        )

    def __repr__(self) -> str:
        return f"<Runtime {self.owner} shards={len(self._shards)} actors={len(self._cells)}>"


def _kind_of(event: AnyEvent) -> Kind:
    return "video" if isinstance(event, FOR_VIDEOS) else "user"
