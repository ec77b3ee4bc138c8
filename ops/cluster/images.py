"""Engines as containers: the same launches, with programs where the images have them.

A container sees the engines' folder at the same path as this machine does, uses this machine's network and
runs as whoever typed `up`. So configurations, data and addresses are the native ones, and what was tested
with native engines holds for these. A container is a process of the supervisor like any other (container.py),
by a small file that says what to run.
"""

import os
import shlex
import signal
import stat
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from ops.cluster.plan import ENGINES, native
from ops.cluster.record import Cluster, ClusterFolder
from ops.engines.found import Found
from ops.engines.launch import Launch
from ops.engines.table import EngineName, entry
from ops.errors import CannotGoOn
from ops.supervisor.spec import ProcessSpec

#: Says of a container which cluster made it; `down` ends only its own.
LABEL = "kinora.cluster"

#: Where the published images keep what is started.
_PROGRAMS: dict[EngineName, dict[str, Path]] = {
    "redis": {"redis-server": Path("/usr/local/bin/redis-server")},
    "nats": {"nats-server": Path("/nats-server")},
    "minio": {"minio": Path("/usr/bin/minio")},
    "cassandra": {"java": Path("/opt/java/openjdk/bin/java")},
    "nginx": {"nginx": Path("/usr/sbin/nginx")},
}
_FOLDERS: dict[EngineName, Path] = {"cassandra": Path("/opt/cassandra")}
_REDIS_CLI = Path("/usr/local/bin/redis-cli")

#: How long an engine of containers may take to lay out an image, in seconds.
_UNPACK_S = 120.0
#: Between two looks, in seconds.
_LOOK_S = 0.1
#: How much longer than its container a process may take to end, in seconds.
_MARGIN_S = 10.0


class ContainerSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One container."""

    #: Unique on the machine.
    name: str
    cluster: str
    image: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    #: uid:gid.
    user: str
    #: Folder that is the same within.
    folder: str
    stop_signal: str
    stop_s: float


class NoDocker(CannotGoOn):
    """There is no Docker engine to ask."""

    def __init__(self, error: Exception) -> None:
        super().__init__(
            f"No Docker engine answers: {error}\n"
            "Start one, point DOCKER_HOST at one, or use --engines native."
        )


def image_of(name: EngineName, images: Mapping[str, str]) -> str:
    """The image of an engine: what was asked for, else that of the table."""
    return images.get(name) or entry(name).image


def container_name(cluster: Cluster, launch: str) -> str:
    """What Docker calls the container of a launch."""
    return f"kinora-{cluster.id}-{launch}"


def found_in_images(
    cluster: Cluster, folder: ClusterFolder, environ: Mapping[str, str]
) -> dict[EngineName, Found]:
    """Every engine within its image; writes the way to run `redis-cli` there.

    `environ` says how Docker is reached.

    Raises:
        OSError: the folder cannot be written.
    """
    found = {
        name: Found(
            name=name,
            version=entry(name).version,
            folder=_FOLDERS.get(name, Path("/")),
            programs=_PROGRAMS[name],
        )
        for name in ENGINES
    }
    client = folder.engines / "redis-cli"
    inside = (
        *(sys.executable, "-m", "ops.cluster.container", "exec"),
        *(container_name(cluster, "redis-1"), str(_REDIS_CLI)),
    )
    # Whoever runs it keeps nothing of the environment.
    reached = [f"{name}={text}" for name, text in environ.items() if name.startswith("DOCKER_")]
    root = Path(__file__).resolve().parents[2]
    client.write_text(
        f"#!/bin/sh\ncd {shlex.quote(str(root))} && "
        f'exec {shlex.join(("env", *reached, *inside))} "$@"\n'
    )
    client.chmod(stat.S_IRWXU)
    redis = replace(found["redis"], programs={**_PROGRAMS["redis"], "redis-cli": client})
    return {**found, "redis": redis}


def in_container(
    launch: Launch, engine: str, *, cluster: Cluster, folder: ClusterFolder, env: Mapping[str, str]
) -> ProcessSpec:
    """A launch as the process that keeps its container; `env` is how Docker is reached.

    Raises:
        OSError: the folder cannot be written.
    """
    spec = native(launch, engine)
    name = next(each for each in ENGINES if each == engine)
    described = ContainerSpec(
        name=container_name(cluster, launch.name),
        cluster=cluster.id,
        image=image_of(name, cluster.images),
        argv=launch.argv,
        env=launch.env,
        cwd=str(launch.cwd),
        user=f"{os.getuid()}:{os.getgid()}",
        folder=str(folder.engines),
        stop_signal=spec.stop_signal.name,
        stop_s=launch.stop_s,
    )
    file = folder.run / f"{launch.name}.container.json"
    # Environments carry secrets.
    file.touch(mode=0o600)
    file.write_bytes(msgspec.json.encode(described))
    return replace(
        spec,
        argv=(sys.executable, "-m", "ops.cluster.container", "run", str(file)),
        env=env,
        cwd=Path(__file__).resolve().parents[2],
        stop_signal=signal.SIGTERM,
        stop_s=launch.stop_s + _MARGIN_S,
        ready_s=launch.start_s + _UNPACK_S,
        # Killed outright, it would leave its container behind.
        death_signal=signal.SIGTERM,
    )


def have_images(images: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Have every image on the Docker engine, telling of each that is fetched.

    Raises:
        CannotGoOn: there is no Docker engine, or an image cannot be had.
    """
    import docker
    from docker.errors import DockerException, ImageNotFound

    try:
        client = docker.from_env()
        client.ping()
    except DockerException as error:
        raise NoDocker(error) from error
    for name in ENGINES:
        image = image_of(name, images)
        try:
            try:
                client.images.get(image)
            except ImageNotFound:
                say(f"Fetching the image {image} ...")
                client.images.pull(image)
        except DockerException as error:
            raise CannotGoOn(
                f"The image {image} cannot be had: {error}\n"
                f"Name one that is there: --image {name}=IMAGE, or use --engines native."
            ) from error


def remove_containers(cluster_id: str, *, patience_s: float) -> int:
    """End whatever containers of a cluster are left; returns how many those were.

    Raises:
        NoDocker: there is no Docker engine to ask.
        CannotGoOn: some are still there after `patience_s`.
    """
    import docker
    from docker.errors import APIError, DockerException

    seen: set[str] = set()
    until = time.monotonic() + patience_s
    try:
        client = docker.from_env()
        own = {"label": f"{LABEL}={cluster_id}"}
        while left := client.containers.list(all=True, filters=own, ignore_removed=True):
            if time.monotonic() > until:
                names = ", ".join(str(container.name) for container in left)
                raise CannotGoOn(f"These containers do not end: {names}.")
            for container in left:
                seen.add(container.id)
                try:
                    container.remove(force=True)
                except APIError:
                    # It is gone, or somebody else is removing it; the next look will tell.
                    pass
            time.sleep(_LOOK_S)
    except DockerException as error:
        raise NoDocker(error) from error
    return len(seen)
