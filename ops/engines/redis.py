"""A Redis Cluster of three masters and three replicas, on one machine.

Made for facts that live elsewhere: the log is synced every second, memory is bounded and nothing is
evicted, and with one master gone the slots of the others go on (`cluster-require-full-coverage no`). The
cluster is formed once; a folder that holds a formed one starts as it was.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ops.engines.found import Found
from ops.engines.launch import Engine, Launch
from ops.engines.ports import LOOPBACK, REDIS_BUS
from ops.engines.probes import redis_pings, redis_says
from ops.errors import CannotGoOn

MASTERS, REPLICAS = 3, 3

#: How long forming may take, or finding together again after a start, in seconds.
SETTLE_S = 60.0

#: How often the nodes are asked meanwhile, in seconds.
_ASK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisShape:
    """What may be wished differently of the cluster."""

    #: When a silent node counts as failed, in milliseconds.
    node_timeout_ms: int = 2000
    #: Of one node, in bytes; at the bound writes are refused, nothing is evicted.
    memory_bytes: int = 256 * 1024 * 1024
    #: The ports that nodes tell to clients and peers, by node; empty for their own. With a proxy on
    #: those ports, whatever reaches a node by what the cluster says passes through the proxy.
    announced: tuple[int, ...] = ()


def redis_engine(
    found: Found,
    folder: Path,
    ports: Sequence[int],
    shape: RedisShape = RedisShape(),
) -> Engine:
    """Six nodes in folders below `folder`, on `ports`; writes their configuration.

    Raises:
        OSError: the folder cannot be written.
    """
    nodes = tuple(_node(found, folder, ports, shape, index) for index in range(MASTERS + REPLICAS))
    settle = partial(_settle, found, folder, tuple(ports), shape)
    return Engine(name="redis", launches=nodes, settle=settle)


def _node(
    found: Found, folder: Path, ports: Sequence[int], shape: RedisShape, index: int
) -> Launch:
    port, name = ports[index], f"redis-{index + 1}"
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    config = place / "redis.conf"
    config.write_text(_config(place, port, shape, index))
    return Launch(
        name=name,
        argv=(str(found.programs["redis-server"]), str(config)),
        env=_env(found, place),
        cwd=place,
        log=place / "log",
        ready=partial(redis_pings, LOOPBACK, port),
        address=f"{LOOPBACK}:{port}",
    )


def _config(place: Path, port: int, shape: RedisShape, index: int) -> str:
    lines = [
        f"bind {LOOPBACK}",
        f"port {port}",
        "daemonize no",
        f'dir "{place}"',
        "cluster-enabled yes",
        "cluster-config-file nodes.conf",
        f"cluster-node-timeout {shape.node_timeout_ms}",
        "cluster-require-full-coverage no",
        f"cluster-announce-ip {LOOPBACK}",
        "appendonly yes",
        "appendfsync everysec",
        'save ""',
        f"maxmemory {shape.memory_bytes}",
        "maxmemory-policy noeviction",
        # By default a master waits five seconds for more replicas to come before it sends.
        "repl-diskless-sync-delay 0",
    ]
    if shape.announced:
        lines += [
            f"cluster-announce-port {shape.announced[index]}",
            f"cluster-announce-bus-port {port + REDIS_BUS}",
        ]
    return "\n".join(lines) + "\n"


def _env(found: Found, place: Path) -> Mapping[str, str]:
    return {"PATH": os.defpath, "HOME": str(place), "LANG": "C.UTF-8", **found.env}


async def _settle(found: Found, folder: Path, ports: tuple[int, ...], shape: RedisShape) -> None:
    """Form the cluster where it is none yet, and wait until every node finds it whole.

    Raises:
        CannotGoOn: it does not come together.
    """
    formed = folder / "formed"
    if not formed.exists():
        # One that was begun and never finished has served nobody: begin anew.
        for port in ports:
            await redis_says(LOOPBACK, port, "CLUSTER", "RESET", "HARD")
        await _create(found, folder, ports, shape)
    until = time.monotonic() + SETTLE_S
    while (complaint := await _complaint(ports)) is not None:
        if time.monotonic() > until:
            raise CannotGoOn(
                f"The Redis nodes in {folder} do not become one cluster: {complaint}.\n"
                "Their logs say more. If nothing in them is needed, remove that folder."
            )
        await asyncio.sleep(_ASK_EVERY_S)
    formed.touch()


async def _create(found: Found, folder: Path, ports: Sequence[int], shape: RedisShape) -> None:
    # By their own ports: forming is between nodes. What they announce is for clients.
    addresses = [f"{LOOPBACK}:{port}" for port in ports]
    process = await asyncio.create_subprocess_exec(
        str(found.programs["redis-cli"]),
        *("--cluster", "create", *addresses),
        *("--cluster-replicas", str(REPLICAS // MASTERS), "--cluster-yes"),
        env=_env(found, folder),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(SETTLE_S):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        said, _ = await process.communicate()
    if process.returncode != 0:
        tail = "\n".join(said.decode(errors="replace").splitlines()[-5:])
        raise CannotGoOn(f"The Redis cluster in {folder} could not be formed:\n{tail}")


async def _complaint(ports: Sequence[int]) -> str | None:
    """What is still amiss; None where each node finds all others, all slots and its master."""
    for port in ports:
        info = await redis_says(LOOPBACK, port, "CLUSTER", "INFO") or ""
        if "cluster_state:ok" not in info or "cluster_slots_ok:16384" not in info:
            return f"not all slots are served, says {LOOPBACK}:{port}"
        if f"cluster_known_nodes:{len(ports)}" not in info:
            return f"not all nodes are known to {LOOPBACK}:{port}"
        role = await redis_says(LOOPBACK, port, "INFO", "replication") or ""
        if "role:slave" in role and "master_link_status:up" not in role:
            return f"{LOOPBACK}:{port} has not caught up with its master"
    return None
