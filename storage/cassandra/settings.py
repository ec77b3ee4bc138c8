"""What can be set of Cassandra; `KINORA_CASSANDRA_*` in the environment."""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

#: Names go into DDL, where nothing can be bound.
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,47}$", description="a short name")]


@dataclass(frozen=True, slots=True, kw_only=True)
class CassandraSettings:
    """How the facts of the fleet are reached, and how much may be asked at a time."""

    #: Some of the nodes, as `host:port`; the others are found through them.
    contact_points: tuple[str, ...] = ("127.0.0.1:9042",)
    #: Keyspace of this product.
    keyspace: Name = "kinora"
    #: Copies of every row; 1 or 3. Read when `kinora migrate` makes the keyspace.
    replication: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1
    #: Where copies lie: `simple` anywhere, `network` in `local_dc`, spread over its racks.
    strategy: Literal["simple", "network"] = "simple"
    #: The datacenter that is asked; others are for disasters.
    local_dc: str = "datacenter1"
    #: Addresses that are reached through others, each as `host:port=host:port`; for proxies between us and a node.
    address_map: tuple[str, ...] = ()
    #: How long a connection may take to come about, in seconds.
    connect_timeout_s: float = 2.0
    #: How long a statement may take before it counts as unanswered, retries included, in seconds.
    request_timeout_s: float = 1.5
    #: The same for statements that count a partition on the server, in seconds.
    count_timeout_s: float = 15.0
    #: The same for changes of the schema, in seconds.
    schema_timeout_s: float = 20.0
    #: A statement without an answer for so long is asked of a second node as well, in seconds.
    second_try_s: float = 0.4
    #: How often an idle connection is tried, and how long its answer may take, in seconds.
    heartbeat_s: float = 5.0
    #: Longest pause between attempts to reach a node that is down, in seconds.
    reconnect_longest_s: float = 5.0
    #: Statements that are on their way at a time.
    max_in_flight: int = 256
    #: Statements that wait for a place among those; beyond it they are refused.
    max_waiting: int = 8_192
    #: How long a statement may wait for its place, in seconds.
    max_wait_s: float = 2.0
    #: Rows that one statement returns at most; longer lists are read in several.
    page_rows: int = 500
    #: Partitions that one statement for several entities names.
    ids_per_statement: int = 25
    #: Buckets that a process remembers to have marked as not empty.
    known_buckets: int = 50_000
    #: How long a minter number stays taken without being renewed, in seconds; renewed at a third of it.
    minter_lease_s: int = 600
    #: How long one `kinora migrate` waits for another, in seconds.
    migration_wait_s: float = 120.0
