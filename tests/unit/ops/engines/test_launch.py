"""What engines are told: loopback, bounds, durability. Nothing is started here."""

from __future__ import annotations

import asyncio
import signal
import socket
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from ops.engines.cassandra import CassandraShape, cassandra_engine
from ops.engines.found import EngineMissing, Found
from ops.engines.launch import Engine
from ops.engines.minio import MinioAccount, MinioEvents, minio_engine
from ops.engines.native import native_engines
from ops.engines.nats import nats_engine
from ops.engines.nginx import nginx_engine
from ops.engines.ports import REDIS_BUS, EnginePorts, free_engine_ports, free_ports
from ops.engines.probes import cql_answers, http_answers, nats_serves_streams, redis_pings
from ops.engines.redis import RedisShape, redis_engine
from ops.engines.table import EngineName

ACCOUNT = MinioAccount(access_key="kinora", secret_key="a secret that nobody sees")
PORTS = EnginePorts()


def found(name: EngineName, *programs: str) -> Found:
    return Found(
        name=name, version="1", folder=Path("/e"), programs={p: Path("/e") / p for p in programs}
    )


@pytest.fixture
def redis(tmp_path: Path) -> Engine:
    return redis_engine(found("redis", "redis-server", "redis-cli"), tmp_path, PORTS.redis)


def config(engine: Engine, name: str, index: int = 0) -> str:
    return (engine.launches[index].cwd / name).read_text()


def test_redis_is_six_nodes_on_loopback_that_evict_nothing(redis):
    assert [launch.name for launch in redis.launches] == [f"redis-{n}" for n in range(1, 7)]
    for index, port in enumerate(PORTS.redis):
        lines = config(redis, "redis.conf", index).splitlines()
        assert {"bind 127.0.0.1", f"port {port}", "maxmemory-policy noeviction"} <= set(lines)
        assert {"appendfsync everysec", "cluster-node-timeout 2000"} <= set(lines)
        assert not [line for line in lines if line.startswith("cluster-announce-port")]


def test_redis_nodes_behind_a_proxy_announce_the_proxy(tmp_path):
    shape = RedisShape(announced=(1, 2, 3, 4, 5, 6))
    engine = redis_engine(found("redis", "redis-server", "redis-cli"), tmp_path, PORTS.redis, shape)
    told = config(engine, "redis.conf", 2).splitlines()
    assert "cluster-announce-port 3" in told
    assert f"cluster-announce-bus-port {PORTS.redis[2] + REDIS_BUS}" in told


def test_nats_syncs_before_it_acknowledges_and_is_bounded(tmp_path):
    told = config(nats_engine(found("nats", "nats-server"), tmp_path, 7222), "nats.conf")
    for words in (
        "listen: 127.0.0.1:7222",
        "sync_interval: always",
        "max_file_store",
        "max_payload",
    ):
        assert words in told


def test_minio_queues_on_disk_what_it_has_to_tell(tmp_path):
    events = MinioEvents(nats="127.0.0.1:7222")
    (launch,) = minio_engine(found("minio", "minio"), tmp_path, 7300, ACCOUNT, events).launches
    assert launch.env["MINIO_NOTIFY_NATS_JETSTREAM_KINORA"] == "on"
    assert Path(launch.env["MINIO_NOTIFY_NATS_QUEUE_DIR_KINORA"]).is_dir()
    assert "127.0.0.1:7300" in launch.argv


def test_secrets_show_in_no_repr(tmp_path):
    engine = minio_engine(found("minio", "minio"), tmp_path, 7300, ACCOUNT)
    assert ACCOUNT.secret_key not in f"{engine!r} {engine.launches[0]!r} {ACCOUNT!r}"


def test_three_cassandras_share_the_ring_evenly(tmp_path):
    engine = cassandra_engine(
        found("cassandra", "java"), tmp_path, 7400, 7401, CassandraShape(nodes=3)
    )
    assert [launch.address for launch in engine.launches] == [
        f"127.0.0.{n}:7400" for n in (1, 2, 3)
    ]
    lines = [config(engine, "cassandra.yaml", index).splitlines() for index in range(3)]
    tokens = [int(line.split()[1]) for node in lines for line in node if "initial_token" in line]
    assert tokens[0] == -(2**63)
    assert max(b - a for a, b in pairwise(tokens)) - 2**64 // 3 in (0, 1)


def test_nginx_ends_its_workers_when_its_supervisor_dies(tmp_path):
    (launch,) = nginx_engine(found("nginx", "nginx"), tmp_path, 7080, "events {}").launches
    assert launch.death_signal == signal.SIGTERM
    assert config(Engine(name="nginx", launches=(launch,)), "nginx.conf") == "events {}"


def test_one_message_names_every_engine_that_is_missing(tmp_path):
    environ = {"XDG_CACHE_HOME": str(tmp_path), "PATH": ""}
    with pytest.raises(EngineMissing) as caught:
        native_engines(environ, tmp_path / "run", PORTS, ACCOUNT)
    assert all(name in str(caught.value) for name in ("nats", "minio", "cassandra"))
    assert not (tmp_path / "run").exists()


def test_free_ports_leave_room_for_what_redis_takes_on_top():
    ports = free_ports(6, dice=Random(1), above=(REDIS_BUS,))
    taken = {*ports, *(port + REDIS_BUS for port in ports)}
    assert len(taken) == 12
    assert max(taken) < 32_768


def test_a_port_that_somebody_listens_on_is_not_free():
    (port,) = free_ports(1, dice=Random(7))
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", port))
        sock.listen()
        assert free_ports(1, dice=Random(7)) != (port,)


def test_ports_of_all_engines_differ():
    ports = free_engine_ports(Random(3))
    all_of_them = (*ports.redis, ports.nats, ports.minio, ports.cassandra, ports.nginx)
    assert len({*all_of_them, ports.cassandra_peers}) == 11


@pytest.mark.parametrize("probe", [redis_pings, cql_answers, nats_serves_streams])
async def test_a_probe_of_a_port_where_nobody_listens_is_no(probe):
    (port,) = free_ports(1, dice=Random(5))
    assert not await probe("127.0.0.1", port)


@pytest.mark.parametrize(
    "said", [b"", b"-LOADING Redis is loading\r\n", b"\x00" * 9, b"HTTP/1.1 x\r\n"]
)
async def test_a_probe_of_something_that_is_not_the_engine_is_no(said):
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        for probe in (redis_pings, cql_answers, nats_serves_streams):
            assert not await probe("127.0.0.1", port)
        assert not await http_answers("127.0.0.1", port, "/")
