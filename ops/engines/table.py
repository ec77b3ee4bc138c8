"""The one table of what the fleet needs: which engine, which version, how it is had, as which image.

Native engines and containers are of the same version, so that what was tested by the one holds for the
other; where no such image was ever published, `remark` says so. A version changes here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

EngineName: TypeAlias = Literal["redis", "nats", "minio", "cassandra", "nginx", "toxiproxy"]

#: From here on Go fetches the newer Go that a module asks for, unless its user forbids it.
GO_FETCHES_GO = (1, 21)

#: The Java that runs Cassandra 5.0. It also runs on 11; on 21 it does not.
JAVA = 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Debian:
    """Had from Debian's or Ubuntu's packages, unpacked; or whatever fits on the PATH."""

    packages: tuple[str, ...]
    #: Program to where it lies in the packages; the first is asked for its version.
    programs: tuple[tuple[str, str], ...]
    #: Releases of the system differ: any version from here on does.
    at_least: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Golang:
    """Built by the Go toolchain."""

    package: str
    version: str
    #: As the toolchain names it, which is the last part of the package's path.
    built: str
    #: What it is called here.
    program: str
    #: The oldest Go that builds it.
    go: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Maven:
    """Had as jars, with all that they need to run."""

    group: str
    artifact: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the table."""

    name: EngineName
    version: str
    way: Debian | Golang | Maven
    #: Of a container, without the host of a registry; empty where only tests need it.
    image: str
    #: What a person can do who cannot have it in the ordinary way.
    otherwise: str
    remark: str = ""

    @property
    def folder(self) -> str:
        """Its name in the cache."""
        return f"{self.name}-{self.version}"


TABLE: tuple[Entry, ...] = (
    Entry(
        name="redis",
        version="7.0.15",
        way=Debian(
            packages=("redis-server", "redis-tools"),
            programs=(("redis-server", "usr/bin/redis-server"), ("redis-cli", "usr/bin/redis-cli")),
            at_least=(6, 2),
        ),
        image="redis:7.0.15",
        otherwise="put redis-server and redis-cli 6.2 or newer on the PATH"
        " (macOS: brew install redis).",
    ),
    Entry(
        name="nats",
        version="2.15.2",
        way=Golang(
            package="github.com/nats-io/nats-server/v2",
            version="v2.15.2",
            built="nats-server",
            program="nats-server",
            go=(1, 26),
        ),
        image="nats:2.15.2",
        otherwise="install Go 1.26 or newer; Debian's own nats-server is too old (2.11 is needed).",
    ),
    Entry(
        name="minio",
        version="20260212",
        way=Golang(
            package="github.com/minio/minio",
            version="v0.0.0-20260212201848-7aac2a2c5b7c",
            built="minio",
            program="minio",
            go=(1, 24),
        ),
        image="minio/minio:RELEASE.2025-09-07T16-13-09Z",
        otherwise="install Go 1.24 or newer.",
        remark="the last published image is older than the last source",
    ),
    Entry(
        name="cassandra",
        version="5.0.6",
        way=Maven(group="org.apache.cassandra", artifact="cassandra-all", version="5.0.6"),
        image="cassandra:5.0.6",
        otherwise="install Java 17 and Maven (Debian: apt install openjdk-17-jre-headless maven).",
    ),
    Entry(
        name="nginx",
        version="1.22.1",
        way=Debian(
            packages=("nginx", "nginx-common"),
            programs=(("nginx", "usr/sbin/nginx"),),
            at_least=(1, 22),
        ),
        image="nginx:1.22.1",
        otherwise="put nginx 1.22 or newer on the PATH, with slice, secure_link and threads"
        " (macOS: brew install nginx).",
    ),
    Entry(
        name="toxiproxy",
        version="2.5.0",
        way=Golang(
            package="github.com/Shopify/toxiproxy/v2/cmd/server",
            version="v2.5.0",
            built="server",
            program="toxiproxy-server",
            go=(1, 24),
        ),
        image="",
        otherwise="install Go 1.24 or newer.",
        remark="for tests only",
    ),
)

#: Which package holds a library that a fresh system may lack. Names of newer releases come second.
LIBRARIES: dict[str, tuple[str, ...]] = {
    "libatomic.so.1": ("libatomic1",),
    "libcap.so.2": ("libcap2",),
    "libcrypt.so.1": ("libcrypt1",),
    "libcrypto.so.3": ("libssl3", "libssl3t64"),
    "libgcrypt.so.20": ("libgcrypt20",),
    "libgpg-error.so.0": ("libgpg-error0",),
    "libhiredis.so.0.14": ("libhiredis0.14",),
    "libhiredis.so.1.1.0": ("libhiredis1.1.0",),
    "libjemalloc.so.2": ("libjemalloc2",),
    "liblua5.1-bitop.so.0": ("lua-bitop",),
    "liblua5.1-cjson.so.0": ("lua-cjson",),
    "liblua5.1.so.0": ("liblua5.1-0",),
    "liblz4.so.1": ("liblz4-1",),
    "liblzf.so.1": ("liblzf1",),
    "liblzma.so.5": ("liblzma5",),
    "libpcre2-8.so.0": ("libpcre2-8-0",),
    "libssl.so.3": ("libssl3", "libssl3t64"),
    "libstdc++.so.6": ("libstdc++6",),
    "libsystemd.so.0": ("libsystemd0",),
    "libz.so.1": ("zlib1g",),
    "libzstd.so.1": ("libzstd1",),
}


def entry(name: EngineName) -> Entry:
    """The line of the engine `name`."""
    return next(line for line in TABLE if line.name == name)
