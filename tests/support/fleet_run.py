"""One run of a crowd on a fleet under faults, from the first registration to the last complaint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.fleet import Fleet
from tests.support.fleet_checks import fleet_complaints
from tests.support.fleet_crowd import FleetCrowd
from tests.support.fleet_faults import Fault, Row, row_of, suffer
from tests.support.fleet_reading import open_facts, read_at_rest, replays

#: People in the crowd; two cores carry everything.
PEOPLE = 6
#: After how many faults one more video is uploaded, in the middle of the next.
UPLOAD_EVERY = 3


@dataclass(frozen=True, slots=True)
class Result:
    """What a run found."""

    rows: list[Row]
    complaints: list[str]
    ops: int
    looks: int
    #: Uploads that were answered; connections of websockets, events that they were sent, and resyncs.
    uploads: int
    connections: int
    events: int
    resyncs: int

    def __str__(self) -> str:
        return (
            f"{self.ops} writes, {self.looks} looks, {self.uploads} uploads;"
            f" {self.connections} websockets, {self.events} events, {self.resyncs} resyncs;"
            f" {len(self.complaints)} complaints"
        )


async def run_history(
    fleet: Fleet,
    clip: Path,
    faults: Sequence[Fault],
    *,
    seed: int,
    said: Callable[[str], None],
    people: int = PEOPLE,
    until: float = float("inf"),
) -> Result:
    """Do all of `faults` to `fleet` with a crowd on it, and compare.

    No fault begins after `until`, a moment of the monotonic clock.
    """
    crowd = FleetCrowd(fleet, seed, clip)
    try:
        await crowd.gather(people)
        windows = await suffer(fleet, crowd, faults, said, upload_every=UPLOAD_EVERY, until=until)
        await crowd.disperse()
        await fleet.healthy()
        async with open_facts(fleet) as facts:
            readout, captions = await read_at_rest(facts, crowd)
            told = await replays(crowd)
        found = fleet_complaints(crowd.log, crowd.members, readout, captions, told)
        ops = crowd.log.history.ops
        return Result(
            rows=[row_of(window, crowd.log) for window in windows],
            complaints=found,
            ops=len(ops),
            looks=len(crowd.log.looks),
            uploads=sum(op.kind == "upload" and op.outcome == "ok" for op in ops),
            connections=sum(member.connections for member in crowd.members),
            events=sum(len(member.saw) for member in crowd.members),
            resyncs=sum(len(member.resyncs) for member in crowd.members),
        )
    finally:
        await crowd.close()
