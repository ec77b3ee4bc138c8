"""One MinIO that tells NATS of every stored object.

What it has to tell is queued on disk while NATS is away, so an upload is not refused for a bus that is
down and its event is late instead of lost.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ops.engines.found import Found
from ops.engines.launch import Engine, Launch
from ops.engines.ports import LOOPBACK
from ops.engines.probes import http_answers


@dataclass(frozen=True, slots=True, kw_only=True)
class MinioAccount:
    """Who may do everything."""

    access_key: str
    secret_key: str

    def __repr__(self) -> str:
        return f"<MinioAccount {self.access_key}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class MinioEvents:
    """Where it tells of stored objects."""

    #: host:port of NATS.
    nats: str
    subject: str = "kinora.stored"
    #: Its name in the ARN that buckets are told: arn:minio:sqs:<region>:<target>:nats.
    target: str = "KINORA"
    #: How many events wait on disk at most while NATS is away.
    queue_limit: int = 100_000


def minio_engine(
    found: Found,
    folder: Path,
    port: int,
    account: MinioAccount,
    events: MinioEvents | None = None,
    *,
    region: str = "us-east-1",
) -> Engine:
    """One server on one folder.

    Raises:
        OSError: the folder cannot be written.
    """
    place = folder / "minio-1"
    data, queue = place / "data", place / "events"
    data.mkdir(parents=True, exist_ok=True)
    queue.mkdir(exist_ok=True)
    env = {
        "PATH": os.defpath,
        "HOME": str(place),
        "MINIO_ROOT_USER": account.access_key,
        "MINIO_ROOT_PASSWORD": account.secret_key,
        "MINIO_SITE_REGION": region,
        # Neither a console nor a question to the outside whether there is a newer one.
        "MINIO_BROWSER": "off",
        "MINIO_UPDATE": "off",
    }
    if events is not None:
        env |= minio_events_env(events, str(queue))
    launch = Launch(
        name="minio-1",
        argv=(
            str(found.programs["minio"]),
            *("server", "--quiet", "--anonymous"),
            *("--address", f"{LOOPBACK}:{port}", str(data)),
        ),
        env=env,
        cwd=place,
        log=place / "log",
        # The cluster's health, not the process's: it says that writes are taken.
        ready=partial(http_answers, LOOPBACK, port, "/minio/health/cluster"),
        address=f"{LOOPBACK}:{port}",
    )
    return Engine(name="minio", launches=(launch,))


def minio_events_env(events: MinioEvents, queue: str) -> dict[str, str]:
    """The part of its environment that makes it tell; `queue` is a folder that it can write."""
    settings = {
        "ENABLE": "on",
        "ADDRESS": events.nats,
        "SUBJECT": events.subject,
        "JETSTREAM": "on",
        "QUEUE_DIR": queue,
        "QUEUE_LIMIT": str(events.queue_limit),
    }
    return {f"MINIO_NOTIFY_NATS_{name}_{events.target}": value for name, value in settings.items()}
