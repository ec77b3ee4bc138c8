"""Images made on this machine, for a Docker engine that can fetch none: a base system and the engines.

The base is a Debian of the same release as this machine's engines were built for, by debootstrap; the engines
come out of the user's cache (`make engines`), put where the published images have them.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docker.errors import DockerException, ImageNotFound

from ops.engines.found import Found
from ops.engines.table import EngineName
from ops.errors import CannotGoOn

#: What the base has beside a minimal Debian: Python for Kinora, Java for Cassandra.
PACKAGES = ("python3", "python3-venv", "ca-certificates", "openjdk-17-jre-headless")
BASE = "kinora-test-base:local"

#: Of this machine, so that a proxy which the system trusts is trusted while the image is built.
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")

#: Where the published images have what is started.
_PLACES: dict[EngineName, dict[str, str]] = {
    "redis": {
        "redis-server": "usr/local/bin/redis-server",
        "redis-cli": "usr/local/bin/redis-cli",
    },
    "nats": {"nats-server": "nats-server"},
    "minio": {"minio": "usr/bin/minio"},
    "nginx": {"nginx": "usr/sbin/nginx"},
}

_CASSANDRA = f"""FROM {BASE}
RUN mkdir -p /opt/java && ln -s /usr/lib/jvm/java-17-openjdk-* /opt/java/openjdk
COPY . /
"""


def have(client: Any, image: str) -> bool:
    """Whether the image is there, or can be fetched."""
    try:
        client.images.get(image)
        return True
    except ImageNotFound:
        pass
    try:
        client.images.pull(image)
        return True
    except DockerException:
        return False


def make_base(client: Any, release: str = "bookworm") -> str:
    """The base system, made once.

    Raises:
        CannotGoOn: there is no debootstrap, or it fails.
    """
    try:
        client.images.get(BASE)
        return BASE
    except ImageNotFound:
        pass
    with tempfile.TemporaryDirectory(prefix="kinora-base-") as folder:
        root = Path(folder) / "root"
        made = (
            *("debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"),
            *(release, str(root)),
        )
        try:
            subprocess.run(made, check=True, stdout=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError) as error:
            raise CannotGoOn(
                f"No base system could be made: {error}\n"
                "Debian: apt install debootstrap, and run this as root; or fetch an image: --base"
            ) from error
        if CERTIFICATES.exists():
            (root / CERTIFICATES.relative_to("/")).write_bytes(CERTIFICATES.read_bytes())
        archive = Path(folder) / "root.tar"
        subprocess.run(("tar", "-C", str(root), "-cf", str(archive), "."), check=True)
        repository, _, tag = BASE.partition(":")
        client.api.import_image_from_file(str(archive), repository=repository, tag=tag)
    return BASE


def make_engines(client: Any, found: Mapping[EngineName, Found]) -> dict[str, str]:
    """An image of each engine, by engine."""
    make_base(client)
    return {
        **{name: _bare(client, found[name], places) for name, places in _PLACES.items()},
        "cassandra": _cassandra(client, found["cassandra"]),
    }


def _bare(client: Any, found: Found, places: Mapping[str, str]) -> str:
    """Nothing but the programs and the libraries that they ask for: laid out in no time."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", dereference=True) as tar:
        _text(tar, "etc/passwd", "root:x:0:0::/:/bin/false\n")
        _text(tar, "etc/group", "root:x:0:\n")
        libraries: set[Path] = set()
        for program, place in places.items():
            tar.add(found.programs[program], place)
            libraries |= _libraries(found, found.programs[program])
        for library in libraries:
            here = library.is_relative_to(found.folder)
            tar.add(library, f"lib/x86_64-linux-gnu/{library.name}" if here else str(library)[1:])
    image = f"kinora-test-{found.name}:local"
    repository, _, tag = image.partition(":")
    client.api.import_image_from_data(archive.getvalue(), repository=repository, tag=tag)
    return image


def _cassandra(client: Any, found: Found) -> str:
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        _text(tar, "Dockerfile", _CASSANDRA)
        _text(tar, ".dockerignore", "Dockerfile\n.dockerignore\n")
        tar.add(found.folder / "lib", "opt/cassandra/lib")
    context.seek(0)
    image = "kinora-test-cassandra:local"
    client.images.build(
        fileobj=context, custom_context=True, tag=image, network_mode="host", rm=True
    )
    return image


def _libraries(found: Found, program: Path) -> set[Path]:
    said = subprocess.run(
        ("ldd", str(program)), env=dict(found.env), capture_output=True, text=True
    )
    words = (word for line in said.stdout.splitlines() for word in line.split())
    return {Path(word) for word in words if word.startswith("/")}


def _text(tar: tarfile.TarFile, name: str, text: str) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(text.encode()), 0o644
    tar.addfile(info, io.BytesIO(text.encode()))
