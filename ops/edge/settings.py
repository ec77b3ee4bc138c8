"""How the edge serves, and every bound on what it holds, waits for and lets in."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeSettings:
    """One nginx in front of the media bucket."""

    #: Path below which media are served; the media URL that links are signed for ends with it.
    base_path: str = "/media"
    #: Folder of the cache; where it is relative, below nginx's own.
    cache_folder: str = "cache"
    #: Mebibytes that the cache may hold, and that it leaves free on its disk.
    cache_mib: int = 1024
    cache_min_free_mib: int = 256
    #: Mebibytes of memory for the cache's index; one holds about 8,000 slices.
    cache_index_mib: int = 16
    #: Hours after which a slice that nobody asks for leaves the cache.
    cache_idle_hours: int = 24 * 30
    #: Bytes in which objects are fetched and kept.
    slice_bytes: int = 1024 * 1024
    #: Processes of nginx, and connections that each may have, to clients and to the store together.
    workers: int = 2
    worker_connections: int = 4096
    #: Connections that one address may have at a time; many people share one behind a carrier's NAT.
    connections_per_address: int = 256
    #: Connections to the store at a time, and how many of them are kept when idle.
    origin_connections: int = 64
    origin_idle_connections: int = 16
    #: Seconds until the store must take a connection, and until it must go on with an answer.
    origin_connect_timeout_s: int = 2
    origin_timeout_s: int = 10
    #: Seconds that a request waits for a slice that another one fetches. Beyond, it asks the store itself.
    lock_timeout_s: int = 30
    #: Seconds in which a client must send its request, and take the next bytes.
    client_timeout_s: int = 10
    send_timeout_s: int = 30
    #: Seconds that an idle connection of a client is kept.
    keepalive_s: int = 65
    #: Seconds after a purge at which it is repeated: an answer of the store may have been on its way.
    purge_again_after_s: float = 15.0
    #: Objects that may wait for that; beyond, the oldest are let go, purged once.
    max_purge_again: int = 10_000
    #: Addresses that are warmed at a time.
    warm_together: int = 4
    #: Seconds until an address must be warm.
    warm_timeout_s: float = 10.0
