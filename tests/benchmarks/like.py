"""POST and DELETE of a like, from sent to answered: the answer says that it is on the disk.

A like is two synced transactions, its operation and its facts, so it cannot be faster than two bare commits
on the same disk; those are the baseline, measured in turn. Alone it pays for both; thirty-two at a time
share them. How much longer than its commits a like takes depends on the disk: the slower that is, the less
there is beside it, so there is a ratio and no bar. Everyone likes another video and takes it back at once, so
each call changes something.
"""

import msgspec

from tests.benchmarks.commits import commit_us
from tests.benchmarks.cores import cores
from tests.benchmarks.feed_page import warm_up
from tests.benchmarks.load import Load, Seen, run_load, send
from tests.benchmarks.product import Product, open_product
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
from tests.benchmarks.seed import World, seed

NAME = "like"
CROWD = 32
#: Synced transactions that a like waits for.
TRANSACTIONS = 2
#: Transactions that a like of a crowd may cost at most: it shares them.
SHARED = 1.0


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen in turn."""

    commits: list[float]
    alone: Seen
    crowd: Seen
    #: Transactions of the product while the crowd was there, for each like.
    transactions: float


def measure(plan: Plan) -> Result:
    """Run it.

    Raises:
        Broken: a like was refused, or did not change anything.
    """
    here = machine()
    folder = plan.folder / NAME
    world = seed(folder, people=64 if plan.quick else 800)
    server_core, load_core = cores()
    with open_product(folder, server_core) as product:
        warm_up(product, world, load_core)
        # Once there and back, so that everybody's likes have been read.
        _run(product, asks_of(product, world), CROWD, load_core, once=True)
        rounds = [_round(plan, product, world, load_core) for _ in range(1 if plan.quick else 4)]
        _changes_something(product, world)
    return _result(here, rounds)


def _round(plan: Plan, product: Product, world: World, core: int | None) -> Round:
    seconds = 0.5 if plan.quick else 2.0
    asks = asks_of(product, world)
    commits = commit_us(plan.folder, 50 if plan.quick else 200)
    alone = _run(product, asks, 1, core, seconds=seconds)
    before = product.metrics()["kinora_database_transactions_total"]
    crowd = _run(product, asks, CROWD, core, seconds=seconds)
    after = product.metrics()["kinora_database_transactions_total"]
    return Round(
        commits=commits,
        alone=alone,
        crowd=crowd,
        transactions=(after - before) / max(1, sum(crowd.statuses.values())),
    )


def _run(
    product: Product,
    asks: list[list[bytes]],
    clients: int,
    core: int | None,
    *,
    once: bool = False,
    seconds: float = 2.0,
) -> Seen:
    load = Load(
        host=product.host,
        port=product.port,
        connections=there_and_back(asks, clients),
        server=product.ports.pid,
        once=once,
        warm_s=0.3,
        seconds=seconds,
    )
    return run_load(load, core)


def asks_of(product: Product, world: World) -> list[list[bytes]]:
    """Each person's like of a video, and the same taken back."""
    videos = world.videos
    return [
        [
            send(
                method,
                f"/video/{videos[at * 7 % len(videos)]}/like",
                host=product.address,
                token=person.token,
            )
            for method in ("POST", "DELETE")
        ]
        for at, person in enumerate(world.people)
    ]


def there_and_back(asks: list[list[bytes]], clients: int) -> list[list[bytes]]:
    """Requests for so many clients, each of which takes a like back before the next: all of them change something,
    wherever the run before has ended.
    """
    return [
        [request for person in asks[at::clients] for request in person]
        for at in range(min(clients, len(asks)))
    ]


def _changes_something(product: Product, world: World) -> None:
    """See that what is acknowledged was done.

    Raises:
        Broken: it was not.
    """
    person, video_id = world.people[0], world.videos[1]
    for method, wanted in (("POST", True), ("DELETE", False)):
        product.call(method, f"/video/{video_id}/like", person.token)
        video = product.call("GET", f"/video/{video_id}", person.token)
        if video["viewer"]["liked"] is not wanted:
            raise Broken(f"{method} of a like was acknowledged and not done")


def _result(here: Machine, rounds: list[Round]) -> Result:
    commits = [us for each in rounds for us in each.commits]
    alone = [us for each in rounds for us in each.alone.micros]
    crowd = [us for each in rounds for us in each.crowd.micros]
    ratio = median(
        [
            percentile(each.alone.micros, 0.5) / (TRANSACTIONS * percentile(each.commits, 0.5))
            for each in rounds
        ]
    )
    shared = median([each.transactions for each in rounds])
    per_s = median([each.crowd.per_s for each in rounds])
    bare_per_s = median([1e6 * len(each.commits) / sum(each.commits) for each in rounds])
    return Result(
        name=NAME,
        what="POST or DELETE of a like, from sent to acknowledged as durable",
        unit="us",
        figures=tidy(
            {
                "p50": percentile(alone, 0.5),
                "p99": percentile(alone, 0.99),
                "ratio_to_two_commits": ratio,
                "beyond_two_commits": median(
                    [
                        percentile(each.alone.micros, 0.5)
                        - TRANSACTIONS * percentile(each.commits, 0.5)
                        for each in rounds
                    ]
                ),
                "crowd_p50": percentile(crowd, 0.5),
                "crowd_p99": percentile(crowd, 0.99),
                "crowd_likes_per_s": per_s,
                "crowd_cpu_us_per_like": median([each.crowd.cpu_us for each in rounds]),
                "crowd_transactions_per_like": shared,
                "crowd_likes_per_bare_commit": per_s / bare_per_s,
            }
        ),
        baseline=Baseline(
            what="one bare SQLite commit, WAL and synchronous=FULL, on the same disk",
            figures=tidy(
                {
                    "p50": percentile(commits, 0.5),
                    "p99": percentile(commits, 0.99),
                    "commits_per_s": bare_per_s,
                }
            ),
        ),
        repeats=len(rounds),
        bars=(at_most(f"transactions a like, {CROWD} at a time", shared, SHARED),),
        machine=here,
        notes=(
            f"p50 and p99 are of one client alone, crowd_ of {CROWD} at a time;"
            " every call changes something",
        ),
    )
