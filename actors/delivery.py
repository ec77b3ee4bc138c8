"""Delivery: how events reach actors, each with its effect exactly once.

An envelope's number is stored in the same commit as what its event changed, so a copy is known by its
number and dropped, before and after a crash. A predecessor that never came means that something was lost;
counts of that shard are then taken anew. Hearing is a turn like any other: what a hearer lacks is fetched
and the turn begins again.
"""

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Any

from actors.actor import Kind
from actors.cell import Cell
from actors.cells import Cells
from actors.events import FOR_VIDEOS, AnyEvent
from actors.ports.bus import Envelope
from actors.ports.clock import Clock
from actors.ports.shard_store import Link
from actors.settings import RuntimeSettings
from actors.shard import OwnedShard
from actors.turn import Need, Turn
from sharding.errors import Internal, KinoraError, NotOwner


class Delivery:
    """The hearing side of a node."""

    def __init__(
        self,
        shards: Mapping[int, OwnedShard],
        dirty: set[int],
        cells: Cells,
        clock: Clock,
        settings: RuntimeSettings,
    ) -> None:
        self._shards = shards
        self._dirty = dirty
        self._cells = cells
        self._clock = clock
        self._settings = settings
        #: Events whose predecessor never came.
        self.gaps = 0

    async def receive(self, envelopes: Sequence[Envelope]) -> None:
        """Apply events from the bus; returns when their effects are committed.

        Raises:
            NotOwner: a shard is not, or no longer, of this node; the bus looks elsewhere.
        """
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
        answers: dict[Hashable, object] = {}
        for _ in range(self._settings.max_fetches):
            if shard.last_received(envelope.source) >= number:
                return
            cells = await self._listeners(envelope)
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
                await self._supply(cells, need, answers)
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

    async def tell(self, entity: int, event: AnyEvent) -> None:
        """Have an actor take note of something that did not come over the bus (a job's report).

        At least once is the sender's business; handlers of such events ignore copies by what they say.
        """
        answers: dict[Hashable, object] = {}
        for _ in range(self._settings.max_fetches):
            cell = await self._cells.activate(entity, kind_of(event))
            if cell.actor is None:
                continue
            try:
                turn = self._hear((cell,), event, answers)
            except Need as need:
                await self._supply((cell,), need, answers)
                continue
            self._note_soft(cell, turn)
            if turn.changed or turn.frames:
                cell.gate = cell.shard.submit(turn)
                await asyncio.shield(cell.gate.committed)
            return
        raise Internal(context=f"{event!r} never has enough")

    async def recount(self, entity: int, kind: Kind, tally: Callable[[int], Any]) -> int | None:
        """Set an entity's counts to the sizes of its facts; by how much they were off.

        None when they moved meanwhile and were left alone.
        """
        cell = await self._cells.activate(entity, kind)
        actor = cell.actor
        if actor is None:
            return None
        heard = actor.heard
        counted = await tally(entity)
        if cell.actor is not actor or actor.heard != heard or not cell.settled:
            return None
        turn = Turn(entity, self._clock.unix_ms(), {}, epoch=cell.shard.epoch)
        off = actor.count(counted, turn)
        if turn.changed:
            cell.gate = cell.shard.submit(turn)
            await asyncio.shield(cell.gate.landed)
        return off

    async def _listeners(self, envelope: Envelope) -> list[Cell]:
        """The actors that an event is for; those asleep only if it is worth waking them."""
        if envelope.event.WAKES:
            kind = kind_of(envelope.event)
            return [await self._cells.activate(entity, kind) for entity in envelope.to]
        awake = (self._cells.get(entity) for entity in envelope.to)
        return [cell for cell in awake if cell is not None and cell.actor is not None]

    def _hear(
        self, cells: Sequence[Cell], event: AnyEvent, answers: dict[Hashable, object]
    ) -> Turn:
        # All of them live in one shard.
        epoch = cells[0].shard.epoch if cells else 0
        turn = Turn(0, self._clock.unix_ms(), answers, epoch=epoch)
        try:
            for cell in cells:
                turn.entity = cell.entity
                assert cell.actor is not None
                cell.actor.hear(event, turn)
        except Need:
            if len(cells) > 1:
                # What one of them lacks would be taken for what all of them lack.
                raise RuntimeError(f"{event!r} is for several and fetches") from None
            raise
        except KinoraError:
            raise
        except Exception:
            # Any of them may be half changed.
            for cell in cells:
                cell.throw_away()
            raise
        return turn

    async def _supply(
        self, cells: Sequence[Cell], need: Need, answers: dict[Hashable, object]
    ) -> None:
        """Fetch what a hearer lacks, once its own rows can be read; it stays in memory meanwhile."""
        for cell in cells:
            cell.queries += 1
        try:
            for cell in cells:
                await cell.fetch(need, answers)
        finally:
            for cell in cells:
                cell.queries -= 1

    def _missed(self, shard: OwnedShard, committed: asyncio.Future[None]) -> None:
        """The event before one that counts never came; what a stale owner misses went to another."""
        if not committed.cancelled() and committed.exception() is None:
            self.gaps += 1
            self._dirty.add(shard.number)

    def _note_soft(self, cell: Cell, turn: Turn) -> None:
        cell.soft |= turn.soft
        if cell.soft or (cell.actor is not None and cell.actor.restless):
            self._cells.note_restless(cell)

    def __repr__(self) -> str:
        return f"<Delivery gaps={self.gaps} dirty={len(self._dirty)}>"


def kind_of(event: AnyEvent) -> Kind:
    """What sort of entity an event is for."""
    return "video" if isinstance(event, FOR_VIDEOS) else "user"
