"""The hop from a gateway to a node: what it costs each of them, over a Unix socket, in two processes.

The same gateway answers the same requests for a page with its node in its own process and over the link, in
turn; the difference of its processor time is its share of the hop, the node's whole time is the other. Bare
Sanic with the same bytes stands beside, so that the share that is left for a real node is seen at once.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import msgspec

from tests.benchmarks.bare import Bare, open_bare
from tests.benchmarks.cores import cores, cpu_s, pin
from tests.benchmarks.link_end import PAGE, Started
from tests.benchmarks.load import Load, Seen, get, run_load, spread
from tests.benchmarks.report import (
    ROOT,
    Baseline,
    Broken,
    Plan,
    Result,
    at_least,
    at_most,
    machine,
    median,
    percentile,
    tidy,
)

NAME = "link"
CONNECTIONS = 32
#: Microseconds of processor time of one ask that the hop may add at each end.
GATEWAY_US, NODE_US = 15.0, 20.0
#: The least share of bare Sanic's requests a second.
SHARE = 0.75


def measure(plan: Plan) -> Result:
    """Run it.

    Raises:
        Broken: an end does not start, or an answer was wrong.
    """
    here = machine()
    server_core, load_core = cores()
    address = f"unix:{plan.folder}/link"
    with ExitStack() as stack:
        # The node shares the core of the load: it is what is left of two cores on one machine.
        node, _ = stack.enter_context(_end("node", address, load_core))
        far_pid, far = stack.enter_context(_end("gateway", address, server_core))
        near_pid, near = stack.enter_context(_end("gateway", "here", server_core))
        headers = {"cache-control": "private, no-store", "x-request-id": "0123456789ab-1"}
        bare_pid, bare_port = stack.enter_context(
            open_bare(Bare(body=PAGE, headers=headers), server_core)
        )
        turns = {
            "far": (far_pid, far.port, far.tokens),
            "near": (near_pid, near.port, near.tokens),
            "bare": (bare_pid, bare_port, far.tokens),
        }
        seen: dict[str, list[Seen]] = {name: [] for name in turns}
        node_us: list[float] = []
        for _ in range(1 if plan.quick else 5):
            for name, (pid, port, tokens) in turns.items():
                before = cpu_s(node)
                seen[name].append(_load(plan, pid, port, tokens, load_core))
                if name == "far":
                    answers = sum(seen[name][-1].statuses.values())
                    node_us.append((cpu_s(node) - before) / answers * 1e6)
    far_us, near_us, bare_us = (
        [each.cpu_us for each in seen[name]] for name in ("far", "near", "bare")
    )
    hop = median([a - b for a, b in zip(far_us, near_us, strict=True)])
    ratio = median([a.per_s / b.per_s for a, b in zip(seen["far"], seen["bare"], strict=True)])
    micros = [each for run in seen["far"] for each in run.micros]
    return Result(
        name=NAME,
        what=f"a page of {len(PAGE)} bytes over the link, {CONNECTIONS} connections, two processes",
        unit="us",
        figures=tidy(
            {
                "p50": percentile(micros, 0.5),
                "p99": percentile(micros, 0.99),
                "requests_per_s": median([each.per_s for each in seen["far"]]),
                "ratio_requests": ratio,
                "gateway_cpu_us": median(far_us),
                "gateway_hop_us": hop,
                "node_hop_us": median(node_us),
                "generator_busy": max(
                    each.generator_cpu_s / each.seconds for each in (*seen["far"], *seen["bare"])
                ),
            }
        ),
        baseline=Baseline(
            what="the same gateway with its node in its own process, and bare Sanic with the same bytes",
            figures=tidy(
                {
                    "gateway_cpu_us": median(near_us),
                    "requests_per_s": median([each.per_s for each in seen["near"]]),
                    "bare_cpu_us": median(bare_us),
                    "bare_requests_per_s": median([each.per_s for each in seen["bare"]]),
                }
            ),
        ),
        repeats=len(far_us),
        bars=(
            at_most("the gateway's CPU of the hop, us", hop, GATEWAY_US),
            at_most("the node's CPU of the hop, us", median(node_us), NODE_US),
            at_least("requests/s, of bare Sanic's", ratio, SHARE),
        ),
        machine=here,
        notes=("the actor does nothing: a real page's turn comes on top at the node",),
    )


def _load(plan: Plan, pid: int, port: int, tokens: tuple[str, ...], core: int | None) -> Seen:
    requests = [get("/feed", host=f"127.0.0.1:{port}", token=token) for token in tokens]
    load = Load(
        host="127.0.0.1",
        port=port,
        connections=spread(requests, CONNECTIONS),
        server=pid,
        warm_s=0.3,
        seconds=0.5 if plan.quick else 2.0,
    )
    seen = run_load(load, core)
    if not seen.kept or any(not kept.answer.endswith(PAGE) for kept in seen.kept):
        raise Broken("a page was not what the node had")
    return seen


@contextmanager
def _end(role: str, address: str, core: int | None) -> Iterator[tuple[int, Started]]:
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.link_end", role, address],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    pin(child.pid, core)
    assert child.stdout is not None
    try:
        line = child.stdout.readline()
        if not line:
            raise Broken(f"the {role} does not start")
        yield child.pid, msgspec.json.decode(line, type=Started)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
