"""GET /feed, warm: pages of many signed-in people from one process, against bare Sanic sending the same bytes.

Product and bare Sanic take turns under one load; what counts is the median ratio of the rounds, of requests
a second and of processor time a request. So that the ratio means something, it is shown in the same run
that the bytes are a live page's (they decode, belong to who asked, differ between people, and a like shows
in the next one) and that storage is not touched (its counters move no more than when nobody asks).
"""

import time
from itertools import pairwise

import msgspec

from actors.answers import Feed
from tests.benchmarks import wrk
from tests.benchmarks.bare import Bare, open_bare
from tests.benchmarks.cores import cores
from tests.benchmarks.load import Load, Seen, get, run_load, spread
from tests.benchmarks.product import Product, open_product
from tests.benchmarks.report import (
    Bar,
    Baseline,
    Broken,
    Machine,
    Plan,
    Result,
    at_least,
    at_most,
    machine,
    median,
    percentile,
    tidy,
)
from tests.benchmarks.seed import Person, World, seed

NAME = "feed_page"
#: Items of a page, connections of the load.
ITEMS, CONNECTIONS = 10, 32
#: The least share of bare Sanic's requests a second; and of its processor time a request, inverted.
SHARE = 0.6
#: Share of a core beyond which it is the generator that is measured.
GENERATOR_BUSY = 0.97
#: What moves on the metrics page when storage is touched.
STORAGE = (
    "kinora_database_reads_total",
    "kinora_database_writes_total",
    "kinora_cache_reads_total",
)


def measure(plan: Plan) -> Result:
    """Run it.

    Raises:
        Broken: an answer was wrong, or the load generator could not keep up.
    """
    here = machine()
    folder = plan.folder / NAME
    world = seed(folder, people=64 if plan.quick else 500)
    server_core, load_core = cores()
    with open_product(folder, server_core) as product:
        pages = warm_up(product, world, load_core)
        body, headers = page_with_headers(product, world.people[0])
        with open_bare(Bare(body=body, headers=headers), server_core) as (bare_pid, bare_port):
            rounds = _rounds(plan, product, world, pages, (bare_pid, bare_port, body), load_core)
            paced = _paced(plan, product, world, rounds, load_core)
            checked = _against_wrk(plan, product, world, bare_port, load_core)
        shows_a_like(product, world)
    return _result(here, len(world.people), rounds, paced, checked, body)


def warm_up(product: Product, world: World, core: int | None) -> list[bytes]:
    """Ask for everyone's page twice; returns those of the second time, in the order of the people."""
    load = Load(
        host=product.host,
        port=product.port,
        connections=spread(_asks(product, world), CONNECTIONS),
        server=product.ports.pid,
        once=True,
        keep_every=1,
    )
    run_load(load, core)
    pages = [b""] * len(world.people)
    for kept in run_load(load, core).kept:
        pages[kept.request * CONNECTIONS + kept.connection] = _body(kept.answer)
    for person, page in zip(world.people, pages, strict=True):
        read_page(page, person)
    return pages


def read_page(page: bytes, person: Person) -> Feed:
    """A page, decoded.

    Raises:
        Broken: it is not whole, or not this person's.
    """
    try:
        feed = msgspec.json.decode(page, type=Feed)
    except msgspec.MsgspecError as error:
        raise Broken(f"no page: {error}") from error
    if len(feed.items) != ITEMS or feed.next_cursor is None:
        raise Broken(f"a page of {len(feed.items)} items")
    if len({each.video_id for each in feed.items}) != ITEMS:
        raise Broken("a page shows something twice")
    if any(
        each.viewer.own is not (each.author.user_id == str(person.user_id)) for each in feed.items
    ):
        raise Broken("a page is not of who asked for it")
    return feed


def page_with_headers(product: Product, person: Person) -> tuple[bytes, dict[str, str]]:
    """One live page, and the headers that came with it beside those that any server sends."""
    load = Load(
        host=product.host,
        port=product.port,
        connections=[[get("/feed", host=product.address, token=person.token)]],
        server=product.ports.pid,
        once=True,
        keep_every=1,
    )
    answer = run_load(load, None).kept[0].answer
    lines = answer.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    headers = dict(line.split(": ", 1) for line in lines)
    for name in ("content-length", "content-type", "connection"):
        headers.pop(name, None)
    return _body(answer), headers


