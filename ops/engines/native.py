"""The engines of one fleet on this machine, as values that a supervisor starts.

All are looked for before anything is written, so that one message names everything that is missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ops.engines.cassandra import CassandraShape, cassandra_engine
from ops.engines.found import EngineMissing, Found, find
from ops.engines.launch import Engine
from ops.engines.minio import MinioAccount, MinioEvents, minio_engine
from ops.engines.nats import NatsShape, nats_engine
from ops.engines.nginx import nginx_engine
from ops.engines.ports import LOOPBACK, EnginePorts
from ops.engines.redis import RedisShape, redis_engine
from ops.engines.table import EngineName, entry

_NEEDED: tuple[EngineName, ...] = ("redis", "nats", "minio", "cassandra")

_REDIS, _NATS, _CASSANDRA = RedisShape(), NatsShape(), CassandraShape()


def native_engines(
    environ: Mapping[str, str],
    folder: Path,
    ports: EnginePorts,
    account: MinioAccount,
    *,
    redis: RedisShape = _REDIS,
    nats: NatsShape = _NATS,
    cassandra: CassandraShape = _CASSANDRA,
    events: MinioEvents | None = None,
    edge: str | None = None,
) -> tuple[Engine, ...]:
    """Every engine, in folders below `folder`, to be started side by side; writes their configuration.

    `events` defaults to the NATS of the same fleet; `edge` is nginx's configuration, None for no edge.

    Raises:
        EngineMissing: some are not there; the message names all of them.
        OSError: the folder cannot be written.
    """
    found = find_all((*_NEEDED, "nginx") if edge is not None else _NEEDED, environ)
    told = events or MinioEvents(nats=f"{LOOPBACK}:{ports.nats}")
    engines = (
        redis_engine(found["redis"], folder, ports.redis, redis),
        nats_engine(found["nats"], folder, ports.nats, nats),
        minio_engine(found["minio"], folder, ports.minio, account, told),
        cassandra_engine(
            found["cassandra"], folder, ports.cassandra, ports.cassandra_peers, cassandra
        ),
    )
    if edge is None:
        return engines
    return (*engines, nginx_engine(found["nginx"], folder, ports.nginx, edge))


def find_all(names: tuple[EngineName, ...], environ: Mapping[str, str]) -> dict[EngineName, Found]:
    """Where each of `names` is.

    Raises:
        EngineMissing: some are not there; the message names all of them.
    """
    found: dict[EngineName, Found] = {}
    complaints: list[str] = []
    for name in names:
        try:
            found[name] = find(entry(name), environ)
        except EngineMissing as error:
            complaints.append(str(error))
    if complaints:
        raise EngineMissing("\n".join(complaints))
    return found
