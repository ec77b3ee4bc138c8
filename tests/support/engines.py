"""Real engines for tests: `engines.redis()` and its siblings, each started when first asked for.

An engine is what its variable points at, or else the native one from the
user's cache, started in a temporary folder for the whole run. One that is not there is a skip that says how
to get it; with CI=true it was installed before the first test, and its absence is a failure. Tests of
faults take engines of their own (`own_*`): shared ones are never killed.

    KINORA_TEST_REDIS=127.0.0.1:7100,127.0.0.1:7101,127.0.0.1:7102
    KINORA_TEST_CASSANDRA=127.0.0.1:7400
    KINORA_TEST_NATS=nats://127.0.0.1:7222
    KINORA_TEST_MINIO=<access key>:<secret key>@127.0.0.1:7300
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from typing import Literal

import pytest

from ops.engines.cassandra import CassandraShape, Nodes, addresses, cassandra_engine
from ops.engines.found import EngineMissing, Found, find
from ops.engines.launch import Engine
from ops.engines.minio import MinioAccount, MinioEvents, minio_engine
from ops.engines.nats import NatsShape, nats_engine
from ops.engines.nginx import nginx_engine
from ops.engines.ports import LOOPBACK, EnginePorts, free_engine_ports, free_ports
from ops.engines.redis import RedisShape, redis_engine
from ops.engines.table import EngineName, entry
from ops.engines.toxiproxy import toxiproxy_engine
from tests.support.starter import RunningEngine, running_engine
from tests.support.toxics import Link, link

#: What the names of the variables begin with.
PREFIX = "KINORA_TEST_"
#: What is told of an engine that is not there.
MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class MinioAddress:
    """Where MinIO is and who may do everything there."""

    #: host:port.
    endpoint: str
    access_key: str
    secret_key: str


ACCOUNT = MinioAccount(access_key="kinora", secret_key="kinora-secret")

_REDIS, _NATS = RedisShape(), NatsShape()


class Engines:
    """Whatever engine a test asks for."""

    def __init__(self, folder: Path, environ: Mapping[str, str], told: dict[str, str]) -> None:
        self._folder = folder
        self._environ = environ
        self._told = told
        self._stack = ExitStack()
        self._shared: dict[EngineName, RunningEngine] = {}
        self._missing: dict[EngineName, str] = {}
        self._count = 0

    def redis(self) -> tuple[str, ...]:
        """Start-up nodes of a cluster of three masters and three replicas, "host:port" each."""
        given = self._given("redis")
        return tuple(given.split(",")) if given else self._ours("redis", _redis).addresses

    def cassandra(self) -> tuple[str, ...]:
        """Contact points, "host:port" each; one node where it is ours."""
        given = self._given("cassandra")
        return tuple(given.split(",")) if given else self._ours("cassandra", _cassandra).addresses

    def nats(self) -> str:
        """URL of a NATS with JetStream."""
        return self._given("nats") or f"nats://{self._ours('nats', _nats).addresses[0]}"

    def minio(self) -> MinioAddress:
        """A MinIO that tells the NATS of `nats()` of stored objects: target KINORA, subject kinora.stored."""
        if given := self._given("minio"):
            keys, _, endpoint = given.rpartition("@")
            access_key, _, secret_key = keys.partition(":")
            return MinioAddress(endpoint=endpoint, access_key=access_key, secret_key=secret_key)
        self._found("minio")
        told = self.nats().removeprefix("nats://")

        def make(found: Found, folder: Path, ports: EnginePorts) -> Engine:
            return minio_engine(found, folder, ports.minio, ACCOUNT, MinioEvents(nats=told))

        return _minio_address(self._ours("minio", make))

    @contextmanager
    def own_redis_cluster(self, shape: RedisShape = _REDIS) -> Iterator[RunningEngine]:
        """Six nodes that a test may kill."""
        with self._own("redis", lambda f, d, p: redis_engine(f, d, p.redis, shape)) as running:
            yield running

    @contextmanager
    def own_proxied_redis_cluster(self) -> Iterator[tuple[RunningEngine, tuple[Link, ...]]]:
        """Six nodes, each behind a link: what clients and replicas learn from the cluster are the links.

        Start-up nodes for a client are the links' `listen`.
        """
        links: list[Link] = []
        with self.own_toxiproxy() as proxy:

            def make(found: Found, folder: Path, ports: EnginePorts) -> Engine:
                announced = self.free_ports(len(ports.redis))
                for port, own in zip(announced, ports.redis, strict=True):
                    made = link(proxy.addresses[0], f"{LOOPBACK}:{port}", f"{LOOPBACK}:{own}")
                    links.append(made)
                return redis_engine(found, folder, ports.redis, RedisShape(announced=announced))

            with self._own("redis", make) as running:
                yield running, tuple(links)

    @contextmanager
    def own_nats(self, shape: NatsShape = _NATS) -> Iterator[RunningEngine]:
        """A server that a test may kill."""
        with self._own("nats", lambda f, d, p: nats_engine(f, d, p.nats, shape)) as running:
            yield running

    @contextmanager
    def own_minio(self, events: MinioEvents | None = None) -> Iterator[RunningEngine]:
        """A server that a test may kill; its account is `ACCOUNT`."""
        with self._own(
            "minio", lambda f, d, p: minio_engine(f, d, p.minio, ACCOUNT, events)
        ) as running:
            yield running

    @contextmanager
    def own_cassandra(
        self, nodes: Nodes = 1, *, commitlog_sync: Literal["periodic", "batch"] = "batch"
    ) -> Iterator[RunningEngine]:
        """One or three nodes that a test may kill; at most one such cluster on a machine of small memory.

        With `periodic`, what one node alone acked in the last ten seconds does not outlive its kill.
        """
        shape = CassandraShape(nodes=nodes, commitlog_sync=commitlog_sync)

        def make(found: Found, folder: Path, ports: EnginePorts) -> Engine:
            return cassandra_engine(found, folder, ports.cassandra, ports.cassandra_peers, shape)

        with self._own("cassandra", make) as running:
            yield running

    @contextmanager
    def own_nginx(
        self, config: Callable[[Found, int], str], *, ready_path: str = "/"
    ) -> Iterator[RunningEngine]:
        """A server with the configuration that `config` makes of what was found and its port."""
        with self._own(
            "nginx",
            lambda f, d, p: nginx_engine(f, d, p.nginx, config(f, p.nginx), ready_path=ready_path),
        ) as running:
            yield running

    @contextmanager
    def own_toxiproxy(self) -> Iterator[RunningEngine]:
        """A proxy without links; its address is where it is told of them."""

        def make(found: Found, folder: Path, ports: EnginePorts) -> Engine:
            return toxiproxy_engine(found, folder, ports.nginx)

        with self._own("toxiproxy", make) as running:
            yield running

    def free_ports(self, count: int) -> tuple[int, ...]:
        """For whatever stands between a test and an engine."""
        return free_ports(count, dice=SystemRandom())

    def close(self) -> None:
        """End what was started here, and remove what it wrote."""
        self._stack.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _given(self, name: EngineName) -> str | None:
        given = self._environ.get(PREFIX + name.upper())
        if given:
            self._told[name] = "as given"
        return given

    def _ours(
        self, name: EngineName, make: Callable[[Found, Path, EnginePorts], Engine]
    ) -> RunningEngine:
        if name not in self._shared:
            # Found before anything is started, so that one that is missing costs nothing.
            self._shared[name] = self._stack.enter_context(self._own(name, make))
        return self._shared[name]

    @contextmanager
    def _own(
        self, name: EngineName, make: Callable[[Found, Path, EnginePorts], Engine]
    ) -> Iterator[RunningEngine]:
        found = self._found(name)
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir(parents=True)
        ports = free_engine_ports(SystemRandom(), addresses=addresses(3))
        with running_engine(make(found, folder, ports)) as running:
            yield running
        shutil.rmtree(folder, ignore_errors=True)

    def _found(self, name: EngineName) -> Found:
        try:
            if name in self._missing:
                raise EngineMissing(self._missing[name])
            found = find(entry(name), self._environ)
        except EngineMissing as error:
            self._missing[name] = str(error)
            self._told[name] = MISSING
            if in_ci(self._environ):
                pytest.fail(str(error), pytrace=False)
            pytest.skip(str(error))
        self._told[name] = f"{found.version}"
        return found


def in_ci(environ: Mapping[str, str]) -> bool:
    """Whether an absent engine is a failure."""
    return environ.get("CI", "").lower() in ("1", "true", "yes")


def _redis(found: Found, folder: Path, ports: EnginePorts) -> Engine:
    return redis_engine(found, folder, ports.redis)


def _nats(found: Found, folder: Path, ports: EnginePorts) -> Engine:
    return nats_engine(found, folder, ports.nats)


def _cassandra(found: Found, folder: Path, ports: EnginePorts) -> Engine:
    return cassandra_engine(found, folder, ports.cassandra, ports.cassandra_peers)


def _minio_address(running: RunningEngine) -> MinioAddress:
    return MinioAddress(
        endpoint=running.addresses[0],
        access_key=ACCOUNT.access_key,
        secret_key=ACCOUNT.secret_key,
    )
