"""Real engines: each starts, answers, stops, and leaves nothing; faults do what they say."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from ops.engines.minio import MinioEvents
from ops.engines.nginx import temporary_paths
from ops.engines.ports import LOOPBACK
from ops.engines.probes import redis_says
from tests.support.engines import Engines
from tests.support.starter import Running, RunningEngine, awaited

pytestmark = pytest.mark.engines

ROOT = Path(__file__).parents[2]

Start = Callable[[Engines], AbstractContextManager[RunningEngine]]


def plain_nginx(engines: Engines) -> AbstractContextManager[RunningEngine]:
    return engines.own_nginx(
        lambda _found, port: (
            "worker_processes 1;\nevents {}\nhttp {\n"
            f"{temporary_paths()}\nproxy_cache_path cache keys_zone=vod:1m;\naccess_log off;\n"
            f"server {{ listen {LOOPBACK}:{port}; location / {{\n"
            "slice 1m; secure_link $arg_s; secure_link_md5 x; aio threads; return 200 ok; } }\n}\n"
        )
    )


OWN: dict[str, Start] = {
    "redis": Engines.own_redis_cluster,
    "nats": Engines.own_nats,
    "minio": Engines.own_minio,
    "cassandra": Engines.own_cassandra,
    "nginx": plain_nginx,
    "toxiproxy": Engines.own_toxiproxy,
}


@pytest.mark.parametrize("name", OWN)
def test_an_engine_starts_answers_stops_and_leaves_no_process(engines: Engines, name: str):
    with OWN[name](engines) as running:
        groups = [process.pid for process in running.processes]
        codes = [process.stop() for process in running.processes]
        assert -signal.SIGKILL not in codes, "it had to be killed"
    assert not [group for group in groups if is_there(group)]


@pytest.mark.parametrize("name", ["redis", "nats", "minio", "nginx", "toxiproxy"])
def test_a_killed_engine_starts_again_in_its_folder(engines: Engines, name: str):
    with OWN[name](engines) as running:
        running.restart()
        assert all(ready(process) for process in running.processes)


@pytest.mark.parametrize("name", ["nats", "minio", "toxiproxy"])
def test_a_paused_engine_is_not_ready_until_it_goes_on(engines: Engines, name: str):
    with OWN[name](engines) as running:
        process = running.processes[0]
        process.pause()
        assert not ready(process)
        process.resume()
        process.wait_ready()


def test_three_cassandras_start_side_by_side(engines: Engines):
    with engines.own_cassandra(3) as ring:
        assert len({address.split(":")[0] for address in ring.addresses}) == 3
        assert all(ready(process) for process in ring.processes)


def test_the_redis_cluster_keeps_its_data_and_its_shape_though_all_of_it_is_killed(
    engines: Engines,
):
    with engines.own_redis_cluster() as cluster:
        owner = next(address for address in cluster.addresses if say(address, "SET", "k", "v"))
        before = {address: say(address, "CLUSTER", "MYID") for address in cluster.addresses}
        written(cluster)
        cluster.restart()
        assert say(owner, "GET", "k") == "v"
        assert {a: say(a, "CLUSTER", "MYID") for a in cluster.addresses} == before


def test_a_cluster_that_was_half_formed_when_its_starter_died_is_formed_anew(engines: Engines):
    with engines.own_redis_cluster() as cluster:
        (cluster.processes[0].launch.cwd.parent / "formed").unlink()
        assert say(cluster.addresses[0], "CLUSTER", "FLUSHSLOTS")
        awaited(cluster.engine.settle())
        assert masters(list(cluster.addresses)) == 3


def test_a_replica_takes_over_from_a_killed_redis_master(engines: Engines):
    with engines.own_redis_cluster() as cluster:
        master = cluster.processes[0]
        master.kill()
        others = [process.address for process in cluster.processes[1:]]
        until = time.monotonic() + 20
        while masters(others) < 3 and time.monotonic() < until:
            time.sleep(0.1)
        assert masters(others) == 3
        master.restart()
        cluster.wait_ready()
        assert masters([master.address]) == 0


def test_a_redis_cluster_behind_links_tells_of_the_links_and_feels_their_cuts(engines: Engines):
    with engines.own_proxied_redis_cluster() as (cluster, links):
        nodes = say(cluster.addresses[0], "CLUSTER", "NODES") or ""
        told = {line.split()[1].split("@")[0] for line in nodes.splitlines()}
        assert told == {link.listen for link in links}
        assert say(links[0].listen, "PING") == "+PONG"
        links[0].cut()
        assert say(links[0].listen, "PING") is None
        links[0].heal()
        links[0].silence()
        assert say(links[0].listen, "PING") is None
        links[0].heal()
        assert say(links[0].listen, "PING") == "+PONG"


def test_minio_starts_while_the_nats_that_it_tells_is_away(engines: Engines):
    (nobody,) = engines.free_ports(1)
    with engines.own_minio(MinioEvents(nats=f"{LOOPBACK}:{nobody}")) as minio:
        assert ready(minio.processes[0])


def test_engines_listen_on_loopback_only(engines: Engines):
    with engines.own_nats() as nats, engines.own_minio() as minio, engines.own_toxiproxy() as toxi:
        ports = {int(running.addresses[0].split(":")[1]) for running in (nats, minio, toxi)}
        told = listening()
    assert ports <= {port for port, _ in told}
    assert {host for port, host in told if port in ports} <= {V4_LOOPBACK, V6_LOOPBACK}


def test_no_engine_outlives_whoever_started_it_though_that_one_is_killed(tmp_path: Path):
    starter = subprocess.Popen(
        (sys.executable, "-c", STARTER, str(tmp_path)),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with starter:
        assert starter.stdout is not None
        said = starter.stdout.readline().split()
        assert said, "it could not start the engines"
        groups = [int(pid) for pid in said]
        starter.kill()
    until = time.monotonic() + 2
    while any(map(is_there, groups)) and time.monotonic() < until:
        time.sleep(0.02)
    assert not [group for group in groups if is_there(group)]


STARTER = """
import os, pathlib, sys, time
from tests.support.engines import Engines
from tests.system.test_engines import plain_nginx
engines = Engines(pathlib.Path(sys.argv[1]), os.environ, {})
with engines.own_nats() as nats, engines.own_redis_cluster() as redis, plain_nginx(engines) as nginx:
    print(*(p.pid for e in (nats, redis, nginx) for p in e.processes), flush=True)
    time.sleep(60)