def shows_a_like(product: Product, world: World) -> None:
    """See that a page is made anew for each answer: a like stands in the next one.

    Raises:
        Broken: it does not.
    """
    person = world.people[1]
    feed = read_page(_page(product, person), person)
    at = next(at for at, item in enumerate(feed.items) if not item.viewer.liked)
    product.call("POST", f"/video/{feed.items[at].video_id}/like", person.token)
    if not read_page(_page(product, person), person).items[at].viewer.liked:
        raise Broken("a like does not show in the next page")


class Rounds(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen in turn."""

    product: list[Seen]
    same_headers: list[Seen]
    body_only: list[Seen]
    #: How the counters of storage moved while the product was asked, beyond an idle time of that length.
    touched: float


def _rounds(
    plan: Plan,
    product: Product,
    world: World,
    pages: list[bytes],
    bare: tuple[int, int, bytes],
    core: int | None,
) -> Rounds:
    bare_pid, bare_port, body = bare
    seconds = 0.5 if plan.quick else 1.2
    asks = spread(_asks(product, world), CONNECTIONS)
    others = [
        [each.replace(b"GET /feed", b"GET /body") for each in connection] for connection in asks
    ]
    ours = Load(
        host=product.host,
        port=product.port,
        connections=asks,
        server=product.ports.pid,
        warm_s=0.3,
        seconds=seconds,
    )
    same = msgspec.structs.replace(ours, port=bare_port, server=bare_pid)
    lean = msgspec.structs.replace(same, connections=others)
    seen: dict[str, list[Seen]] = {"ours": [], "same": [], "lean": []}
    moved = 0.0
    # What the product does beside answering (writing behind, counting anew) comes to rest first.
    time.sleep(0.5 if plan.quick else 2.0)
    idle = _idle_per_s(product, seconds * 2)
    turns = [("ours", ours), ("same", same), ("lean", lean)]
    for _ in range(1 if plan.quick else 6):
        for name, load in turns:
            before, began = _storage(product), time.monotonic()
            seen[name].append(run_load(load, core))
            if name == "ours":
                took = time.monotonic() - began
                moved += max(0.0, _storage(product) - before - idle * took)
                _same_pages(seen[name][-1], world, pages)
            elif any(_body(kept.answer) != body for kept in seen[name][-1].kept):
                raise Broken("bare Sanic sent other bytes")
        # There and back, so that a machine that grows slower or faster favours nobody.
        turns.reverse()
    return Rounds(
        product=seen["ours"], same_headers=seen["same"], body_only=seen["lean"], touched=moved
    )


def _same_pages(seen: Seen, world: World, pages: list[bytes]) -> None:
    if not seen.kept:
        raise Broken("no page was looked at")
    for kept in seen.kept:
        at = kept.request * CONNECTIONS + kept.connection
        was, now = (read_page(each, world.people[at]) for each in (pages[at], _body(kept.answer)))
        if [each.video_id for each in was.items] != [each.video_id for each in now.items]:
            raise Broken("somebody got a page that is not theirs")
        if was.req_id != now.req_id:
            raise Broken("the same page has another name")
    names = {msgspec.json.decode(_body(kept.answer), type=Feed).req_id for kept in seen.kept}
    if len(seen.kept) > 1 and len(names) == 1:
        raise Broken("everybody gets the same page")


def _paced(plan: Plan, product: Product, world: World, rounds: Rounds, core: int | None) -> Seen:
    """Latency at half of what it can do, from when each request was due."""
    load = Load(
        host=product.host,
        port=product.port,
        connections=spread(_asks(product, world), CONNECTIONS),
        server=product.ports.pid,
        seconds=0.5 if plan.quick else 4.0,
        rate=median([each.per_s for each in rounds.product]) / 2,
    )
    return run_load(load, core)


def _against_wrk(
    plan: Plan, product: Product, world: World, bare_port: int, core: int | None
) -> dict[str, float]:
    if plan.wrk is None:
        return {}
    tokens = [each.token for each in world.people]
    seconds = 1 if plan.quick else 3
    urls = {"product": product.ports.url, "bare": f"http://127.0.0.1:{bare_port}"}
    return {
        name: wrk.per_s(plan.wrk, f"{url}/feed", tokens, plan.folder, core, seconds=seconds)
        for name, url in urls.items()
    }


def _result(
    here: Machine,
    people: int,
    rounds: Rounds,
    paced: Seen,
    checked: dict[str, float],
    body: bytes,
) -> Result:
    ours, same, lean = rounds.product, rounds.same_headers, rounds.body_only
    ratio = median([a.per_s / b.per_s for a, b in zip(ours, same, strict=True)])
    strict = median([a.per_s / b.per_s for a, b in zip(ours, lean, strict=True)])
    cpu = median([b.cpu_us / a.cpu_us for a, b in zip(ours, same, strict=True)])
    strict_cpu = median([b.cpu_us / a.cpu_us for a, b in zip(ours, lean, strict=True)])
    busy = max(each.generator_cpu_s / each.seconds for each in (*ours, *same, *lean))
    figures = {
        "p50": percentile(paced.micros, 0.5),
        "p99": percentile(paced.micros, 0.99),
        "offered_per_s": paced.per_s,
        "unsent": paced.unsent,
        "requests_per_s": median([each.per_s for each in ours]),
        "cpu_us_per_request": median([each.cpu_us for each in ours]),
        "saturated_p50": percentile([us for each in ours for us in each.micros], 0.5),
        "saturated_p99": percentile([us for each in ours for us in each.micros], 0.99),
        "ratio_requests": ratio,
        "ratio_cpu": cpu,
        "ratio_requests_to_body_only": strict,
        "ratio_cpu_to_body_only": strict_cpu,
        "page_bytes": len(body),
        "generator_busy": busy,
    }
    bars: list[Bar] = [
        at_least("requests/s, of bare Sanic's", ratio, SHARE),
        at_least("bare Sanic's CPU a request, of ours", cpu, SHARE),
        at_most("calls of storage beyond an idle time's", rounds.touched, 3.0),
    ]
    notes = [
        "p50 and p99 are of an open loop at half of requests_per_s, from when each request was due",
        f"every page whole and of who asked, {sum(len(each.kept) for each in ours)} looked at;"
        " a like shows in the next one",
    ]
    if busy > GENERATOR_BUSY:
        notes.append("the load generator was at its limit: trust ratio_cpu, not ratio_requests")
    if checked:
        figures |= {
            "wrk_requests_per_s": checked["product"],
            "wrk_ratio_requests": checked["product"] / checked["bare"],
        }
    return Result(
        name=NAME,
        what=f"GET /feed, warm, one process, {people} people signed in, {CONNECTIONS} connections",
        unit="us",
        figures=tidy(figures),
        baseline=Baseline(
            what="bare Sanic sending the same bytes and headers, the same load in turn",
            figures=tidy(
                {
                    "requests_per_s": median([each.per_s for each in same]),
                    "cpu_us_per_request": median([each.cpu_us for each in same]),
                    "body_only_requests_per_s": median([each.per_s for each in lean]),
                    "body_only_cpu_us_per_request": median([each.cpu_us for each in lean]),
                    **({"wrk_requests_per_s": checked["bare"]} if checked else {}),
                }
            ),
        ),
        repeats=len(ours),
        bars=tuple(bars),
        machine=here,
        notes=tuple(notes),
    )


def _asks(product: Product, world: World) -> list[bytes]:
    return [get("/feed", host=product.address, token=each.token) for each in world.people]


def _page(product: Product, person: Person) -> bytes:
    headers = {"Authorization": f"Bearer {person.token}"}
    status, body = product.send("GET", "/feed", headers)
    if status != 200:
        raise Broken(f"GET /feed was answered {status}")
    return body


def _body(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def _storage(product: Product) -> float:
    return sum(
        value for name, value in product.metrics().items() if name.partition("{")[0] in STORAGE
    )


def _idle_per_s(product: Product, seconds: float) -> float:
    """How the counters of storage move when nobody asks: leases are renewed."""
    readings = [(time.monotonic(), _storage(product))]
    for _ in range(3):
        time.sleep(seconds / 3)
        readings.append((time.monotonic(), _storage(product)))
    return max((b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(readings))
