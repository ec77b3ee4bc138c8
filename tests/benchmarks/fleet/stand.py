"""What the fleet's benchmarks stand on: `kinora cluster up`, a world written as facts, and who uses how much.

One gateway and one node, so that a figure is of one of each; engines as the product installs them. Settings
are the defaults but for four, each because one machine plays many parts: see `SETTINGS`.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from argon2 import PasswordHasher, Type

from actors.ports.clock import SystemClock
from actors.ports.facts import FactWriter
from actors.rows import AnyRow, StampedRow
from gateway.keys import open_signing_keys
from gateway.settings import GatewaySettings
from gateway.tokens import AccessTokens
from ops.cluster.environment import process_environment
from ops.cluster.record import ClusterFolder
from ops.data_dir import DataDir
from ops.ports_file import Ports
from ops.settings import Settings
from ops.supervisor.run_folder import RunFolder
from sharding.errors import StorageUnavailable
from storage.cassandra.facts import CassandraFacts
from storage.cassandra.names import CassandraNames
from storage.cassandra.opening import open_cassandra
from storage.cassandra.settings import CassandraSettings
from tests.benchmarks.cores import cpu_s, pin_running
from tests.benchmarks.product import Product, read_metrics
from tests.benchmarks.report import ROOT, Broken
from tests.benchmarks.seed import Drawn, Sizes, World, draw

GATEWAY, NODE = "gateway-0", "node-0"
#: What every seeded person types.
PASSWORD = "correct horse battery"
#: Followers that a video is fanned out to, and websockets that are held.
FOLLOWERS, SOCKETS = 10_000, 5_000
#: People that ask for pages and like.
LIVELY = 2_000
#: People that can sign in by name.
NAMED = 60

SETTINGS = {
    "KINORA_PORT": "0",
    # All clients come from one address; each says another one, as a balancer would.
    "KINORA_GATEWAY_TRUSTED_PROXIES": "1",
    # By default an author with more than 5,000 followers is read by them instead of pushed to them.
    "KINORA_FEED_PUSH_BOUND": str(FOLLOWERS),
    "KINORA_MIN_OPEN_FILES": str(SOCKETS + 3_000),
    "KINORA_LOG_LEVEL": "warning",
}
#: What of the node's numbers says how much it asked of engines.
ASKED = {
    "commits": "kinora_commits_total",
    "statements": 'kinora_adapter{adapter="cassandra",number="requests"}',
}
#: Seconds that the cluster may take to be up, and to be gone.
UP_S, DOWN_S = 400.0, 200.0
#: Rows that are written in one call, and how often that is tried.
_TOGETHER, _PATIENCE = 500, 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A cluster that serves, and whom it knows."""

    folder: ClusterFolder
    settings: Settings
    product: Product
    drawn: Drawn
    #: The same people, signed in.
    world: World
    #: Process ids by name.
    pids: dict[str, int]

    def signed_in_again(self) -> "Fleet":
        """With fresh tokens, which end after a quarter of an hour."""
        return replace(self, world=_signed_in(self.drawn, self.product.folder))

    @property
    def gateway(self) -> int:
        return self.pids[GATEWAY]

    @property
    def node(self) -> int:
        return self.pids[NODE]

    def engine(self, kind: str) -> tuple[int, ...]:
        """Processes of one engine."""
        return tuple(pid for name, pid in self.pids.items() if name.startswith(f"{kind}-"))

    def used_s(self) -> dict[str, float]:
        """Processor time so far: of the gateway, the node, and each engine."""
        used = {"gateway": cpu_s(self.gateway), "node": cpu_s(self.node)}
        for kind in ("redis", "cassandra", "nats"):
            used[kind] = sum(cpu_s(pid) for pid in self.engine(kind))
        return used

    def asked(self) -> dict[str, float]:
        """How much the node has asked of engines so far: commits to Redis, statements of Cassandra."""
        ready = RunFolder(self.folder.run).ready(NODE)
        if ready is None:
            raise Broken("the node says nothing of itself")
        numbers = read_metrics(ready.metrics_url)
        return {name: numbers.get(metric, 0.0) for name, metric in ASKED.items()}

    def pin(self, gateway: set[int], node: set[int]) -> None:
        """Keep the gateway and the node on these cores."""
        pin_running(self.gateway, gateway)
        pin_running(self.node, node)


