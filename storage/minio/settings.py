"""How the object store is reached, and every bound on what is asked of it.

Keys are no settings: they are handed to `open_minio` and `ensure_buckets`, and never shown.
"""

from dataclasses import dataclass
from typing import Annotated

import msgspec


@dataclass(frozen=True, slots=True, kw_only=True)
class MinioSettings:
    """One S3 server, as processes of ours see it."""

    #: Where we reach the store: host:port.
    endpoint: str = "127.0.0.1:9000"
    #: Whether that is spoken to over TLS.
    secure: bool = False
    #: Where clients reach it, without a slash at the end; what a PUT signs. Empty: as we do.
    public_url: str = ""
    #: Region that signatures name. With it known, signing asks nobody.
    region: str = "us-east-1"
    #: What the names of our buckets begin with: `<prefix>quarantine`, `<prefix>sources`, `<prefix>media`.
    bucket_prefix: str = "kinora-"
    #: ARN of the store's own target for events, `arn:minio:sqs::KINORA:nats`. Empty: no events, the sweep suffices.
    notify_arn: str = ""
    #: Whether whoever reaches the store may read media, key or not: for a server whose policies know no
    #: conditions, on a network that only the edge and we are in.
    media_open: bool = False
    #: Threads that wait for the store, and connections to it.
    threads: int = 8
    #: Calls that may wait or run; more are refused, certainly not executed.
    max_waiting: int = 256
    #: Seconds until a connection must be open, and until a piece of a body must be taken.
    connect_timeout_s: float = 2.0
    #: Seconds until the next byte of an answer must arrive.
    read_timeout_s: float = 10.0
    #: Seconds that one download may take as a whole.
    transfer_timeout_s: float = 300.0
    #: Further tries of a call that failed on the way; the caller may repeat beyond that.
    retries: Annotated[int, msgspec.Meta(ge=0)] = 2
    #: Seconds before the second of them; doubles.
    retry_first_s: float = 0.1
    #: Bytes of one part of an upload, held in memory while it is sent. S3 takes no fewer than 5 MiB.
    part_bytes: Annotated[int, msgspec.Meta(ge=5 * 1024 * 1024)] = 8 * 1024 * 1024
    #: Bytes of a blob that is written or read here which stay in memory; beyond, a temporary file takes over.
    spool_bytes: int = 1024 * 1024
    #: Names that one listing looks at; the next goes on from there.
    max_listed: int = 10_000
    #: Tries to copy an upload that is replaced while it is being copied.
    copy_attempts: int = 3
    #: Seconds that a signed way to upload stays open.
    upload_lifetime_s: int = 3600
    #: Days after which the store itself removes what was left in quarantine and sources.
    quarantine_days: int = 7
    #: Days after which the store itself ends uploads in parts that were never completed.
    incomplete_days: int = 1
