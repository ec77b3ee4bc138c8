"""Cassandra on one machine: one node, or three that hold everything three times.

Three listen on 127.0.0.1, .2 and .3 with the same ports, as three machines would. Their tokens are given,
so the ring is even and a new node has nothing to fetch: it takes part within seconds instead of half a
minute. Memory is small and fixed: a heap, some off-heap, small caches.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

from ops.engines.found import Found
from ops.engines.java import JAVA_FLAGS
from ops.engines.launch import Engine, Launch
from ops.engines.probes import cql_answers

Nodes: TypeAlias = Literal[1, 3]

_RING = 2**64


@dataclass(frozen=True, slots=True, kw_only=True)
class CassandraShape:
    """What may be wished differently of the nodes."""

    nodes: Nodes = 1
    #: Of one node's virtual machine, in megabytes.
    heap_mb: int = 384
    #: How long a joining node listens for the ring before it takes part, in milliseconds.
    ring_delay_ms: int = 1000
    #: "batch" syncs the log before a write is acknowledged; "periodic" does so every ten seconds, and a
    #: killed process loses what came since: acceptable only where replicas lie on other machines.
    commitlog_sync: Literal["periodic", "batch"] = "batch"


def addresses(nodes: Nodes) -> tuple[str, ...]:
    """Where the nodes listen."""
    return tuple(f"127.0.0.{number}" for number in range(1, nodes + 1))


def cassandra_engine(
    found: Found,
    folder: Path,
    port: int,
    peers_port: int,
    shape: CassandraShape = CassandraShape(),
) -> Engine:
    """The nodes, in folders below `folder`, clients on `port`; writes their configuration.

    Raises:
        OSError: the folder cannot be written.
    """
    nodes = tuple(
        _node(found, folder, port, peers_port, shape, index) for index in range(shape.nodes)
    )
    return Engine(name="cassandra", launches=nodes)


def _node(
    found: Found, folder: Path, port: int, peers_port: int, shape: CassandraShape, index: int
) -> Launch:
    name, address = f"cassandra-{index + 1}", addresses(shape.nodes)[index]
    place = folder / name
    (place / "tmp").mkdir(parents=True, exist_ok=True)
    config, logback = place / "cassandra.yaml", place / "logback.xml"
    config.write_text(_config(address, port, peers_port, shape, index))
    logback.write_text(_LOGBACK)
    settings = {
        "cassandra.config": config.as_uri(),
        "cassandra.storagedir": str(place / "data"),
        "cassandra.logdir": str(place),
        "logback.configurationFile": str(logback),
        "java.io.tmpdir": str(place / "tmp"),
        "cassandra.ring_delay_ms": str(shape.ring_delay_ms),
        "cassandra.superuser_setup_delay_ms": "0",
        # How long it tells of its end before it ends.
        "cassandra.shutdown_announce_in_ms": "0" if shape.nodes == 1 else "500",
        # Made for rings across continents, it waits eight seconds and more by default.
        "cassandra.gossip_settle_min_wait_ms": "0" if shape.nodes == 1 else "1000",
        "cassandra.gossip_settle_interval_ms": "100" if shape.nodes == 1 else "500",
    }
    return Launch(
        name=name,
        argv=(
            str(found.programs["java"]),
            *JAVA_FLAGS,
            *(f"-Xms{shape.heap_mb}m", f"-Xmx{shape.heap_mb}m", "-XX:MaxDirectMemorySize=128m"),
            *(f"-D{key}={value}" for key, value in settings.items()),
            *("-cp", f"{found.folder / 'lib'}/*"),
            "org.apache.cassandra.service.CassandraDaemon",
        ),
        # glibc keeps up to eight arenas a core, and a virtual machine has many threads.
        env={"PATH": os.defpath, "HOME": str(place), "MALLOC_ARENA_MAX": "2"},
        cwd=place,
        log=place / "log",
        ready=partial(cql_answers, address, port),
        address=f"{address}:{port}",
        stop_s=30.0,
        start_s=180.0,
    )


def _config(address: str, port: int, peers_port: int, shape: CassandraShape, index: int) -> str:
    sync = (
        "commitlog_sync: batch"
        if shape.commitlog_sync == "batch"
        else "commitlog_sync: periodic\ncommitlog_sync_period: 10000ms"
    )
    token = -(_RING // 2) + index * _RING // shape.nodes
    # Each a seed: none fetches anything, so they may start side by side.
    seeds = ",".join(f"{one}:{peers_port}" for one in addresses(shape.nodes))
    return f"""\
cluster_name: kinora
num_tokens: 1
initial_token: {token}
auto_bootstrap: false
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
{sync}
commitlog_segment_size: 16MiB
commitlog_total_space: 256MiB
listen_address: {address}
rpc_address: {address}
native_transport_port: {port}
storage_port: {peers_port}
endpoint_snitch: SimpleSnitch
auto_snapshot: false
authenticator: AllowAllAuthenticator
authorizer: AllowAllAuthorizer
concurrent_reads: 16
concurrent_writes: 16
key_cache_size: 16MiB
file_cache_size: 32MiB
memtable_heap_space: 64MiB
memtable_offheap_space: 64MiB
crypto_provider:
  - class_name: org.apache.cassandra.security.JREProvider
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters:
      - seeds: "{seeds}"
"""


_LOGBACK = """\
<configuration>
  <appender name="OUT" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%-5level %date{ISO8601} %logger{0} %msg%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="OUT"/></root>
</configuration>
"""