@contextmanager
def open_fleet(quick: bool, path: Path | None = None) -> Iterator[Fleet]:
    """A cluster with a world in it, until the block ends; where `path` has one that runs, that one, and it stays.

    Raises:
        Broken: it does not start, or does not end.
    """
    if path is not None and ClusterFolder(path).supervisor.is_held():
        yield _fleet(ClusterFolder(path), quick)
        return
    # Sockets lie in it, whose paths are short.
    with tempfile.TemporaryDirectory(prefix="kb-") as place:
        folder = ClusterFolder(path or Path(place).resolve() / "c")
        try:
            _kinora(UP_S, "up", "--nodes", "1", "--gateways", "1", "--dir", str(folder.path))
            yield _fleet(folder, quick)
        finally:
            _kinora(DOWN_S, "down", "--wipe", "--dir", str(folder.path))


def sizes(quick: bool) -> Sizes:
    """How large the world is."""
    tenth = 20 if quick else 1
    return Sizes(
        people=FOLLOWERS // tenth,
        lively=LIVELY // tenth,
        crowds=(FOLLOWERS // tenth, SOCKETS // tenth),
        comments=10,
        password_hash=PasswordHasher(
            time_cost=2, memory_cost=19_456, parallelism=1, type=Type.ID
        ).hash(PASSWORD),
    )


def _fleet(folder: ClusterFolder, quick: bool) -> Fleet:
    cluster = folder.cluster()
    if cluster is None:
        raise Broken(f"there is no cluster in {folder.path}")
    settings = Settings.from_env(process_environment(cluster, folder, _environment()))
    drawn = draw(sizes(quick), SystemClock())
    asyncio.run(_write(settings.cassandra, drawn.rows, drawn.users[:NAMED]))
    # It knows of videos that were published while it was there; these were not published.
    _kinora(UP_S, "restart", NODE, "--dir", str(folder.path))
    data = DataDir(folder.data)
    state, ready = folder.supervisor.state(), RunFolder(folder.run).ready(GATEWAY)
    if state is None or ready is None:
        raise Broken("the cluster says nothing of itself")
    product = Product(
        ports=Ports(url=ready.address, metrics_url=ready.metrics_url, pid=ready.pid), folder=data
    )
    _until_ready(product)
    return Fleet(
        folder=folder,
        settings=settings,
        product=product,
        drawn=drawn,
        world=_signed_in(drawn, data),
        pids={each.name: each.ref.pid for each in state.processes if each.ref is not None},
    )


def _signed_in(drawn: Drawn, data: DataDir) -> World:
    keys = open_signing_keys(data.secrets)
    return drawn.world(AccessTokens(keys, GatewaySettings(), SystemClock()))


async def _write(settings: CassandraSettings, rows: Sequence[AnyRow], named: Sequence[int]) -> None:
    clock = SystemClock()
    # So many rows at once are no user's business: they may take their time.
    patient = replace(
        settings, request_timeout_s=60.0, second_try_s=60.0, max_wait_s=60.0, max_in_flight=64
    )
    async with open_cassandra(patient, clock) as cassandra:
        writer, names = CassandraFacts(cassandra).writer, CassandraNames(cassandra)
        for at in range(0, len(rows), _TOGETHER):
            await _written(writer, [StampedRow(row, 1) for row in rows[at : at + _TOGETHER]])
        for user_id in named:
            await names.claim(name_of(user_id), user_id, 60_000)
            await names.confirm(name_of(user_id), user_id)


async def _written(writer: FactWriter, rows: Sequence[StampedRow]) -> None:
    """Write rows, again and again where the machine is too busy for it."""
    for _ in range(_PATIENCE):
        with suppress(StorageUnavailable):
            return await writer.write(rows)
        await asyncio.sleep(1.0)
    raise Broken("Cassandra does not take the world")


def name_of(user_id: int) -> str:
    """What one of the named types to sign in."""
    return f"p{user_id}"


def _until_ready(product: Product) -> None:
    until = time.monotonic() + UP_S
    while product.send("GET", "/readyz", {})[0] != 200:
        if time.monotonic() > until:
            raise Broken("the gateway is not ready")
        time.sleep(0.1)


def _environment() -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KINORA_")}
    return clean | SETTINGS


def _kinora(patience_s: float, *command: str) -> None:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ops.cli", "cluster", *command],
            cwd=ROOT,
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=patience_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Broken(f"kinora cluster {command[0]} does not end") from None
    if done.returncode:
        raise Broken(f"kinora cluster {command[0]}: {(done.stdout + done.stderr)[-3000:]}")
