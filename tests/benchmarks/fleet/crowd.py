"""A crowd of websockets, an author whom all of it follows, and what one video of theirs sets in motion."""

import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from media.clip import make_clip
from tests.benchmarks.first_rung import PATIENCE_S, Clip, upload
from tests.benchmarks.fleet.sockets_client import Held, Told
from tests.benchmarks.fleet.stand import Fleet
from tests.benchmarks.load import Load, get, run_load, spread
from tests.benchmarks.report import ROOT, Broken
from tests.benchmarks.seed import Person

#: The frame that followers get.
MARK = '"type":"feed.new"'
#: Between two readings of processor time, in seconds.
LOOK_S = 0.05
#: How long after the last frame what follows from a video still counts, in seconds.
AFTER_S = 1.0
#: How long processes are watched with nothing going on, in seconds.
IDLE_S = 4.0
#: Connections by which a crowd is woken.
_WAKING = 32


class Crowd:
    """Websockets in a process of their own."""

    def __init__(self, child: "subprocess.Popen[bytes]", count: int) -> None:
        self._child = child
        self.count = count
        #: Seconds that opening them took.
        self.opened_s = float(self.line(PATIENCE_S))

    def line(self, patience_s: float) -> bytes:
        """The next line that the process says; empty when there is none in time.

        Raises:
            Broken: it has ended.
        """
        out = self._child.stdout
        assert out is not None
        if not select.select([out], [], [], patience_s)[0]:
            return b""
        line = out.readline()
        if not line:
            raise Broken("the process that holds websockets has ended")
        return line


@contextmanager
def open_crowd(held: Held) -> Iterator[Crowd]:
    """Open those websockets, in a process of their own.

    Raises:
        Broken: some were refused.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.fleet.sockets_client"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        # Unbuffered, a write may take only a part.
        left = memoryview(msgspec.json.encode(held) + b"\n")
        while left:
            left = left[child.stdin.write(left) or 0 :]
        yield Crowd(child, len(held.headers))
    finally:
        child.stdin.close()
        child.kill()
        child.wait()
        child.stdout.close()


def held_by(fleet: Fleet, people: Sequence[Person]) -> Held:
    """A websocket for each of these, each from an address of its own."""
    return Held(
        host=fleet.product.host,
        port=fleet.product.port,
        mark=MARK,
        headers=[
            f"Authorization: Bearer {person.token}\r\n"
            f"X-Forwarded-For: 10.{at >> 16 & 255}.{at >> 8 & 255}.{at & 255}\r\n"
            for at, person in enumerate(people)
        ],
    )


def wake(fleet: Fleet, people: Sequence[Person]) -> list[bytes]:
    """Have each of these in memory with an inbox; returns the first entry of each inbox, as JSON."""
    asks = [
        get("/feed?tab=following&limit=1", host=fleet.product.address, token=each.token)
        for each in people
    ]
    load = Load(
        host=fleet.product.host,
        port=fleet.product.port,
        connections=spread(asks, _WAKING),
        server=fleet.gateway,
        once=True,
        keep_every=1,
    )
    pages = [b""] * len(people)
    for kept in run_load(load, None).kept:
        pages[kept.request * _WAKING + kept.connection] = kept.answer
    return pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """One video, from "ready" to everybody."""

    video_id: str
    #: Seconds from its publication to each frame, ascending.
    frames: list[float]
    #: Processor time that went into it, beyond what processes use when nothing goes on, in seconds.
    cpu: dict[str, float]


def publish(fleet: Fleet, author: Person, crowd: Crowd, clip: Clip) -> Spread:
    """Have an author publish, and wait until everybody has been told.

    Raises:
        Broken: they were not.
    """
    idle, began = fleet.used_s(), time.time()
    time.sleep(IDLE_S)
    idle_s = time.time() - began
    rates = {each: (s - idle[each]) / idle_s for each, s in fleet.used_s().items()}
    video_id = upload(fleet.product, author, clip)
    fleet.product.call("POST", f"/upload/video/{video_id}/complete", author.token, status=202)
    readings: list[tuple[float, dict[str, float]]] = []
    until, said = time.time() + PATIENCE_S, b""
    while not said and time.time() < until:
        readings.append((time.time(), fleet.used_s()))
        said = crowd.line(LOOK_S)
    if not said:
        raise Broken("not everybody was told of a video")
    told = msgspec.json.decode(said, type=Told).at
    if len(told) != crowd.count:
        raise Broken("websockets were closed")
    time.sleep(AFTER_S)
    readings.append((time.time(), fleet.used_s()))
    shown = fleet.product.call("GET", f"/video/{video_id}", author.token)
    published = datetime.fromisoformat(shown["published_at"].replace("Z", "+00:00")).timestamp()
    before = max((each for each in readings if each[0] <= published), default=readings[0])
    after = readings[-1]
    cpu = {
        each: after[1][each] - before[1][each] - rates[each] * (after[0] - before[0])
        for each in rates
    }
    return Spread(video_id=video_id, frames=[at - published for at in told], cpu=cpu)


def clip(folder: Path) -> Clip:
    """A clip that is quickly encoded."""
    path = folder / "crowd.mp4"
    make_clip(path, 1.0, seed=1, width=180, height=320)
    return Clip(seconds=1.0, repeats=1, path=path)


def first_of(page: bytes) -> str:
    """Id of the first video of a page; empty where there is none."""
    found = re.search(rb'"video_id":"(\d+)"', page)
    return found[1].decode() if found else ""
