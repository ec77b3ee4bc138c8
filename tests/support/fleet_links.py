"""The ways between the parts of a fleet that a test can delay, cut and reset.

    redis-1 .. redis-6   clients, and replicas to their master: nodes announce the proxy's port
    cassandra-1 ..       clients, by contact points and KINORA_CASSANDRA_ADDRESS_MAP
    nats-1, minio-1      clients, by their URL and endpoint
    node-0, node-1       gateways to nodes: TCP instead of a Unix socket, and KINORA_FLEET_LISTEN behind it

Not behind one: the buses between nodes of Redis and between nodes of Cassandra, the edge to MinIO, and MinIO to
NATS. A test that opens adapters beside the fleet goes directly to everything but Redis.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ops.cluster.record import Cluster
from ops.engines.cassandra import addresses
from ops.engines.found import Found
from ops.engines.launch import Engine
from ops.engines.ports import LOOPBACK
from ops.engines.toxiproxy import toxiproxy_engine
from tests.support.fleet_program import FleetPlan
from tests.support.toxics import Link, link


def ports_needed(cluster: Cluster) -> int:
    """How many free ports `Wires` takes."""
    shape = cluster.shape
    return 1 + len(cluster.ports.redis) + shape.cassandra + 2 + 2 * shape.nodes


class Wires:
    """Where each link listens. Making one opens nothing."""

    def __init__(self, cluster: Cluster, ports: tuple[int, ...]) -> None:
        left = iter(ports)
        own = cluster.ports
        self.proxy_port = next(left)
        self.redis = tuple(next(left) for _ in own.redis)
        self.cassandra = {host: next(left) for host in addresses(cluster.shape.cassandra)}
        self.nats, self.minio = next(left), next(left)
        self.nodes = {name: next(left) for name in cluster.names("node")}
        self.doors = {name: next(left) for name in cluster.names("node")}
        self._own = own

    def proxy(self, found: Found, folder: Path) -> Engine:
        """The proxy, to be started before the fleet."""
        return toxiproxy_engine(found, folder, self.proxy_port)

    def links(self) -> Mapping[str, Link]:
        """Every link, by the name of the process that it leads to; makes them, so call it once."""
        own = self._own
        pairs = {
            f"redis-{number}": (listen, f"{LOOPBACK}:{port}")
            for number, (listen, port) in enumerate(zip(self.redis, own.redis, strict=True), 1)
        }
        for number, (host, listen) in enumerate(self.cassandra.items(), 1):
            pairs[f"cassandra-{number}"] = listen, f"{host}:{own.cassandra}"
        pairs["nats-1"] = self.nats, f"{LOOPBACK}:{own.nats}"
        pairs["minio-1"] = self.minio, f"{LOOPBACK}:{own.minio}"
        for name, listen in self.nodes.items():
            pairs[name] = listen, f"{LOOPBACK}:{self.doors[name]}"
        proxy = f"{LOOPBACK}:{self.proxy_port}"
        return {
            name: link(proxy, f"{LOOPBACK}:{listen}", upstream)
            for name, (listen, upstream) in pairs.items()
        }

    def plan(self, plan: FleetPlan) -> FleetPlan:
        """`plan`, with everything led through the links."""
        own = self._own
        redis = ",".join(f"{LOOPBACK}:{port}" for port in self.redis)
        nodes = ",".join(f"{name}=tcp:{LOOPBACK}:{port}" for name, port in self.nodes.items())
        return FleetPlan(
            test_run=plan.test_run,
            announced=self.redis,
            env={
                "KINORA_REDIS_NODES": redis,
                # The map is for what nodes announce; contact points are taken as they are said.
                "KINORA_CASSANDRA_CONTACT_POINTS": ",".join(
                    f"{LOOPBACK}:{listen}" for listen in self.cassandra.values()
                ),
                "KINORA_CASSANDRA_ADDRESS_MAP": ",".join(
                    f"{host}:{own.cassandra}={LOOPBACK}:{listen}"
                    for host, listen in self.cassandra.items()
                ),
                "KINORA_NATS_SERVERS": f"nats://{LOOPBACK}:{self.nats}",
                "KINORA_MINIO_ENDPOINT": f"{LOOPBACK}:{self.minio}",
                "KINORA_FLEET_NODES": nodes,
            },
            own_env={
                name: {"KINORA_FLEET_LISTEN": f"tcp:{LOOPBACK}:{port}"}
                for name, port in self.doors.items()
            },
        )
