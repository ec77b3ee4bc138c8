"""GET /feed through one gateway and one node, against bare Sanic sending the same bytes, in turn.

The gateway has the core that bare Sanic has in its turn, the node shares the other with the load; so the
ratio of requests a second says what a gateway serves beside bare Sanic, and the ratio of processor time
what gateway and node use together. Pages are looked at as those of the embedded benchmark are.
"""

import msgspec

from tests.benchmarks.bare import Bare, open_bare
from tests.benchmarks.cores import cores
from tests.benchmarks.feed_page import (
    CONNECTIONS,
    page_with_headers,
    read_page,
    shows_a_like,
    warm_up,
)
from tests.benchmarks.fleet.stand import LIVELY, Fleet
from tests.benchmarks.load import Load, Seen, get, run_load, spread
from tests.benchmarks.report import (
    Baseline,
    Broken,
    Machine,
    Plan,
    Result,
    at_least,
    median,
    percentile,
    tidy,
)
from tests.benchmarks.seed import World

NAME = "fleet_feed"
#: The least share of bare Sanic's requests a second.
SHARE = 0.75


def measure(plan: Plan, fleet: Fleet, here: Machine) -> Result:
    """Run it.

    Raises:
        Broken: an answer was wrong.
    """
    product = fleet.product
    world = lively(fleet.world)
    server_core, load_core = cores()
    everywhere = {each for each in (server_core, load_core) if each is not None}
    pages = warm_up(product, world, None)
    body, headers = page_with_headers(product, world.people[0])
    seconds = 0.5 if plan.quick else 2.0
    asks = spread(
        [get("/feed", host=product.address, token=each.token) for each in world.people], CONNECTIONS
    )
    ours: list[Seen] = []
    bares: list[Seen] = []
    with open_bare(Bare(body=body, headers=headers), server_core) as (bare_pid, bare_port):
        if server_core is not None and load_core is not None:
            fleet.pin({server_core}, {load_core})
        load = Load(
            host=product.host,
            port=product.port,
            connections=asks,
            server=fleet.gateway,
            others=(fleet.node,),
            warm_s=0.3,
            seconds=seconds,
        )
        same = msgspec.structs.replace(load, port=bare_port, server=bare_pid, others=())
        turns = [(ours, load), (bares, same)]
        for _ in range(1 if plan.quick else 8):
            for seen, each in turns:
                seen.append(run_load(each, load_core))
            _same_pages(ours[-1], world, pages)
            if any(not kept.answer.endswith(body) for kept in bares[-1].kept):
                raise Broken("bare Sanic sent other bytes")
            turns.reverse()
        rate = median([each.per_s for each in ours]) / 2
        paced = run_load(
            msgspec.structs.replace(load, rate=rate, seconds=0.5 if plan.quick else 4.0), load_core
        )
    if everywhere:
        fleet.pin(everywhere, everywhere)
    shows_a_like(product, world)
    return _result(here, len(world.people), ours, bares, paced, body)


def lively(world: World) -> World:
    """Those of a world who follow and like."""
    return World(people=world.people[:LIVELY], videos=world.videos)


def _same_pages(seen: Seen, world: World, pages: list[bytes]) -> None:
    if not seen.kept:
        raise Broken("no page was looked at")
    for kept in seen.kept:
        at = kept.request * CONNECTIONS + kept.connection
        page = kept.answer.partition(b"\r\n\r\n")[2]
        was, now = (read_page(each, world.people[at]) for each in (pages[at], page))
        if [each.video_id for each in was.items] != [each.video_id for each in now.items]:
            raise Broken("somebody got a page that is not theirs")


def _result(
    here: Machine, people: int, ours: list[Seen], bares: list[Seen], paced: Seen, body: bytes
) -> Result:
    rounds = list(zip(ours, bares, strict=True))
    ratio = median([a.per_s / b.per_s for a, b in rounds])
    node = [each.others_cpu_us[0] for each in ours]
    both = [each.cpu_us + each.others_cpu_us[0] for each in ours]
    cpu = median([b.cpu_us / total for total, (_, b) in zip(both, rounds, strict=True)])
    gateway_ratio = median([b.cpu_us / a.cpu_us for a, b in rounds])
    return Result(
        name=NAME,
        what=f"GET /feed, warm, one gateway and one node, {people} people signed in,"
        f" {CONNECTIONS} connections",
        unit="us",
        figures=tidy(
            {
                "p50": percentile(paced.micros, 0.5),
                "p99": percentile(paced.micros, 0.99),
                "offered_per_s": paced.per_s,
                "requests_per_s": median([each.per_s for each in ours]),
                "saturated_p50": percentile([us for each in ours for us in each.micros], 0.5),
                "gateway_cpu_us": median([each.cpu_us for each in ours]),
                "node_cpu_us": median(node),
                "cpu_us_per_request": median(both),
                "ratio_requests": ratio,
                "ratio_cpu": cpu,
                "ratio_cpu_gateway": gateway_ratio,
                "page_bytes": len(body),
                "generator_busy": max(each.generator_cpu_s / each.seconds for each in ours),
            }
        ),
        baseline=Baseline(
            what="bare Sanic sending the same bytes and headers, the same load in turn",
            figures=tidy(
                {
                    "requests_per_s": median([each.per_s for each in bares]),
                    "cpu_us_per_request": median([each.cpu_us for each in bares]),
                }
            ),
        ),
        repeats=len(ours),
        bars=(at_least("requests/s, of bare Sanic's", ratio, SHARE),),
        machine=here,
        notes=(
            "p50 and p99 are of an open loop at half of requests_per_s, from when each was due",
            f"every page whole and of who asked, {sum(len(each.kept) for each in ours)} looked at;"
            " a like shows in the next one",
            "ratio_cpu is bare Sanic's CPU a request, of gateway's and node's together",
        ),
    )
