"""Statements: text, how sure the answer must be, and whether it may be sent twice.

`FRESH` reads at LOCAL_QUORUM: what was written there before is seen. It is for whatever an actor decides by,
and for lists that the caller may just have written. `NEAR` reads one replica: for pages of strangers and for
sweeps, where a moment's delay shows nothing wrong. `COUNT` is `FRESH` with more time, since the server adds up a
partition. `AGREED` is a lightweight transaction, `SETTLED` reads what transactions have decided, finishing
those that hang; both across datacenters, because a name is one in the world.
"""

import re
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

#: A table's name without its keyspace, after the word that announces it.
_TABLE = re.compile(r"\b(FROM|INTO|UPDATE) (\w+)(?!\w*\.)\b")


def qualified(cql: str, keyspace: str) -> str:
    """A statement with its table named in full: prepared ones that rely on USE are ambiguous to the server."""
    return _TABLE.sub(rf"\1 {keyspace}.\2", cql)


class Level(Enum):
    """How sure an answer must be; the value names the driver's execution profile."""

    FRESH = "fresh"
    NEAR = "near"
    COUNT = "count"
    AGREED = "agreed"
    SETTLED = "settled"


class Statement:
    """One prepared statement. Compared by identity: it is declared once, where it is used."""

    __slots__ = ("cql", "level")

    def __init__(self, level: Level, cql: str) -> None:
        self.cql = cql
        self.level = level

    @property
    def idempotent(self) -> bool:
        """Whether sending it twice does what sending it once does."""
        return self.level is not Level.AGREED

    def __repr__(self) -> str:
        return f"<Statement {self.level.value} {self.cql}>"


class Call(NamedTuple):
    """A statement and its values."""

    statement: Statement
    values: Sequence[object]
