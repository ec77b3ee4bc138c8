"""What an operator may set about Redis."""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisSettings:
    """How to reach the cluster, and every bound of the adapter."""

    #: Nodes to ask for the shape of the cluster, each `host:port`; name several, or names that outlive nodes.
    nodes: tuple[str, ...] = ("127.0.0.1:6379",)
    #: The client library.
    client: Literal["aioredis-cluster", "redis-py"] = "aioredis-cluster"
    #: Before every key, so that several products may share a cluster.
    prefix: str = "kinora:"
    #: User of Redis' access list; empty for the default one.
    username: str = ""
    #: Whether connections are encrypted.
    tls: bool = False
    #: Commands on their way to one master at most; others wait for their turn.
    max_in_flight: int = 256
    #: Commands that may wait for their turn at one master; one more is refused, not executed.
    max_waiting: int = 8_192
    #: Longest wait for a connection, in seconds.
    connect_timeout_s: float = 0.5
    #: Longest silence of a connection that owes answers, in seconds; it is closed then.
    attempt_timeout_s: float = 1.0
    #: How often a connection is asked whether it still answers, in seconds.
    heartbeat_s: float = 0.5
    #: A command is tried again, through failovers, for so long, in seconds.
    give_up_after_s: float = 10.0
    #: Pause before a command is tried again, in seconds; doubles up to the longest.
    retry_first_s: float = 0.02
    retry_longest_s: float = 0.5
    #: Shortest time between two looks at the shape of the cluster, in seconds.
    reload_at_most_every_s: float = 0.1
    #: One wait for a replica, in milliseconds; a connection does nothing else meanwhile.
    wait_slice_ms: int = 100
    #: Silence of all replicas of a master after which its word alone counts, in seconds.
    single_copy_after_s: float = 1.0
    #: How often a master in single-copy mode is asked whether a replica is back, in seconds.
    probe_every_s: float = 1.0
    #: One such question, in milliseconds.
    probe_ms: int = 20
    #: Expired answers that a commit with answers of its own removes at most.
    sweep_bite: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 16
