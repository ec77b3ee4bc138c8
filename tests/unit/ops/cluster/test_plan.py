"""From a shape to what runs: the order, the names, and the containers."""

from __future__ import annotations

import signal
from functools import partial
from pathlib import Path

import msgspec
import pytest

from ops.cluster.images import ContainerSpec, found_in_images, in_container
from ops.cluster.plan import engine_specs, engines_of, kinora_specs, settled
from ops.cluster.record import Cluster, ClusterFolder, Shape
from ops.engines.ports import EnginePorts
from ops.supervisor.spec import ProcessSpec, Spec, check_specs

SHAPE = Shape(engines="docker", cassandra=3, gateways=2, nodes=3, media=2)


@pytest.fixture
def folder(tmp_path: Path) -> ClusterFolder:
    made = ClusterFolder(tmp_path / "cluster")
    made.make()
    return made


@pytest.fixture
def cluster() -> Cluster:
    return Cluster(
        id="c0ffee",
        shape=SHAPE,
        host="127.0.0.1",
        port=8000,
        ports=EnginePorts(),
        images={"redis": "local/redis"},
    )


@pytest.fixture
def specs(cluster: Cluster, folder: ClusterFolder) -> dict[str, Spec]:
    """Of engines in containers: those need nothing on this machine to be described."""
    found = found_in_images(cluster, folder, {"DOCKER_HOST": "unix:///docker.sock"})
    engines = engines_of(cluster, folder, found, "events {}")
    run = partial(in_container, cluster=cluster, folder=folder, env={"PATH": "/bin"})
    needs = tuple(settled(engine.name) for engine in engines)
    made = (*engine_specs(engines, run), *kinora_specs(cluster, folder, {}, needs=needs))
    check_specs(made)
    return {spec.name: spec for spec in made}


def test_there_is_everything_that_the_shape_names(specs: dict[str, Spec]):
    assert {name for name in specs if name.startswith(("gateway", "node", "media"))} == {
        *(f"gateway-{n}" for n in range(2)),
        *(f"node-{n}" for n in range(3)),
        *(f"media-{n}" for n in range(2)),
    }
    assert {f"redis-{n}" for n in range(1, 7)} <= set(specs)
    assert {f"cassandra-{n}" for n in range(1, 4)} <= set(specs)


def test_the_tables_come_between_engines_and_processes(specs: dict[str, Spec]):
    assert set(specs["migrate"].after) == {
        settled(name) for name in ("redis", "nats", "minio", "cassandra", "nginx")
    }
    assert specs["node-0"].after == specs["media-0"].after == ("migrate",)
    assert set(specs["gateway-0"].after) == {"node-0", "node-1", "node-2"}


def test_engines_start_side_by_side(specs: dict[str, Spec]):
    firsts = ("redis-1", "redis-6", "nats-1", "cassandra-1", "nginx-1")
    assert not any(specs[name].after for name in firsts)


def test_a_command_line_names_its_kind_and_its_name(specs: dict[str, Spec]):
    gateway, migrate = specs["gateway-1"], specs["migrate"]
    assert isinstance(gateway, ProcessSpec)
    assert isinstance(migrate, ProcessSpec)
    assert gateway.argv[-3:] == ("gateway", "--name", "gateway-1")
    assert gateway.run_dir is not None
    assert migrate.argv[-1] == "migrate"
    assert migrate.once


def test_a_container_is_told_what_the_native_engine_is_told(
    specs: dict[str, Spec], folder: ClusterFolder, cluster: Cluster
):
    spec = specs["redis-1"]
    assert isinstance(spec, ProcessSpec)
    file = Path(spec.argv[-1])
    told = msgspec.json.decode(file.read_bytes(), type=ContainerSpec)

    assert told.image == "local/redis"
    assert told.name == "kinora-c0ffee-redis-1"
    assert told.argv == (
        "/usr/local/bin/redis-server",
        str(folder.engines / "redis-1" / "redis.conf"),
    )
    assert told.folder == str(folder.engines)
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_forms_the_redis_cluster_reaches_the_same_docker(
    specs: dict[str, Spec], folder: ClusterFolder
):
    script = (folder.engines / "redis-cli").read_text()
    assert "DOCKER_HOST=unix:///docker.sock" in script
    assert "exec kinora-c0ffee-redis-1 /usr/local/bin/redis-cli" in script


def test_a_container_outlives_nobody(specs: dict[str, Spec]):
    spec = specs["minio-1"]
    assert isinstance(spec, ProcessSpec)
    told = msgspec.json.decode(Path(spec.argv[-1]).read_bytes(), type=ContainerSpec)

    # Its keeper is told, not killed, so that it can end the container; and has the time for it.
    assert spec.death_signal == spec.stop_signal == signal.SIGTERM
    assert spec.stop_s > told.stop_s
