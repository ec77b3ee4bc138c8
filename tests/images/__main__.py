"""`make image-test`: the image is built and serves, and engines in containers keep what `up` promises.

    python -m tests.images [--base IMAGE] [--stand-ins] [--only image|engines]

Against whatever Docker engine answers (DOCKER_HOST). Images that cannot be fetched are made here (local.py).
`--stand-ins` leaves Kinora's own processes out of the cluster, where only containers are of interest. Each
line that is printed is a claim that was checked; the first that does not hold ends it with 1.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException

from ops.cluster.images import LABEL, image_of
from ops.cluster.lifecycle import PROGRAM, stop
from ops.cluster.plan import ENGINES
from ops.cluster.record import ClusterFolder
from ops.cluster.start import show, up
from ops.engines.native import find_all
from ops.errors import CannotGoOn
from tests.images.local import have, make_base, make_engines
from tests.support import stand_in_cluster

ROOT = Path(__file__).resolve().parents[2]
IMAGE = "kinora-test:local"
#: How long the children of a killed supervisor may outlive it, in seconds.
ORPHANED_S = 2.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="make image-test")
    parser.add_argument("--base", default="python:3.12-slim-bookworm")
    parser.add_argument("--stand-ins", action="store_true")
    parser.add_argument("--only", choices=("image", "engines"))
    given = parser.parse_args()
    try:
        client = docker.from_env(timeout=600)
        client.ping()
        if given.only != "engines":
            test_image(client, given.base)
        if given.only != "image":
            test_engines(client, stand_ins=given.stand_ins)
    except DockerException as error:
        print(f"Docker: {error}", file=sys.stderr)
        return 1
    except CannotGoOn as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def test_image(client: Any, base: str) -> None:
    chosen = base if have(client, base) else make_base(client)
    began = time.monotonic()
    client.images.build(
        path=str(ROOT), tag=IMAGE, buildargs={"BASE": chosen}, network_mode="host", rm=True
    )
    claim(f"the image is built on {chosen} in {time.monotonic() - began:.0f} s", True)
    image = client.images.get(IMAGE)
    claim("it runs as nobody special", image.attrs["Config"]["User"] == "10001:10001")
    claim("it says what its wheel carries", "GPL" in image.labels["kinora.notice"])
    notice = client.containers.run(IMAGE, ["/NOTICE"], entrypoint="cat", remove=True)
    claim("and its notice is in it", b"x264" in notice)
    container = client.containers.run(
        IMAGE,
        ["run"],
        detach=True,
        network_mode="host",
        environment={"KINORA_PORT": "0", "KINORA_METRICS_PORT": "0"},
    )
    try:
        until(lambda: b"Kinora serves at" in container.logs(stdout=True), 120.0)
        url = next(word for word in container.logs().decode().split() if word.startswith("http://"))
        with urllib.request.urlopen(f"{url}/readyz", timeout=10) as answer:
            claim(f"the product within it is ready at {url}", answer.status == 200)
        container.stop(timeout=30)
        claim("and ends cleanly", container.wait()["StatusCode"] == 0)
    finally:
        container.remove(force=True)


def test_engines(client: Any, *, stand_ins: bool) -> None:
    images: dict[str, str] = {}
    if not all(have(client, image_of(name, {})) for name in ENGINES):
        images = make_engines(client, find_all(ENGINES, os.environ))
    program = stand_in_cluster.ENGINES_PROGRAM if stand_ins else PROGRAM
    environ = {**os.environ, "KINORA_PORT": "0", "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory(prefix="kinora-images-") as place:
        folder = ClusterFolder(Path(place) / "cluster")
        try:
            began = time.monotonic()
            healthy = up(folder, {"engines": "docker"}, images, environ, program=program)
            claim(f"engines in containers are up in {time.monotonic() - began:.1f} s", healthy)
            cluster, state = folder.cluster(), folder.supervisor.state()
            assert cluster is not None
            assert state is not None
            ours = {"label": f"{LABEL}={cluster.id}"}
            stranger = client.containers.run(
                image_of("nats", images),
                ["-p", "-1"],
                entrypoint="/nats-server",
                network_mode="none",
                detach=True,
            )
            try:
                claim("each engine is a container", len(ran(client, ours)) == 10)
                claim("status agrees", show(folder))
                os.kill(state.supervisor.pid, signal.SIGKILL)
                until(lambda: not ran(client, ours), ORPHANED_S)
                claim(f"a killed supervisor's containers end within {ORPHANED_S:g} s", True)
                claim("up begins anew", up(folder, {}, {}, environ, program=program))
                stop(folder)
                left = client.containers.list(all=True, filters=ours, ignore_removed=True)
                claim("down leaves no container", not left)
                stranger.reload()
                claim("and leaves others alone", stranger.status == "running")
            finally:
                stranger.remove(force=True)
        finally:
            stop(folder)


def ran(client: Any, filters: dict[str, str]) -> list[Any]:
    return list(client.containers.list(filters=filters, ignore_removed=True))


def claim(sentence: str, holds: bool) -> None:
    print(f"{'ok  ' if holds else 'NOT '} {sentence}", flush=True)
    if not holds:
        sys.exit(1)


def until(true: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            claim(f"something happens within {seconds:g} s", False)
        time.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
