"""Every bound of the link between gateways and nodes, by name and unit."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorSettings:
    """The node's end."""

    #: Connections of gateways at a time; as many more may be about to say hello.
    max_links: int = 256
    #: Asks under way on one connection; what its gateway is granted at first.
    window: int = 2_048
    #: Asks under way on all connections; shared out as windows among them.
    max_asks: int = 8_192
    #: The smallest window that a connection is granted, however many there are.
    min_window: int = 32
    #: Largest payload of a frame in either direction, in bytes.
    max_payload_bytes: int = 1024 * 1024
    #: Bytes that a gateway has not read yet at which reading from it stops.
    write_buffer_bytes: int = 1024 * 1024
    #: Bytes of frames for websockets that wait for one gateway; beyond it its sockets attach again.
    push_bytes: int = 8 * 1024 * 1024
    #: Websockets, of all gateways, that are attached here at most.
    sockets: int = 200_000
    #: Sockets of a vanished gateway that are detached at a time.
    detach_concurrency: int = 64
    #: How long a new connection may take to say hello, in seconds.
    hello_s: float = 2.0
    #: Silence after which a gateway counts as gone, in seconds; it pings far more often.
    silence_s: float = 5.0
    #: How often connections are looked over, in seconds.
    sweep_s: float = 0.5
    #: How long stopping waits for asks under way, in seconds.
    drain_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerSettings:
    """The gateway's end."""

    #: Largest payload of a frame in either direction, in bytes.
    max_payload_bytes: int = 1024 * 1024
    #: Bytes that a node has not read yet at which nothing more is written to it.
    write_buffer_bytes: int = 1024 * 1024
    #: How long connecting and hello may take, in seconds.
    hello_s: float = 2.0
    #: First wait before connecting again, in seconds; doubles with each failure.
    retry_first_s: float = 0.02
    #: Longest wait before connecting again, in seconds.
    retry_longest_s: float = 1.0
    #: How often a node is asked for a sign of life, in seconds.
    heartbeat_s: float = 0.5
    #: Silence after which a node counts as gone, in seconds.
    silence_s: float = 2.5
    #: How often deadlines and silence are looked at, in seconds.
    sweep_s: float = 0.1
    #: Asks that wait for one shard's node.
    parked_asks_per_shard: int = 256
    #: Bytes of asks that wait for one shard's node.
    parked_bytes_per_shard: int = 2 * 1024 * 1024
    #: Bytes of asks that wait in this gateway.
    parked_bytes: int = 64 * 1024 * 1024
    #: How long one ask waits in all for a node to be there, in seconds. A node that was killed is back within.
    park_s: float = 4.0
    #: How often one ask goes on after it was told to go elsewhere or lost its connection.
    max_hops: int = 16
    #: First wait before a node that sent an ask nowhere is asked again, in seconds; doubles with each.
    hop_pause_s: float = 0.02
