"""Five thousand idle websockets: what each takes in the gateway and in the node; and one event to all of them.

Memory is what a process holds for itself and shares with nobody, before and after; the people are in memory
before, so that the node's share is of websockets and not of people. Bare Sanic holds as many in the same run,
by its own websockets and as idle keep-alive connections, and sends all of them one frame.
"""

import time
from collections.abc import Sequence

import msgspec

from tests.benchmarks.bare import Bare, open_bare
from tests.benchmarks.cores import cpu_s, resident
from tests.benchmarks.fleet.crowd import clip, held_by, open_crowd, publish, wake
from tests.benchmarks.fleet.sockets_client import Held, Told
from tests.benchmarks.fleet.stand import SOCKETS, Fleet
from tests.benchmarks.load import Load, run_load
from tests.benchmarks.report import (
    Baseline,
    Broken,
    Machine,
    Plan,
    Result,
    at_most,
    median,
    percentile,
    tidy,
)

NAME = "fleet_sockets"
#: Bytes of a websocket in the gateway beyond bare Sanic's, and in the node.
GATEWAY_BYTES, NODE_BYTES = 4_096.0, 2_048.0
#: How often bare Sanic sends a frame to all; its processor time is read in ticks.
BROADCASTS = 10
#: Until memory has settled, in seconds.
_SETTLE_S = 3.0
#: As long as the frame that followers get.
_FRAME = b"x" * 120


class BareHeld(msgspec.Struct, frozen=True, kw_only=True):
    """What bare Sanic takes."""

    #: Bytes of one websocket, and of one idle connection.
    socket: float
    idle: float
    #: Seconds from asking to the last frame, and processor time for one.
    last: list[float]
    frame_us: float


def measure(plan: Plan, fleet: Fleet, here: Machine) -> Result:
    """Run it.

    Raises:
        Broken: a websocket was refused or not told.
    """
    people = fleet.world.people[: min(SOCKETS, len(fleet.world.people) // 2)]
    author, rounds = fleet.world.stars[1], 1 if plan.quick else 3
    bare = _bare(len(people))
    wake(fleet, people)
    time.sleep(_SETTLE_S)
    before = _memory(fleet)
    clip_ = clip(plan.folder)
    with open_crowd(held_by(fleet, people)) as crowd:
        time.sleep(_SETTLE_S)
        gateway, node = (
            (after - was) / len(people) for after, was in zip(_memory(fleet), before, strict=True)
        )
        idle = fleet.used_s()
        time.sleep(1.0 if plan.quick else 10.0)
        idle = {
            each: (s - idle[each]) / (1.0 if plan.quick else 10.0)
            for each, s in fleet.used_s().items()
        }
        spreads = [publish(fleet, author, crowd, clip_) for _ in range(rounds)]
        opened_s = crowd.opened_s
    last = [each.frames[-1] for each in spreads]
    frames = [at for each in spreads for at in each.frames]
    cpu = {
        f"event_{name}_cpu_us": median([each.cpu[name] for each in spreads]) / len(people) * 1e6
        for name in spreads[0].cpu
    }
    return Result(
        name=NAME,
        what=f"{len(people)} idle websockets, and one event to all of them from when it is true",
        unit="s",
        figures=tidy(
            {
                "p50": percentile(frames, 0.5),
                "p99": percentile(frames, 0.99),
                "first": median([each.frames[0] for each in spreads]),
                "last": median(last),
                "gateway_bytes": gateway,
                "node_bytes": node,
                "opened_per_s": len(people) / opened_s,
                "idle_gateway_cpu_share": idle["gateway"],
                "idle_node_cpu_share": idle["node"],
                **cpu,
            }
        ),
        baseline=Baseline(
            what="bare Sanic holding as many, and sending one frame to each",
            figures=tidy(
                {
                    "socket_bytes": bare.socket,
                    "idle_connection_bytes": bare.idle,
                    "last": median(bare.last),
                    "event_cpu_us": bare.frame_us,
                }
            ),
        ),
        repeats=len(spreads),
        bars=(
            at_most(
                "gateway's bytes beyond bare Sanic's websocket",
                gateway - bare.socket,
                GATEWAY_BYTES,
            ),
            at_most("node's bytes", node, NODE_BYTES),
        ),
        machine=here,
        notes=(
            "p50, p99 and last are from published_at of a video to the frames that tell its followers",
            "memory is private to the process; the people were in memory before",
            "the clients are a process of their own on the same two cores",
        ),
    )


def _memory(fleet: Fleet) -> tuple[int, int]:
    return resident(fleet.gateway), resident(fleet.node)


def _bare(count: int) -> BareHeld:
    with open_bare(Bare(body=_FRAME, headers={}), None) as (pid, port):
        before = resident(pid)
        with open_crowd(_held(port, count, idle_path="/body")):
            time.sleep(_SETTLE_S)
            idle = (resident(pid) - before) / count
    with open_bare(Bare(body=_FRAME, headers={}), None) as (pid, port):
        before = resident(pid)
        with open_crowd(_held(port, count)) as crowd:
            time.sleep(_SETTLE_S)
            socket = (resident(pid) - before) / count
            last: list[float] = []
            was = cpu_s(pid)
            for _ in range(BROADCASTS):
                began = time.time()
                run_load(_once(port, pid), None)
                told = msgspec.json.decode(crowd.line(30.0) or b'{"at":[]}', type=Told).at
                if len(told) != count:
                    raise Broken("bare Sanic did not tell everybody")
                last.append(told[-1] - began)
            frame_us = (cpu_s(pid) - was) / (count * BROADCASTS) * 1e6
    return BareHeld(socket=socket, idle=idle, last=last, frame_us=frame_us)


def _held(port: int, count: int, idle_path: str | None = None) -> Held:
    headers: Sequence[str] = [""] * count
    return Held(
        host="127.0.0.1", port=port, headers=list(headers), hello=False, idle_path=idle_path
    )


def _once(port: int, pid: int) -> Load:
    request = b"GET /broadcast HTTP/1.1\r\nHost: bare\r\n\r\n"
    return Load(host="127.0.0.1", port=port, connections=[[request]], server=pid, once=True)
