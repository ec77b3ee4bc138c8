"""A like with its acknowledgement from Cassandra, against the two calls of engines that it cannot do without.

The baseline is one client of the drivers: one prepared insert at LOCAL_QUORUM and one EVALSHA with its WAIT,
one after the other, in turn with the product. Everyone likes another video and takes it back at once, so
each call changes something.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import redis
from cassandra import ConsistencyLevel
from cassandra.cluster import Cluster, Session
from redis.cluster import ClusterNode, RedisCluster

from tests.benchmarks.feed_page import warm_up
from tests.benchmarks.fleet.feed import lively
from tests.benchmarks.fleet.stand import Fleet
from tests.benchmarks.like import asks_of, there_and_back
from tests.benchmarks.load import Load, Seen, run_load
from tests.benchmarks.report import (
    Baseline,
    Broken,
    Machine,
    Plan,
    Result,
    median,
    percentile,
    tidy,
)
from tests.benchmarks.seed import World

NAME = "fleet_like"
CROWD = 32
_KEYSPACE = "kinora_bench"
_SCRIPT = "redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) return 1"


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen in turn; microseconds."""

    inserts: list[int]
    scripts: list[int]
    alone: Seen
    crowd: Seen
    #: Processor time of the engines for a like of the crowd.
    engines: dict[str, float]
    #: What the node asked of engines for a like of the crowd, events and tidying included.
    asked: dict[str, float]


def measure(plan: Plan, fleet: Fleet, here: Machine) -> Result:
    """Run it.

    Raises:
        Broken: a like was refused, or did not change anything.
    """
    world = lively(fleet.world)
    warm_up(fleet.product, world, None)
    # What a first like reads is read, and the node's code is warm.
    _run(fleet, world, CROWD, seconds=0.5 if plan.quick else 2.0)
    with _bare(fleet) as bare:
        rounds = [_round(plan, fleet, world, bare) for _ in range(1 if plan.quick else 5)]
    _changes_something(fleet, world)
    return _result(here, rounds)


def _round(plan: Plan, fleet: Fleet, world: World, bare: "Bare") -> Round:
    seconds = 0.5 if plan.quick else 3.0
    inserts, scripts = bare.times(50 if plan.quick else 300)
    alone = _run(fleet, world, 1, seconds=seconds)
    asked, before = fleet.asked(), fleet.used_s()
    crowd = _run(fleet, world, CROWD, seconds=seconds)
    # Of the last likes the events are on their way still, as those of likes before were when it began.
    after, then = fleet.used_s(), fleet.asked()
    likes = sum(crowd.statuses.values())
    engines = {
        each: (after[each] - before[each]) / likes * 1e6 for each in ("redis", "cassandra", "nats")
    }
    return Round(
        inserts=inserts,
        scripts=scripts,
        alone=alone,
        crowd=crowd,
        engines=engines,
        asked={name: (count - asked[name]) / likes for name, count in then.items()},
    )


def _run(fleet: Fleet, world: World, clients: int, *, seconds: float) -> Seen:
    product = fleet.product
    load = Load(
        host=product.host,
        port=product.port,
        connections=there_and_back(asks_of(product, world), clients),
        server=fleet.gateway,
        others=(fleet.node,),
        warm_s=0.3,
        seconds=seconds,
    )
    return run_load(load, None)


class Bare:
    """The two calls of engines that a like needs, as their drivers make them."""

    def __init__(self, session: Session, node: redis.Redis) -> None:
        self._session = session
        self._node = node
        self._insert = session.prepare(
            f"INSERT INTO {_KEYSPACE}.likes (user_id, at, video_id) VALUES (?, ?, ?)"
        )
        self._insert.consistency_level = ConsistencyLevel.LOCAL_QUORUM
        self._script = node.script_load(_SCRIPT)

    def times(self, times: int) -> tuple[list[int], list[int]]:
        """Microseconds of each insert, and of each script with its WAIT."""
        inserts: list[int] = []
        scripts: list[int] = []
        for at in range(times):
            began = time.perf_counter()
            self._node.evalsha(self._script, 1, "bench", f"{at}", "1")
            if self._node.wait(1, 1_000) < 1:
                raise Broken("no replica of Redis took a write")
            between = time.perf_counter()
            self._session.execute(self._insert, (at % 97, at, at))
            scripts.append(int((between - began) * 1e6))
            inserts.append(int((time.perf_counter() - between) * 1e6))
        return inserts, scripts


