"""A whole fleet for tests: the processes and engines of `kinora cluster up`, in a temporary folder.

`Fleet` is what a test has of it: who runs, how to harm them, and how to wait until everything is well again. It
is shared by all tests of a run, so a test leaves it as it found it: resumed, started, healed. The
fixture waits for that before the next test.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from random import SystemRandom
from urllib.request import urlopen

import msgspec

from media.clip import make_clip
from ops.cluster.environment import process_environment
from ops.cluster.lifecycle import stop as end_cluster
from ops.cluster.plan import ENGINES
from ops.cluster.record import Cluster, ClusterFolder, Shape
from ops.cluster.start import up
from ops.cluster.table import is_healthy, url_of
from ops.engines.cassandra import addresses
from ops.engines.found import find
from ops.engines.ports import LOOPBACK, free_engine_ports, free_ports
from ops.engines.probes import redis_says
from ops.engines.table import entry
from ops.settings import Settings
from ops.supervisor.control import Question, ask
from ops.supervisor.identity import ProcessRef, is_alive, ref_of, send
from ops.supervisor.run_folder import RunFolder
from ops.supervisor.state import ProcessState, SupervisorState
from sharding.shards import SHARD_COUNT
from tests.support.fleet_links import Wires, ports_needed
from tests.support.fleet_program import PLAN, PROGRAM, FleetPlan
from tests.support.people import People, Person, open_people
from tests.support.product import environment
from tests.support.starter import awaited, running_engine
from tests.support.toxics import Link

#: Settings that make waiting shorter and let one address be a whole crowd; nothing else differs from the defaults.
QUICK = {
    "KINORA_ACTORS_SWEEP_S": "2",
    "KINORA_ACTORS_ENCODING_OVERDUE_MS": "5000",
    "KINORA_GATEWAY_DRAIN_NOTICE_S": "0.1",
    "KINORA_GATEWAY_REGISTRATIONS_PER_ADDRESS_BURST": "100000",
    "KINORA_GATEWAY_LOGINS_PER_ADDRESS_BURST": "100000",
    "KINORA_GATEWAY_REQUESTS_PER_ADDRESS_PER_S": "100000",
    "KINORA_GATEWAY_REQUESTS_PER_ADDRESS_BURST": "100000",
}
#: What runs: small, because two cores carry it and the tests.
SHAPE: Mapping[str, object] = {"gateways": 2, "nodes": 2, "media": 1, "cassandra": 1}
#: How long everything may take to be well after a fault, in seconds.
HEALTHY_S = 150.0
#: How long what was signalled may take to be gone, in seconds.
_GONE_S = 10.0
#: Between two looks, in seconds.
_LOOK_S = 0.05
#: One answer of the supervisor, in seconds.
_ASK_S = 10.0


class NotWell(AssertionError):
    """Something of the fleet is not well in time; the message ends with its log."""


class Fleet:
    """A fleet that runs."""

    def __init__(
        self,
        folder: ClusterFolder,
        environ: Mapping[str, str],
        links: Mapping[str, Link] | None = None,
    ) -> None:
        self.folder = folder
        #: Ways that a test may harm, by the process that they lead to (fleet_links.py); empty without a proxy.
        self.links = links or {}
        #: What the fleet was started with.
        self.environ = environ

    @property
    def cluster(self) -> Cluster:
        """Shape and ports."""
        cluster = self.folder.cluster()
        assert cluster is not None
        return cluster

    @property
    def url(self) -> str:
        """Where the product answers."""
        return url_of(self.cluster)

    @property
    def gateway_urls(self) -> tuple[str, ...]:
        """What each gateway says of itself; one machine's share a port, so the kernel picks."""
        return tuple(self.process(name).address for name in self.names("gateway"))

    @property
    def edge_url(self) -> str:
        """Where media are served."""
        return f"http://{LOOPBACK}:{self.cluster.ports.nginx}"

    def state(self) -> SupervisorState:
        """What the supervisor last said."""
        state = self.folder.supervisor.state()
        assert state is not None
        return state

    def names(self, kind: str = "") -> tuple[str, ...]:
        """Names of the processes of a kind: gateway, node, media, redis, nats, minio, cassandra, nginx; of all."""
        return tuple(
            each.name
            for each in self.state().processes
            if not each.once and (not kind or each.name.rpartition("-")[0] == kind)
        )

    def process(self, name: str) -> ProcessState:
        """How one is."""
        return next(each for each in self.state().processes if each.name == name)

    def ref(self, name: str) -> ProcessRef:
        """Which process it is now."""
        ref = self.process(name).ref
        assert ref is not None, f"{name} does not run"
        return ref

    def pid(self, name: str) -> int:
        """Its number."""
        return self.ref(name).pid

    def kill(self, name: str) -> None:
        """`kill -9`, and wait until it is gone; the supervisor starts it again at once."""
        ref = self.ref(name)
        send(ref, signal.SIGKILL)
        _until(lambda: not is_alive(ref), _GONE_S, f"{name} does not die")

    def pause(self, name: str) -> None:
        """SIGSTOP: it is there, keeps its connections and says nothing."""
        send(self.ref(name), signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """SIGCONT."""
        send(self.ref(name), signal.SIGCONT)

    def stop(self, name: str) -> None:
        """End it in the ordinary way, and keep it down until `start`."""
        self._say(Question(command="hold", name=name))
        _until(lambda: self.process(name).condition == "held", 60, f"{name} does not end")

    def hold_killed(self, name: str) -> None:
        """`kill -9`, and keep it down until `start`."""
        ref = self.ref(name)
        # Being held comes with a request to end; frozen, it has a moment at most to hear of that.
        send(ref, signal.SIGSTOP)
        self._say(Question(command="hold", name=name))
        send(ref, signal.SIGKILL)
        _until(lambda: self.process(name).condition == "held", 60, f"{name} does not end")

    def start(self, name: str) -> None:
        """Start what was stopped; returns at once."""
        self._say(Question(command="restart", name=name))

    def restart(self, name: str) -> None:
        """End it in the ordinary way and start it again; returns at once."""
        self._say(Question(command="restart", name=name))

    def until_replaced(self, name: str, pid: int) -> None:
        """Wait until another process than `pid` is `name`, and is ready."""

        def claim() -> bool:
            now = self.process(name)
            return now.is_well and now.ref is not None and now.ref.pid != pid

        _until(claim, HEALTHY_S, f"{name} is not restarted")

    async def healthy(self, within_s: float = HEALTHY_S) -> float:
        """Wait until every process and engine is well, and a gateway can serve; seconds that took.

        Raises:
            NotWell: it did not become well.
        """
        began = time.monotonic()
        while not self.is_healthy():
            if time.monotonic() - began > within_s:
                raise NotWell(self.told())
            await asyncio.sleep(_LOOK_S)
        return time.monotonic() - began

    def is_healthy(self) -> bool:
        """Whether everything runs now, nothing is frozen, Redis is one cluster, and every shard has its owner."""
        state = self.state()
        if not is_healthy(state):
            return False
        alive = all(each.ref is None or is_alive(each.ref) for each in state.processes)
        return alive and self.redis_is_whole() and self.shards_are_owned()

    def shards_are_owned(self) -> bool:
        """Whether the nodes have all shards, for certain, and Redis has a fence of each: it may be wiped."""
        fences = 0
        for name in self.redis_names("master"):
            fences += int((self.redis(self.redis_port(name), "DBSIZE") or ":0")[1:])
        owned = unsure = 0.0
        for name in self.names("node"):
            page = self.metrics(name)
            owned += number_of(page, "kinora_shards_owned")
            unsure += number_of(page, "kinora_shards_unsure")
        return fences >= SHARD_COUNT and (owned, unsure) == (SHARD_COUNT, 0)

    def metrics(self, name: str) -> str:
        """The metrics page of a process of Kinora, empty when it does not answer."""
        ready = RunFolder(self.folder.run).ready(name)
        if ready is None:
            return ""
        try:
            with urlopen(ready.metrics_url, timeout=2) as answer:
                page: bytes = answer.read()
        except OSError:
            return ""
        return page.decode()

    def redis_is_whole(self) -> bool:
        """Whether every node of Redis finds every slot served, and its replica or master."""
        for port in self.cluster.ports.redis:
            info = self.redis(port, "CLUSTER", "INFO") or ""
            role = self.redis(port, "INFO", "replication") or ""
            linked = "master_link_status:up" in role or "connected_slaves:1" in role
            if "cluster_state:ok" not in info or "cluster_slots_ok:16384" not in info or not linked:
                return False
        return True

    def redis(self, port: int, *words: str) -> str | None:
        """One command at one node of Redis, None where it does not answer."""

        async def say() -> str | None:
            try:
                async with asyncio.timeout(2.0):
                    return await redis_says(LOOPBACK, port, *words)
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                return None

        return awaited(say())

    def redis_names(self, role: str) -> tuple[str, ...]:
        """Names of the nodes of Redis that are `master` or `slave` now."""
        found = []
        for number, port in enumerate(self.cluster.ports.redis, 1):
            if f"role:{role}" in (self.redis(port, "INFO", "replication") or ""):
                found.append(f"redis-{number}")
        return tuple(found)

    def redis_port(self, name: str) -> int:
        """Where a node of Redis listens."""
        return self.cluster.ports.redis[int(name.rpartition("-")[2]) - 1]

    def wipe_redis(self) -> None:
        """FLUSHALL on every master: what it held is gone, the cluster stands."""
        for name in self.redis_names("master"):
            self.redis(self.redis_port(name), "FLUSHALL")

    def logs(self, name: str) -> str:
        """What it wrote."""
        return self.folder.supervisor.log_of(name).read_text(errors="replace")

    def process_environ(self) -> Mapping[str, str]:
        """The environment of its processes, with the direct addresses of engines."""
        return process_environment(self.cluster, self.folder, self.environ)

    def settings(self) -> Settings:
        """Their settings: for adapters that a test opens beside them."""
        return Settings.from_env(self.process_environ())

    def told(self, lines: int = 15) -> str:
        """Who is not well, and the end of their logs."""
        bad = [each for each in self.state().processes if not each.is_well]
        told = [f"{each.name} is {each.condition}: {each.detail}" for each in bad]
        for each in bad:
            if self.folder.supervisor.log_of(each.name).exists():
                told += [f"  {each.name} | {x}" for x in self.logs(each.name).splitlines()[-lines:]]
        return "\n".join(told) or "every process is well, Redis is not one cluster"

    @asynccontextmanager
    async def people(self) -> AsyncIterator[People]:
        """An HTTP client for everybody."""
        async with open_people(self.url) as people:
            yield people

    def mend(self) -> None:
        """Heal every link, resume what is frozen, start what was stopped."""
        for each_link in self.links.values():
            each_link.heal()
        for each in self.state().processes:
            if each.ref is not None:
                send(each.ref, signal.SIGCONT)
            elif each.condition in ("held", "given_up"):
                self.start(each.name)

    def _say(self, question: Question) -> None:
        answer = ask(self.folder.supervisor.control, question, timeout_s=_ASK_S)
        assert answer.ok, answer.message

    def __repr__(self) -> str:
        return f"<Fleet {self.url} in {self.folder.path}>"


async def register(people: People, count: int, name: str = "person") -> list[Person]:
    """`count` new people, with tokens."""
    return [await people.join(name) for _ in range(count)]


def small_clip(folder: Path) -> Path:
    """Half a second of moving colours: a second of work for the encoder."""
    path = folder / "small.mp4"
    make_clip(path, 0.5, seed=1, width=180, height=320, fps=15)
    return path


@contextmanager
def running_fleet(
    path: Path,
    more: Mapping[str, str] | None = None,
    shape: Mapping[str, object] = SHAPE,
    *,
    proxied: bool = False,
) -> Iterator[Fleet]:
    """A fleet in the empty folder `path`, healthy; ended when the block ends.

    With `proxied`, everything that can be led through toxiproxy is.

    Raises:
        EngineMissing: an engine is not there; nothing was started.
        CannotGoOn: it did not start.
    """
    environ = environment(path / "unused", {**QUICK, **(more or {})})
    for name in ENGINES:
        find(entry(name), environ)
    folder = ClusterFolder(path)
    folder.make()
    test_run = ref_of(os.getpid())
    assert test_run is not None
    plan = FleetPlan(test_run=test_run)
    links: Mapping[str, Link] = {}
    with ExitStack() as stack:
        if proxied:
            # The links must be there before anything is told of them, so the ports are chosen here.
            cluster = _chosen(shape)
            folder.keep(cluster)
            count = ports_needed(cluster)
            taken = {*cluster.ports.redis, cluster.ports.nats, cluster.ports.minio}
            spare = free_ports(count + len(taken), dice=SystemRandom())
            wires = Wires(cluster, tuple(each for each in spare if each not in taken)[:count])
            proxy = wires.proxy(find(entry("toxiproxy"), environ), path / "run")
            stack.enter_context(running_engine(proxy))
            links, plan = wires.links(), wires.plan(plan)
        (folder.run / PLAN).write_bytes(msgspec.json.encode(plan))
        stack.callback(end_cluster, folder)
        up(folder, shape, {}, environ, program=PROGRAM)
        yield Fleet(folder, environ, links)


def _chosen(shape: Mapping[str, object]) -> Cluster:
    dice = SystemRandom()
    return Cluster(
        id=dice.randbytes(4).hex(),
        shape=msgspec.convert(shape, Shape),
        host=LOOPBACK,
        port=0,
        ports=free_engine_ports(dice, addresses=addresses(3)),
    )


def _until(claim: Callable[[], bool], within_s: float, complaint: str) -> None:
    until = time.monotonic() + within_s
    while not claim():
        if time.monotonic() > until:
            raise NotWell(complaint)
        time.sleep(_LOOK_S)


def number_of(page: str, metric: str) -> float:
    """The value of an unlabelled metric on a page; 0 where it is not."""
    found = re.search(rf"^{metric} (\S+)$", page, re.MULTILINE)
    return float(found[1]) if found else 0.0
