"""From what a cluster is to what its supervisor runs.

    redis x 6 -> redis-settle --+
    nats-1 -> minio-1 ----------+
    cassandra-1 [-> 2 -> 3] ----+-> migrate -> node x N  -> gateway x N
    nginx-1                     |              media x N

Engines start side by side; what Kinora needs within them is made once, by `migrate`, before any of its
processes starts. A gateway starts after the nodes, so that the first request finds them.
"""

import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import ops
from ops.cluster.environment import MINIO_ACCESS_KEY, process_environment
from ops.cluster.record import Cluster, ClusterFolder, text_secret
from ops.engines.cassandra import CassandraShape, cassandra_engine
from ops.engines.found import Found
from ops.engines.launch import Engine, Launch
from ops.engines.minio import MinioAccount, MinioEvents, minio_engine
from ops.engines.nats import nats_engine
from ops.engines.nginx import nginx_engine
from ops.engines.ports import LOOPBACK
from ops.engines.probes import http_answers
from ops.engines.redis import redis_engine
from ops.engines.table import EngineName
from ops.supervisor.run_folder import RunFolder
from ops.supervisor.spec import ProcessSpec, Spec, StepSpec

#: What the fleet needs; toxiproxy is for tests.
ENGINES: tuple[EngineName, ...] = ("redis", "nats", "minio", "cassandra", "nginx")

#: What every command line of ours begins with.
KINORA = (sys.executable, "-m", "ops.cli")

#: How long a process of Kinora may take to be ready, in seconds.
READY_S = 60.0
#: How long it may take to end: requests are answered and shards given up meanwhile, in seconds.
STOP_S = 30.0
#: How long the tables may take, in seconds.
MIGRATE_S = 120.0

#: Makes a process of a launch of an engine: as it is, or within a container.
Runner = Callable[[Launch, str], ProcessSpec]


def engines_of(
    cluster: Cluster, folder: ClusterFolder, found: Mapping[EngineName, Found], edge: str
) -> tuple[Engine, ...]:
    """Every engine of the cluster, `edge` being nginx's configuration; writes their configurations.

    Raises:
        OSError: the folder cannot be written.
    """
    ports, place = cluster.ports, folder.engines
    account = MinioAccount(access_key=MINIO_ACCESS_KEY, secret_key=text_secret(folder.minio_secret))
    events = MinioEvents(nats=f"{LOOPBACK}:{ports.nats}")
    shape = CassandraShape(nodes=cluster.shape.cassandra)
    return (
        redis_engine(found["redis"], place, ports.redis),
        nats_engine(found["nats"], place, ports.nats),
        minio_engine(found["minio"], place, ports.minio, account, events),
        cassandra_engine(found["cassandra"], place, ports.cassandra, ports.cassandra_peers, shape),
        nginx_engine(found["nginx"], place, ports.nginx, edge),
    )


def engine_specs(engines: Sequence[Engine], run: Runner) -> tuple[Spec, ...]:
    """Every process of every engine, and the step that makes each engine whole (`redis-settle`)."""
    specs: list[Spec] = []
    for engine in engines:
        # MinIO looks for NATS when it starts.
        after = (settled("nats"),) if engine.name == "minio" else ()
        for launch in engine.launches:
            specs.append(replace(run(launch, engine.name), after=after))
            if engine.one_by_one:
                after = (launch.name,)
        specs.append(
            StepSpec(
                name=settled(engine.name),
                work=engine.settle,
                after=tuple(launch.name for launch in engine.launches),
            )
        )
    return tuple(specs)


def settled(engine: str) -> str:
    """Name of the step after which an engine can be used."""
    return f"{engine}-settle"


def native(launch: Launch, engine: str) -> ProcessSpec:
    """An engine's process as it is."""
    return ProcessSpec(
        name=launch.name,
        argv=launch.argv,
        env=launch.env,
        cwd=launch.cwd,
        ready=launch.ready,
        stop_signal=signal.Signals(launch.stop_signal),
        stop_s=launch.stop_s,
        ready_s=launch.start_s,
        death_signal=signal.Signals(launch.death_signal),
        address=launch.address,
    )


def kinora_specs(
    cluster: Cluster,
    folder: ClusterFolder,
    environ: Mapping[str, str],
    *,
    kinora: tuple[str, ...] = KINORA,
    needs: tuple[str, ...],
) -> tuple[ProcessSpec, ...]:
    """The tables, the nodes, the media workers and the gateways.

    `kinora` begins each command line; `needs` names what must be ready before the tables are made.
    """
    env = process_environment(cluster, folder, environ)
    root = Path(ops.__file__).resolve().parent.parent
    migrate = ProcessSpec(
        name="migrate",
        argv=(*kinora, "migrate"),
        env=env,
        cwd=root,
        after=needs,
        once=True,
        ready_s=MIGRATE_S,
    )
    nodes = cluster.names("node")

    def process(name: str, after: tuple[str, ...]) -> ProcessSpec:
        return ProcessSpec(
            name=name,
            argv=(*kinora, name.partition("-")[0], "--name", name),
            env=env,
            cwd=root,
            ready=partial(is_ready, RunFolder(folder.run), name),
            after=after,
            stop_s=STOP_S,
            ready_s=READY_S,
            run_dir=folder.run,
        )

    return (
        migrate,
        *(process(name, ("migrate",)) for name in (*nodes, *cluster.names("media"))),
        *(process(name, nodes) for name in cluster.names("gateway")),
    )


async def is_ready(run: RunFolder, name: str) -> bool:
    """Whether a process says that it is ready, and its metrics page (where it has one) answers."""
    said = run.ready(name)
    if said is None:
        return False
    if not said.metrics_url:
        return True
    url = urlsplit(said.metrics_url)
    return await http_answers(url.hostname or LOOPBACK, url.port or 80, url.path or "/")
