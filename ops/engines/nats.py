"""One NATS server with JetStream, every write synced before it is acknowledged.

The default syncs every two minutes: an acknowledged job could be lost with the machine. Streams and
messages are bounded here, whatever a stream says of itself.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ops.engines.found import Found
from ops.engines.launch import Engine, Launch
from ops.engines.ports import LOOPBACK
from ops.engines.probes import nats_serves_streams


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsShape:
    """What may be wished differently of the server."""

    #: Of one message, in bytes.
    max_payload_bytes: int = 1024 * 1024
    #: Of all streams on disk, in bytes.
    max_file_bytes: int = 4 * 1024 * 1024 * 1024
    #: Of all streams in memory, in bytes.
    max_memory_bytes: int = 64 * 1024 * 1024


def nats_engine(found: Found, folder: Path, port: int, shape: NatsShape = NatsShape()) -> Engine:
    """One server with its streams below `folder`; writes its configuration.

    Raises:
        OSError: the folder cannot be written.
    """
    place = folder / "nats-1"
    place.mkdir(parents=True, exist_ok=True)
    config = place / "nats.conf"
    config.write_text(
        f"listen: {LOOPBACK}:{port}\n"
        "server_name: kinora-1\n"
        f"max_payload: {shape.max_payload_bytes}\n"
        "jetstream {\n"
        f'  store_dir: "{place / "streams"}"\n'
        "  sync_interval: always\n"
        f"  max_file_store: {shape.max_file_bytes}\n"
        f"  max_memory_store: {shape.max_memory_bytes}\n"
        "}\n"
    )
    launch = Launch(
        name="nats-1",
        argv=(str(found.programs["nats-server"]), "-c", str(config)),
        env={"PATH": os.defpath, "HOME": str(place)},
        cwd=place,
        log=place / "log",
        ready=partial(nats_serves_streams, LOOPBACK, port),
        address=f"{LOOPBACK}:{port}",
    )
    return Engine(name="nats", launches=(launch,))
