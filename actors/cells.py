"""The cells of a node: which actors are in memory, how they get there, and which are let go.

An actor is loaded once, however many ask for it at the same time; loads are bounded. There is room for so
many actors; when it is full, idle ones that nobody used since the last look go, one pass of a second-chance
clock at a time. What is in memory of a shard that was lost goes at once.
"""

import asyncio
from collections.abc import Mapping

from actors.actor import Kind, Loader
from actors.cell import Cell
from actors.collaborators import Collaborators
from actors.settings import RuntimeSettings
from actors.shard import OwnedShard
from actors.tasks import Alarm
from sharding.errors import KinoraError, NotOwner, Overloaded, Unavailable
from sharding.shards import shard_of

#: Loads that may wait for one of the running ones, as a multiple of `max_loading`.
_QUEUE = 16


class Cells:
    """Find, load, let go."""

    def __init__(
        self,
        shards: Mapping[int, OwnedShard],
        collaborators: Collaborators,
        loaders: Mapping[Kind, Loader],
        alarm: Alarm,
    ) -> None:
        """`shards` are those owned now, a view that its owner keeps up."""
        self._shards = shards
        self._with = collaborators
        self._settings: RuntimeSettings = collaborators.settings
        self._loaders = loaders
        self._alarm = alarm
        self._cells: dict[int, Cell] = {}
        self._turns = asyncio.Semaphore(self._settings.max_loading)
        #: Cells with something to write behind, in the order in which that came up.
        self._restless: dict[Cell, None] = {}
        self.loading = 0
        self.activations = 0
        self.passivations = 0

    def get(self, entity: int) -> Cell | None:
        """The cell of an entity that is, or is about to be, in memory."""
        return self._cells.get(entity)

    def __getitem__(self, entity: int) -> Cell:
        return self._cells[entity]

    def __contains__(self, entity: int) -> bool:
        return entity in self._cells

    def __len__(self) -> int:
        return len(self._cells)

    # Coming.

    async def activate(self, entity: int, kind: Kind) -> Cell:
        """The entity's cell with its actor in it.

        Raises:
            NotOwner: its shard is not of this node.
            Overloaded: too many are being loaded, or in memory and busy.
            Unavailable: it could not be read.
        """
        while True:
            cell = self._cells.get(entity) or self._new(entity)
            if cell.actor is not None:
                return cell
            if cell.loading is None:
                if self.loading >= self._settings.max_loading * _QUEUE:
                    raise Overloaded("Too many users are waking up.")
                self.loading += 1
                cell.loading = asyncio.get_running_loop().create_future()
                self._with.tasks.spawn(self._load(cell, kind), name=f"load-{entity}")
            await asyncio.shield(cell.loading)

    def _new(self, entity: int) -> Cell:
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
            sockets=self._with.sockets,
            settings=self._settings,
            alarm=self._alarm,
            on_soft=self.note_restless,
        )
        return cell

    async def _load(self, cell: Cell, kind: Kind) -> None:
        loading = cell.loading
        assert loading is not None
        self.activations += 1
        try:
            await asyncio.shield(cell.shard.recovered)
            if cell.gate is not None:
                # What its predecessor in memory left behind must be readable first.
                await asyncio.wait((cell.gate.landed,))
            async with self._turns:
                await self._read(cell, kind)
            loading.set_result(None)
        except BaseException as error:
            # What has not landed yet is remembered with the cell; the next load must wait for it.
            if self._cells.get(cell.entity) is cell and cell.settled:
                del self._cells[cell.entity]
            loading.set_exception(_not_read(error))
            loading.exception()
            if not isinstance(error, KinoraError):
                raise
        finally:
            self.loading -= 1
            cell.loading = None

    async def _read(self, cell: Cell, kind: Kind) -> None:
        parts = await self._with.store.load(cell.shard.number, cell.entity)
        actor = await self._loaders[kind](cell.entity, parts)
        if cell.shard.lost:
            raise NotOwner()
        cell.actor = actor
        if actor.restless:
            self.note_restless(cell)

    # Going.

    def _make_room(self) -> None:
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
            self.passivations += 1
            wanted -= 1
            if wanted == 0:
                return
        if len(self._cells) >= self._settings.max_actors:
            raise Overloaded("Too many users are active.")

    def passivate(self, entity: int) -> bool:
        """Let one actor go if it is idle; whether it is gone."""
        cell = self._cells.get(entity)
        if cell is None or not cell.idle:
            return cell is None
        del self._cells[entity]
        self.passivations += 1
        return True

    def forget(self, shard: OwnedShard) -> None:
        """Drop everything of a shard, and refuse who waits."""
        for cell in [cell for cell in self._cells.values() if cell.shard is shard]:
            cell.close()
            self._restless.pop(cell, None)
            del self._cells[cell.entity]

    # Restless ones.

    def note_restless(self, cell: Cell) -> None:
        """Have a cell looked at by the next tick."""
        self._restless[cell] = None

    def take_restless(self) -> list[Cell]:
        """The cells that a tick has to look at; each is noted again if it stays so."""
        cells, self._restless = list(self._restless), {}
        return cells

    @property
    def quiet(self) -> bool:
        """Whether no cell waits for a tick."""
        return not self._restless

    def suspects(self) -> list[tuple[int, Kind]]:
        """Entities in memory whose counts should be taken anew, and what they are."""
        return [
            (cell.entity, cell.actor.KIND)
            for cell in self._cells.values()
            if cell.actor is not None and cell.actor.suspect
        ]

    def __repr__(self) -> str:
        return f"<Cells {len(self._cells)}/{self._settings.max_actors} loading={self.loading}>"


def _not_read(error: BaseException) -> KinoraError:
    """What those hear who waited for a load that failed; nothing was done for them."""
    if isinstance(error, KinoraError):
        error.executed = False
        return error
    return Unavailable("The user could not be read.", executed=False, context=repr(error))
