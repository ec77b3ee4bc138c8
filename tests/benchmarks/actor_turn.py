"""Turns of actors without the edge: a page in this process, and likes committed in groups.

A page is held against what is left when everything is known: joining as many parts into as many bytes. A
like through the runtime is held against bare SQLite commits on the same disk, and its transactions are
counted: on a slow disk sharing them is what a crowd's throughput comes from.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import uvloop

from actors.answers import Feed
from actors.messages import Caller, GetFeed, LikeVideo
from actors.ports.clock import SystemClock
from actors.runtime import Runtime
from ops.data_dir import open_data_dir
from ops.metrics import Metrics
from ops.settings import Settings
from ops.wiring import Embedded, open_embedded
from tests.benchmarks.commits import commit_us
from tests.benchmarks.report import (
    Baseline,
    Broken,
    Machine,
    Plan,
    Result,
    at_most,
    machine,
    median,
    percentile,
    tidy,
)
from tests.benchmarks.seed import Person, World, seed

NAME = "actor_turn"
#: Likes at a time.
CROWD = 256
#: Transactions that a like of a crowd may cost at most: it shares them.
SHARED = 0.5
#: Parts that a page of ten is glued from.
PARTS = 54


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen in turn."""

    page_us: list[float]
    join_us: float
    likes_per_s: float
    #: Transactions of the database for each like.
    transactions: float
    commits: list[float]


def measure(plan: Plan) -> Result:
    """Run it.

    Raises:
        Broken: an actor did not answer what it should.
    """
    here = machine()
    return uvloop.run(_measure(plan, here))


async def _measure(plan: Plan, here: Machine) -> Result:
    folder = plan.folder / NAME
    # In a thread: it runs a loop of its own.
    world = await asyncio.to_thread(lambda: seed(folder, people=64 if plan.quick else 400))
    async with _product(plan) as product:
        runtime = product.node.runtime
        for person in world.people:
            await runtime.ask(person.user_id, GetFeed(), Caller(session=person.session, op_id=b""))
        rounds = [await _round(plan, product, world) for _ in range(1 if plan.quick else 5)]
    return _result(here, rounds)


@asynccontextmanager
async def _product(plan: Plan) -> AsyncIterator[Embedded]:
    settings = Settings.from_env({"KINORA_LIMITS_LIKES_A_MINUTE": "1000000"})

    def alarm(name: str, error: BaseException) -> None:
        raise Broken(f"{name}: {error!r}") from error

    with open_data_dir(plan.folder / NAME) as data:
        async with open_embedded(
            settings,
            url="http://127.0.0.1",
            data=data.dir,
            clock=SystemClock(),
            metrics=Metrics(version="benchmark"),
            alarm=alarm,
        ) as product:
            yield product


async def _round(plan: Plan, product: Embedded, world: World) -> Round:
    runtime = product.node.runtime
    pages = 200 if plan.quick else 4_000
    people = world.people
    message = GetFeed()
    page_us: list[float] = []
    page = b""
    for at in range(pages):
        person = people[at % len(people)]
        began = time.perf_counter()
        answer = runtime.ask_nowait(person.user_id, message, person.session)
        page_us.append((time.perf_counter() - began) * 1e6)
        if answer is None:
            raise Broken("a warm page had to be waited for")
        page = answer
    msgspec.json.decode(page, type=Feed)
    size = -(-len(page) // PARTS)
    parts = [page[at : at + size] for at in range(0, len(page), size)]
    began = time.perf_counter()
    for _ in range(pages):
        b"".join(parts)
    join_us = (time.perf_counter() - began) / pages * 1e6
    commits = await asyncio.to_thread(commit_us, plan.folder, 50 if plan.quick else 200)
    before = product.stores.database.statistics().batches
    likes, seconds = await _likes(runtime, world, 0.3 if plan.quick else 1.5)
    after = product.stores.database.statistics().batches
    return Round(
        page_us=page_us,
        join_us=join_us,
        likes_per_s=likes / seconds,
        transactions=(after - before) / likes,
        commits=commits,
    )


async def _likes(runtime: Runtime, world: World, seconds: float) -> tuple[int, float]:
    """Likes that were acknowledged, and in how many seconds."""
    until = time.perf_counter() + seconds
    done = 0

    async def goes_on(at: int, person: Person) -> None:
        nonlocal done
        video_id = world.videos[at * 7 % len(world.videos)]
        wanted = True
        while time.perf_counter() < until:
            await runtime.ask(
                person.user_id,
                LikeVideo(video_id=video_id, liked=wanted),
                Caller(session=person.session, op_id=done.to_bytes(8, "big")),
            )
            wanted = not wanted
            done += 1
        if not wanted:
            done += 1
            await runtime.ask(
                person.user_id,
                LikeVideo(video_id=video_id, liked=False),
                Caller(session=person.session, op_id=b"last"),
            )

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for at, person in enumerate(world.people[:CROWD]):
            group.create_task(goes_on(at, person))
    return done, time.perf_counter() - began


def _result(here: Machine, rounds: list[Round]) -> Result:
    pages = [us for each in rounds for us in each.page_us]
    commits = [us for each in rounds for us in each.commits]
    bare_per_s = [1e6 * len(each.commits) / sum(each.commits) for each in rounds]
    sharing = median(
        [each.likes_per_s / bare for each, bare in zip(rounds, bare_per_s, strict=True)]
    )
    shared = median([each.transactions for each in rounds])
    return Result(
        name=NAME,
        what="a feed page from a warm actor, and likes committed through the runtime, in one process",
        unit="us",
        figures=tidy(
            {
                "p50": percentile(pages, 0.5),
                "p99": percentile(pages, 0.99),
                "ratio_to_join": median(
                    [percentile(each.page_us, 0.5) / each.join_us for each in rounds]
                ),
                "likes_per_s": median([each.likes_per_s for each in rounds]),
                "likes_per_bare_commit": sharing,
                "transactions_per_like": shared,
            }
        ),
        baseline=Baseline(
            what="joining the same page's parts; one bare SQLite commit on the same disk",
            figures=tidy(
                {
                    "join_us": median([each.join_us for each in rounds]),
                    "commit_p50": percentile(commits, 0.5),
                    "commit_p99": percentile(commits, 0.99),
                    "commits_per_s": median(bare_per_s),
                }
            ),
        ),
        repeats=len(rounds),
        bars=(at_most(f"transactions a like, {CROWD} at a time", shared, SHARED),),
        machine=here,
        notes=(f"likes by {CROWD} people at a time; each is two transactions, shared",),
    )
