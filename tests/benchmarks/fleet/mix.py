"""What one request costs in the mix that people make: processor time of the gateway and the node together.

The mix is that of notes on traffic of services like this one (`DAY`): calls of one person in a day, one sign-in
with a password to fifty with a refresh token. Hashing of passwords is counted apart: it runs in threads of its
own, which are found by signing in a few times before, with nothing else going on. Nothing is encoded: what is
uploaded is no video, and refusing it is the media worker's work.
"""

import subprocess
import sys
import time

import msgspec

from gateway.keys import open_signing_keys
from gateway.settings import GatewaySettings
from gateway.tokens import RefreshToken, RefreshTokens
from tests.benchmarks.bare import Bare, open_bare
from tests.benchmarks.feed_page import page_with_headers, warm_up
from tests.benchmarks.fleet.feed import lively
from tests.benchmarks.fleet.mix_client import Phase, Play, Played, Player
from tests.benchmarks.fleet.stand import NAMED, PASSWORD, Fleet, name_of
from tests.benchmarks.load import Load, Seen, get, run_load
from tests.benchmarks.report import (
    ROOT,
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
from tests.benchmarks.seed import World

NAME = "fleet_mix"
#: Microseconds of processor time of one request, gateway and node together.
CPU_US = 150.0
CONNECTIONS = 32
#: How often one person does what in twenty days.
DAY = {
    "feed_open": 160,
    "feed_next": 600,
    "comments": 800,
    "views": 600,
    "like": 250,
    "comment_like": 50,
    "comment": 15,
    "share": 20,
    "follow": 7,
    "profile": 80,
    "notifications": 160,
    "refresh": 157,
    "login": 3,
    "upload": 4,
    "complete": 4,
    "socket": 200,
}
#: Seconds of processor time in the sign-ins before, above which a thread is one that hashes.
HASHED_S = 0.05
#: Seconds that processes are watched with nothing going on.
IDLE_S = 5.0
#: Seconds that everything may take.
PATIENCE_S = 900.0


def measure(plan: Plan, fleet: Fleet, here: Machine) -> Result:
    """Run it.

    Raises:
        Broken: an answer was not as expected.
    """
    world = lively(fleet.world)
    warm_up(fleet.product, world, None)
    rounds = 1 if plan.quick else 3
    alone = {} if plan.quick else {name: _alone(name) for name in DAY if name != "login"}
    decks = [DAY] * (1 + rounds) + list(alone.values())
    phases = [({"login": 24}, 1), *((deck, 1) for deck in decks)]
    began, before = time.monotonic(), fleet.used_s()
    time.sleep(1.0 if plan.quick else IDLE_S)
    seconds = time.monotonic() - began
    idle = {each: (s - before[each]) / seconds for each, s in fleet.used_s().items()}
    played = _play(fleet, world, phases)
    if played.refused:
        raise Broken(f"answers that were not expected: {dict(list(played.refused.items())[:5])}")
    hashing, _, *rest = played.phases
    threads = {
        each for each, s in hashing.threads.items() if s >= HASHED_S and each != fleet.gateway
    }
    if not 1 <= len(threads) <= GatewaySettings().hashing_threads:
        raise Broken(f"{len(threads)} threads hash passwords")
    mixed, kinds = rest[:rounds], dict(zip(alone, rest[rounds:], strict=True))
    return _result(here, mixed, kinds, threads, idle, _bare(plan, fleet, world))


def _alone(name: str) -> dict[str, int]:
    """A deck of one call, large enough to be read off a clock of ticks, small enough for its limits."""
    return {name: 60 if name in ("upload", "complete", "follow") else 400}


def _play(fleet: Fleet, world: World, phases: list[tuple[dict[str, int], int]]) -> Played:
    product = fleet.product
    refresh = RefreshTokens(open_signing_keys(product.folder.secrets))
    videos = [str(each) for each in world.videos]
    first = product.call("GET", f"/video/{videos[0]}/comments", world.people[0].token)["items"]
    play = Play(
        host=product.host,
        port=product.port,
        players=[
            Player(
                number=number,
                user_id=str(person.user_id),
                token=person.token,
                refresh=refresh.make(RefreshToken(person.user_id, person.session, 1)),
                name=name_of(person.user_id) if number < NAMED else "",
            )
            for number, person in enumerate(world.people)
        ],
        videos=videos,
        comments=[(videos[0], each["comment_id"]) for each in first],
        authors=[str(person.user_id) for person in world.people[:50]],
        password=PASSWORD,
        connections=CONNECTIONS,
        phases=phases,
        watched=[fleet.gateway, fleet.node, *fleet.engine("redis"), *fleet.engine("cassandra"),
                 *fleet.engine("nats")],
    )  # fmt: skip
    child = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.fleet.mix_client"],
        cwd=ROOT,
        input=msgspec.msgpack.encode(play),
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    if child.returncode or not child.stdout:
        raise Broken(f"the clients failed: {child.stderr.decode(errors='replace')[-3000:]}")
    return msgspec.msgpack.decode(child.stdout, type=Played)


def _bare(plan: Plan, fleet: Fleet, world: World) -> Seen:
    body, headers = page_with_headers(fleet.product, world.people[0])
    with open_bare(Bare(body=body, headers=headers), None) as (pid, port):
        load = Load(
            host="127.0.0.1",
            port=port,
            connections=[[get("/feed", host="bare", token=world.people[0].token)]] * CONNECTIONS,
            server=pid,
            seconds=0.5 if plan.quick else 2.0,
        )
        return run_load(load, None)


def _result(
    here: Machine,
    mixed: list[Phase],
    kinds: dict[str, Phase],
    threads: set[int],
    idle: dict[str, float],
    bare: Seen,
) -> Result:
    both = [_us(each, threads) for each in mixed]
    micros = [us for each in mixed for us in memoryview(each.latencies).cast("I").tolist()]
    hashing = [sum(s for t, s in each.threads.items() if t in threads) for each in mixed]
    logins = [each.calls["login"] for each in mixed]
    cpu = median([sum(each) for each in both])
    engines = [sum(each.cpu[2:]) / sum(each.calls.values()) * 1e6 for each in mixed]
    resting = idle["gateway"] + idle["node"]
    beyond = median(
        [
            sum(us) - resting * each.seconds / sum(each.calls.values()) * 1e6
            for us, each in zip(both, mixed, strict=True)
        ]
    )
    alone = {f"{name}_cpu_us": sum(_us(each, threads)) for name, each in kinds.items()}
    return Result(
        name=NAME,
        what=f"the mix of a day's calls, {sum(DAY.values())} to a deck, {CONNECTIONS} at a time",
        unit="us",
        figures=tidy(
            {
                "p50": percentile(micros, 0.5),
                "p99": percentile(micros, 0.99),
                "requests_per_s": median([sum(a.calls.values()) / a.seconds for a in mixed]),
                "cpu_us_per_request": cpu,
                "gateway_cpu_us": median([a for a, _ in both]),
                "node_cpu_us": median([b for _, b in both]),
                "cpu_us_beyond_idle": beyond,
                "idle_gateway_cpu_share": idle["gateway"],
                "idle_node_cpu_share": idle["node"],
                "hashing_ms_per_login": median(
                    [1e3 * s / n for s, n in zip(hashing, logins, strict=True)]
                ),
                "engines_cpu_us": median(engines),
                "ratio_to_bare_page": cpu / bare.cpu_us,
                **alone,
            }
        ),
        baseline=Baseline(
            what="bare Sanic sending a page of ten cards",
            figures=tidy({"cpu_us_per_request": bare.cpu_us, "requests_per_s": bare.per_s}),
        ),
        repeats=len(mixed),
        bars=(at_most("CPU us a request, gateway and node", cpu, CPU_US),),
        machine=here,
        notes=(
            "hashing of passwords is left out of cpu_us_per_request: its threads were found by"
            " sign-ins before; no video is encoded",
            "cpu_us_beyond_idle leaves out what both processes use when nobody asks",
            "<call>_cpu_us are of decks of one call each, gateway and node together",
            "a websocket counts as one request: opened, welcomed, closed",
        ),
    )


def _us(phase: Phase, threads: set[int]) -> tuple[float, float]:
    """Microseconds of one request: of the gateway without its hashing, and of the node."""
    calls = sum(phase.calls.values())
    gateway = sum(s for thread, s in phase.threads.items() if thread not in threads)
    return gateway / calls * 1e6, phase.cpu[1] / calls * 1e6
