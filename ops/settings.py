"""Everything that can be set, in one frozen value that is read once, at start.

The sections of other folders are their own dataclasses; here they only get a name. Nothing below `ops/`
reads the environment: it is handed its section, or plain arguments.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from actors.links.settings import CallerSettings, DoorSettings
from actors.settings import FeedSettings, RuntimeSettings, UserLimits
from gateway.settings import GatewaySettings
from media.worker import WorkerSettings
from ops.edge.settings import EdgeSettings
from ops.environ import FILE_SUFFIX, Secret, Setting, is_injected, read, settings_of
from ops.fleet.settings import FleetSettings
from storage.cassandra.settings import CassandraSettings
from storage.embedded.bus import BusSettings
from storage.embedded.jobs import JobSettings
from storage.embedded.thread_runner import ThreadSettings
from storage.minio.settings import MinioSettings
from storage.nats.settings import NatsSettings
from storage.redis.settings import RedisSettings

#: 0 lets the system choose a free one.
Port = Annotated[int, msgspec.Meta(ge=0, le=65_535)]
Url = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^https?://[^/\s?#]+$",
        description="an address such as https://kinora.example, without a path",
    ),
]

#: Where nobody asks for one.
NO_SECRET = Secret("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `kinora` goes by."""

    #: Address that the product listens on. Loopback, until somebody decides to be seen.
    host: str = "127.0.0.1"
    #: Port that the product listens on; 0 takes a free one.
    port: Port = 8_000
    #: Folder of the database, the blobs, the secrets and ports.json.
    data_dir: Path = Path("data")
    #: How clients reach the product; what signed addresses begin with. None: the host and port above.
    public_url: Url | None = None
    #: Address that /metrics is served on.
    metrics_host: str = "127.0.0.1"
    #: Port of /metrics; 0 takes a free one and writes it into ports.json.
    metrics_port: Port = 0
    #: The least severe event that is logged.
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    #: How an event is written: one JSON object a line, or text for people.
    log_format: Literal["json", "text"] = "json"
    #: Lines that wait to be written; beyond it lines are dropped and counted, never waited for.
    log_backlog_lines: int = 10_000
    #: Open files (and sockets) that the process must be allowed; the limit is raised where it may be.
    min_open_files: int = 1_024
    #: Password of Redis' access list.
    redis_password: Secret = NO_SECRET
    #: Password of the user of NATS.
    nats_password: Secret = NO_SECRET
    #: Who Kinora is to the object store.
    minio_access_key: str = "kinora"
    #: The other half of that.
    minio_secret_key: Secret = NO_SECRET
    #: How clients reach the edge; what signed media addresses of a fleet begin with.
    edge_url: Url = "http://127.0.0.1:8080"
    #: How much a node holds.
    actors: RuntimeSettings = field(default_factory=RuntimeSettings)
    #: What feeds are cut from.
    feed: FeedSettings = field(default_factory=FeedSettings)
    #: What one person may do.
    limits: UserLimits = field(default_factory=UserLimits)
    #: The edge.
    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    #: The encoder.
    media: WorkerSettings = field(default_factory=WorkerSettings)
    #: The one SQLite file of the embedded product.
    database: ThreadSettings = field(default_factory=ThreadSettings)
    #: The queue of encodings of the embedded product.
    jobs: JobSettings = field(default_factory=JobSettings)
    #: The bus of the embedded product.
    bus: BusSettings = field(default_factory=BusSettings)
    #: The processes of a fleet.
    fleet: FleetSettings = field(default_factory=FleetSettings)
    #: The node's end of the link from gateways.
    door: DoorSettings = field(default_factory=DoorSettings)
    #: The gateway's end of the link to nodes.
    caller: CallerSettings = field(default_factory=CallerSettings)
    #: Shard state of a fleet.
    redis: RedisSettings = field(default_factory=RedisSettings)
    #: Facts of a fleet.
    cassandra: CassandraSettings = field(default_factory=CassandraSettings)
    #: Events, jobs and the shard table of a fleet.
    nats: NatsSettings = field(default_factory=NatsSettings)
    #: Blobs of a fleet.
    minio: MinioSettings = field(default_factory=MinioSettings)
    #: The cache in front of the object store.
    edge: EdgeSettings = field(default_factory=EdgeSettings)

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """The settings that an environment asks for.

        Raises:
            SettingsError: with every unknown name and every bad value.
        """
        return read(cls, environ)

    def url_at(self, port: int) -> str:
        """Where clients reach a product that listens on `port`, without a slash at the end."""
        return self.public_url or f"http://{address_of(self.host, port)}"

    @property
    def media_url(self) -> str:
        """Where the edge of a fleet serves media, without a slash at the end."""
        return f"{self.edge_url}{self.edge.base_path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveSetting:
    """One setting and what became of it."""

    setting: Setting
    value: object
    #: Where the value came from.
    source: Literal["default", "environment", "file"]


def explain(settings: Settings, environ: Mapping[str, str]) -> list[EffectiveSetting]:
    """Every setting with its value and where that came from; secrets show as `***`."""
    lines: list[EffectiveSetting] = []
    for setting in settings_of(Settings):
        value: object = settings
        for step in setting.path:
            value = getattr(value, step)
        source: Literal["default", "environment", "file"] = "default"
        if f"{setting.name}{FILE_SUFFIX}" in environ:
            source = "file"
        elif setting.name in environ and not is_injected(setting.name, environ[setting.name]):
            source = "environment"
        lines.append(EffectiveSetting(setting=setting, value=value, source=source))
    return lines


def address_of(host: str, port: int) -> str:
    """`host:port` as it stands in an address that a client on this machine can use."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
    return f"[{reachable}]:{port}" if ":" in reachable else f"{reachable}:{port}"