@contextmanager
def _bare(fleet: Fleet) -> Iterator[Bare]:
    settings = fleet.settings
    host, _, port = settings.cassandra.contact_points[0].partition(":")
    cluster = Cluster([host], port=int(port), protocol_version=4)
    first = settings.redis.nodes[0].rpartition(":")
    nodes = RedisCluster(startup_nodes=[ClusterNode(first[0], int(first[2]))])
    home = nodes.get_node_from_key("bench")
    if home is None:
        raise Broken("no node of Redis has the key")
    node = redis.Redis(host=str(home.host), port=int(home.port))
    try:
        session = cluster.connect()
        session.execute(
            f"CREATE KEYSPACE IF NOT EXISTS {_KEYSPACE} WITH replication ="
            f" {{'class': 'SimpleStrategy', 'replication_factor': {settings.cassandra.replication}}}"
        )
        session.execute(
            f"CREATE TABLE IF NOT EXISTS {_KEYSPACE}.likes"
            " (user_id bigint, at bigint, video_id bigint, PRIMARY KEY (user_id, at))"
        )
        yield Bare(session, node)
    finally:
        node.close()
        nodes.close()
        cluster.shutdown()


def _changes_something(fleet: Fleet, world: World) -> None:
    """See that what is acknowledged was done.

    Raises:
        Broken: it was not.
    """
    person, video_id = world.people[0], world.videos[1]
    for method, wanted in (("POST", True), ("DELETE", False)):
        fleet.product.call(method, f"/video/{video_id}/like", person.token)
        video = fleet.product.call("GET", f"/video/{video_id}", person.token)
        if video["viewer"]["liked"] is not wanted:
            raise Broken(f"{method} of a like was acknowledged and not done")


def _result(here: Machine, rounds: list[Round]) -> Result:
    alone = [us for each in rounds for us in each.alone.micros]
    crowd = [us for each in rounds for us in each.crowd.micros]
    inserts = [us for each in rounds for us in each.inserts]
    scripts = [us for each in rounds for us in each.scripts]
    ratio = median(
        [
            percentile(each.alone.micros, 0.5)
            / (percentile(each.inserts, 0.5) + percentile(each.scripts, 0.5))
            for each in rounds
        ]
    )
    engines = {
        f"crowd_{each}_cpu_us": median([one.engines[each] for one in rounds])
        for each in rounds[0].engines
    }
    asked = {
        f"crowd_{each}_per_like": median([one.asked[each] for one in rounds])
        for each in rounds[0].asked
    }
    return Result(
        name=NAME,
        what="POST or DELETE of a like, from sent to acknowledged by Redis and Cassandra",
        unit="us",
        figures=tidy(
            {
                "p50": percentile(alone, 0.5),
                "p99": percentile(alone, 0.99),
                "likes_per_s": median([each.alone.per_s for each in rounds]),
                "ratio_to_two_calls": ratio,
                "crowd_p50": percentile(crowd, 0.5),
                "crowd_p99": percentile(crowd, 0.99),
                "crowd_likes_per_s": median([each.crowd.per_s for each in rounds]),
                "crowd_gateway_cpu_us": median([each.crowd.cpu_us for each in rounds]),
                "crowd_node_cpu_us": median([each.crowd.others_cpu_us[0] for each in rounds]),
                "alone_gateway_cpu_us": median([each.alone.cpu_us for each in rounds]),
                "alone_node_cpu_us": median([each.alone.others_cpu_us[0] for each in rounds]),
                **engines,
                **asked,
            }
        ),
        baseline=Baseline(
            what="one prepared insert at LOCAL_QUORUM, and one EVALSHA with WAIT for a replica,"
            " by the drivers, one client",
            figures=tidy(
                {
                    "insert_p50": percentile(inserts, 0.5),
                    "insert_p99": percentile(inserts, 0.99),
                    "script_p50": percentile(scripts, 0.5),
                    "script_p99": percentile(scripts, 0.99),
                }
            ),
        ),
        repeats=len(rounds),
        bars=(),
        machine=here,
        notes=(
            f"p50 and p99 are of one client alone, crowd_ of {CROWD} at a time;"
            " every call changes something",
            "engines' CPU holds what they do anyway, and the events of the likes",
        ),
    )
