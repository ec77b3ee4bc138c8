"""What the adapter has done, as numbers."""

import msgspec


class RedisStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers as of now; those without a word of their own only grow."""

    #: Scripts that wrote, and reads, each counted once however often it was sent.
    writes: int
    reads: int
    #: Waits for a replica; each may serve many writes.
    waits: int
    #: Attempts after the first.
    resent: int
    #: Looks at the shape of the cluster.
    reloads: int
    #: Connections opened.
    connects: int
    #: Scripts that a node had forgotten.
    scripts_reloaded: int
    #: Commands that were turned away because too many waited.
    crowded: int
    #: Writes acknowledged on the word of the master alone.
    single_copy_writes: int
    #: Masters that are in single-copy mode now.
    single_copy_masters: int
    #: Commands on their way now, and commands that wait for their turn now.
    in_flight: int
    waiting: int


class Meter:
    """Counts for `RedisStatistics`; shared by all parts of one adapter."""

    __slots__ = (
        "connects",
        "crowded",
        "reads",
        "reloads",
        "resent",
        "scripts_reloaded",
        "single_copy_writes",
        "waits",
        "writes",
    )

    def __init__(self) -> None:
        self.writes = self.reads = self.waits = self.resent = self.reloads = 0
        self.connects = self.scripts_reloaded = self.crowded = self.single_copy_writes = 0
