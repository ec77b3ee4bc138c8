"""One turn of one actor: a plain function of what the actor knows.

A handler is `def`, never `async`: nothing runs in between, so what it reads stays true until it returns.
What it lacks it names (`turn.fetched`): the cell fetches that and starts the handler again from its first
line, which is safe because a handler fetches first and changes second. (Marlow et al., "There is no fork",
ICFP 2014, do the same for data fetching.) What it wants done it leaves with the turn: rows, events, parts
of state, frames for websockets. Nothing of that happens unless the whole turn is committed.
"""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import TypeVar, cast

from actors.events import AnyEvent, Broadcast, Errand
from actors.ports.shard_store import PartWrite
from actors.rows import AnyRow
from sharding.errors import KinoraError

T = TypeVar("T")


class Need(Exception):
    """A handler lacks something; it has changed nothing."""

    def __init__(self, key: Hashable, load: Callable[[], Awaitable[object]]) -> None:
        super().__init__(key)
        self.key = key
        self.load = load


class Turn:
    """What a handler may ask for, and what it leaves behind."""

    __slots__ = (
        "_answers",
        "broadcasts",
        "entity",
        "epoch",
        "errands",
        "events",
        "frames",
        "now_ms",
        "refusal",
        "rows",
        "session",
        "soft",
        "writes",
    )

    def __init__(
        self, entity: int, now_ms: int, answers: dict[Hashable, object], *, epoch: int = 0
    ) -> None:
        self.entity = entity
        #: Of the shard's ownership: above every number that an earlier owner made of the time.
        self.epoch = epoch
        #: One moment for the whole turn.
        self.now_ms = now_ms
        #: The caller's session; 0 where there is none.
        self.session = 0
        self._answers = answers
        #: Raised instead of the answer once what the turn changed has landed.
        self.refusal: KinoraError | None = None
        self.rows: list[AnyRow] = []
        self.events: list[tuple[tuple[int, ...], AnyEvent]] = []
        self.errands: list[Errand] = []
        self.broadcasts: list[Broadcast] = []
        self.writes: list[PartWrite] = []
        #: Connections, numbers and frames that leave once this turn is committed; None ends a connection.
        self.frames: list[tuple[str, int, bytes | None]] = []
        #: Parts to be written behind, within a second.
        self.soft: set[str] = set()

    def fetched(self, key: Hashable, load: Callable[[], Awaitable[T]]) -> T:
        """What `load` returned for `key`, fetched at most once in this turn.

        Raises:
            Need: it has to be fetched first.
            RuntimeError: something was already changed, so the turn could not start again.
        """
        try:
            return cast(T, self._answers[key])
        except KeyError:
            pass
        if self.rows or self.events or self.writes or self.errands:
            raise RuntimeError(
                f"a turn of {self.entity} fetches {key!r} after it changed something"
            )
        raise Need(key, load)

    def write(self, *rows: AnyRow) -> None:
        """Have rows written; they land before the reply leaves."""
        self.rows.extend(rows)

    def tell(self, to: int | Sequence[int], event: AnyEvent) -> None:
        """Have an event delivered to one entity, or to several."""
        self.events.append(((to,) if isinstance(to, int) else tuple(to), event))

    def put(self, part: str, value: bytes | None) -> None:
        """Replace one part of this entity's state."""
        self.writes.append(PartWrite(self.entity, part, value))

    @property
    def changed(self) -> bool:
        """Whether there is anything to commit."""
        return bool(self.rows or self.events or self.writes or self.errands)
