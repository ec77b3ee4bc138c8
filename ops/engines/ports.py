"""Which ports engines listen on, and a hand for whoever wants free ones.

Free ones are looked for below the range from which systems take the ports of outgoing connections: a port
that was free a moment ago is then still free when the engine binds it.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

#: Everything listens here and nowhere else.
LOOPBACK = "127.0.0.1"

#: Redis speaks to its peers on its port plus this.
REDIS_BUS = 10_000

#: Free ports are taken from here; with `REDIS_BUS` on top they stay below 32,768.
_FREE = (10_240, 22_700)

#: How many ports are tried before giving up.
_TRIES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EnginePorts:
    """Where engines listen, all on loopback."""

    #: Six for clients; each node also takes its port + 10,000 for its peers.
    redis: tuple[int, ...] = (7100, 7101, 7102, 7103, 7104, 7105)
    nats: int = 7222
    minio: int = 7300
    #: For clients, the same at every node: nodes differ in their address.
    cassandra: int = 7400
    #: Between nodes, likewise.
    cassandra_peers: int = 7401
    #: Of the edge.
    nginx: int = 7080


def free_ports(
    count: int, *, dice: Random, above: Sequence[int] = (), hosts: Sequence[str] = (LOOPBACK,)
) -> tuple[int, ...]:
    """`count` ports that nobody uses on any of `hosts`, nor the ports `above` each.

    Raises:
        OSError: there are too few.
    """
    found: list[int] = []
    for _ in range(_TRIES):
        port = dice.randrange(*_FREE)
        wanted = {port, *(port + more for more in above)}
        taken = {one + more for one in found for more in (0, *above)}
        if wanted & taken or not all(_free(host, one) for host in hosts for one in wanted):
            continue
        found.append(port)
        if len(found) == count:
            return tuple(found)
    raise OSError(f"no {count} free ports between {_FREE[0]} and {_FREE[1]}")


def free_engine_ports(dice: Random, *, addresses: Sequence[str] = (LOOPBACK,)) -> EnginePorts:
    """Ports for one of each engine; `addresses` are those of Cassandra's nodes.

    Raises:
        OSError: there are too few.
    """
    redis = free_ports(6, dice=dice, above=(REDIS_BUS,))
    others: tuple[int, ...] = ()
    while set(others) & set(redis) or not others:
        others = free_ports(5, dice=dice, hosts=(LOOPBACK, *addresses))
    nats, minio, cassandra, peers, nginx = others
    return EnginePorts(
        redis=redis, nats=nats, minio=minio, cassandra=cassandra, cassandra_peers=peers, nginx=nginx
    )


def _free(host: str, port: int) -> bool:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
        except OSError:
            return False
        return True