"""


def ready(process: Running) -> bool:
    return awaited(process.launch.ready())


def say(address: str, *words: str) -> str | None:
    """What a node answers; None for an error."""
    host, port = address.split(":")
    said = awaited(redis_says(host, int(port), *words))
    return None if said is None or said.startswith("-") else said


def written(cluster: RunningEngine) -> None:
    """Until the system has what the nodes were told: it keeps it when they are killed."""
    until = time.monotonic() + 10
    for address in cluster.addresses:
        while "aof_buffer_length:0\r" not in (say(address, "INFO", "persistence") or ""):
            assert time.monotonic() < until
            time.sleep(0.02)


def masters(addresses: list[str]) -> int:
    return sum("role:master" in (say(a, "INFO", "replication") or "") for a in addresses)


def is_there(group: int) -> bool:
    """Whether anything of a process group lives."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return any(alive(int(entry)) for entry in os.listdir("/proc") if in_group(entry, group))


def in_group(entry: str, group: int) -> bool:
    try:
        return entry.isdigit() and os.getpgid(int(entry)) == group
    except ProcessLookupError:
        return False


def alive(pid: int) -> bool:
    # What is dead and not yet fetched by its parent is gone for our purposes.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


#: As the kernel writes them.
V4_LOOPBACK, V6_LOOPBACK = "0100007F", "00000000000000000000000001000000"


def listening() -> set[tuple[int, str]]:
    """Port and address of every TCP socket that listens here."""
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    rows += Path("/proc/net/tcp6").read_text().splitlines()[1:]
    local = [row.split()[1].split(":") for row in rows if row.split()[3] == "0A"]
    return {(int(port, 16), host) for host, port in local}
