"""What a cluster is, and its folder.

    cluster.json   identity, shape and ports; made by the first `up`, kept until the folder is wiped
    run/           sockets, ready files and proven deaths (ops/supervisor/run_folder.py)
    engines/       a folder for each engine
    data/          the data folder of the processes: secrets that they share
    and what a supervisor keeps (ops/supervisor/folder.py)

Ports are chosen once, because engines remember each other by them.
"""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from ops.engines.nginx import nginx_folder
from ops.engines.ports import EnginePorts
from ops.errors import CannotGoOn
from ops.supervisor.control import MAX_SOCKET_PATH_BYTES
from ops.supervisor.folder import SupervisorFolder

#: Processes of one kind at most; more than one machine can use.
MAX_OF_A_KIND = 32

#: A file larger than this is not ours, in bytes.
MAX_BYTES = 64 * 1024

#: The longest name that is put below `run/`, for a socket.
_LONGEST_NAME = "run/node-99.sock"

Count = Annotated[int, msgspec.Meta(ge=1, le=MAX_OF_A_KIND)]


class FolderUnusable(CannotGoOn):
    """The folder of a cluster cannot be used as it is."""


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What a cluster is made of."""

    engines: Literal["native", "docker"] = "native"
    #: Nodes of Cassandra; three keep serving while one is away.
    cassandra: Literal[1, 3] = 1
    gateways: Count = 1
    nodes: Count = 2
    media: Count = 1

    def __str__(self) -> str:
        return (
            f"engines {self.engines}, cassandra {self.cassandra}, gateways {self.gateways},"
            f" nodes {self.nodes}, media {self.media}"
        )


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster, from its first `up` until its folder is wiped."""

    id: str
    shape: Shape
    #: Where the product listens, as a gateway is told.
    host: str
    port: int
    ports: EnginePorts
    #: Images that stand in for those of the table, by engine.
    images: Mapping[str, str] = {}

    def names(self, kind: Literal["gateway", "node", "media"]) -> tuple[str, ...]:
        """Names of the processes of a kind: `node-0`, `node-1`."""
        counts = {
            "gateway": self.shape.gateways,
            "node": self.shape.nodes,
            "media": self.shape.media,
        }
        return tuple(f"{kind}-{number}" for number in range(counts[kind]))


@dataclass(frozen=True, slots=True)
class ClusterFolder:
    """Names within the folder of a cluster. Making one touches nothing."""

    path: Path

    @property
    def record(self) -> Path:
        return self.path / "cluster.json"

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def engines(self) -> Path:
        return self.path / "engines"

    @property
    def data(self) -> Path:
        return self.path / "data"

    @property
    def secrets(self) -> Path:
        return self.data / "secrets"

    @property
    def minio_secret(self) -> Path:
        return self.secrets / "minio"

    @property
    def edge_cache(self) -> str:
        """Where the edge keeps its cache; who removes a video purges it there."""
        return str(nginx_folder(self.engines) / "cache")

    @property
    def supervisor(self) -> SupervisorFolder:
        return SupervisorFolder(self.path)

    def cluster(self) -> Cluster | None:
        """The cluster that lives here; None where there is none.

        Raises:
            FolderUnusable: the record cannot be read or is not one of ours.
        """
        try:
            with self.record.open("rb") as file:
                return msgspec.json.decode(file.read(MAX_BYTES), type=Cluster)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError) as error:
            raise FolderUnusable(
                f"{self.record} cannot be used: {error}.\nName another folder with --dir."
            ) from error

    def keep(self, cluster: Cluster) -> None:
        """Write the record down.

        Raises:
            OSError: the folder cannot be written.
        """
        draft = self.record.with_name(f".{self.record.name}.{os.getpid()}")
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(cluster), indent=1) + b"\n")
        draft.replace(self.record)

    def make(self) -> None:
        """Make what is missing, for this user only.

        Raises:
            FolderUnusable: it cannot be made, its path is too long, or it holds something else.
        """
        spare = MAX_SOCKET_PATH_BYTES - len(os.fsencode(self.path / _LONGEST_NAME))
        if spare < 0:
            raise FolderUnusable(
                f"The path {self.path} is {-spare} bytes too long for the sockets within it.\n"
                "Name a shorter one with --dir."
            )
        try:
            if self.path.exists() and not self.record.exists() and self._holds_a_stranger():
                raise FolderUnusable(
                    f"{self.path} holds something that is no cluster.\n"
                    "Name an empty or a new folder with --dir."
                )
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            for each in (self.run, self.engines, self.data, self.secrets, self.supervisor.logs):
                each.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise FolderUnusable(
                f"The folder {self.path} cannot be used: {error.strerror or error}.\n"
                "Give it to this user, or name another with --dir."
            ) from error

    def __repr__(self) -> str:
        return f"<ClusterFolder {self.path}>"

    def _holds_a_stranger(self) -> bool:
        ours = {"up.lock", "run", "engines", "data", "logs"}
        return any(entry.name not in ours for entry in self.path.iterdir())


def text_secret(file: Path) -> str:
    """The secret in `file`, 40 hexadecimal digits, made on first use with mode 0600.

    Raises:
        OSError: it cannot be read or written.
    """
    try:
        opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text().strip()
    with os.fdopen(opened, "w") as writer:
        writer.write(secrets.token_hex(20))
    return file.read_text().strip()
