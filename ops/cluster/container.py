"""One container in the foreground: it lives as long as this process, and this process as long as it.

    python -m ops.cluster.container run FILE          keep the container that FILE describes
    python -m ops.cluster.container exec NAME ARG...  run a program within one, and end as it ends

SIGTERM ends the container in its own way, and kills it when that takes too long. The same signal comes from
the kernel when the supervisor is gone; then nobody waits, and the container is killed at once.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import docker
import msgspec
from docker.errors import APIError, DockerException, ImageNotFound

from ops.cluster.images import LABEL, ContainerSpec
from ops.supervisor.exit_codes import ExitCode

#: What one file of a container's own log holds at most; the supervisor keeps the real one.
_LOG = {"type": "json-file", "config": {"max-size": "1m", "max-file": "1"}}

#: How long what a predecessor left may take to be removed, and the time between two tries, in seconds.
LEFTOVER_S = 60.0
_LOOK_S = 0.5
#: What Docker answers when a name is taken.
_CONFLICT = 409
#: How long the last output may take to arrive, in seconds.
_LAST_OUTPUT_S = 2.0


class Keeper:
    """Keeps one container, from before it is made until it is removed."""

    def __init__(self, client: Any, spec: ContainerSpec) -> None:
        self._client = client
        self._spec = spec
        self._parent = os.getppid()
        self._container: Any = None
        self._ending = threading.Event()

    def run(self) -> int:
        """Make the container, pass on its output, and end as it ends."""
        for each in (signal.SIGTERM, signal.SIGALRM):
            signal.signal(each, self._end)
        self._container = self._create()
        try:
            # Making it may take long, and nobody can end what is not there yet.
            if self._ending.is_set() or self._is_orphaned():
                return ExitCode.CLEAN
            self._container.start()
            if self._ending.is_set() or self._is_orphaned():
                self._kill("SIGKILL")
            output = threading.Thread(target=_pass_on, args=(self._container,), daemon=True)
            output.start()
            code = int(self._container.wait()["StatusCode"])
            output.join(_LAST_OUTPUT_S)
            return code
        finally:
            self._container.remove(force=True)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._ending.set()
        if number == signal.SIGALRM or self._is_orphaned():
            self._kill("SIGKILL")
            return
        signal.setitimer(signal.ITIMER_REAL, self._spec.stop_s)
        self._kill(self._spec.stop_signal)

    def _is_orphaned(self) -> bool:
        return os.getppid() != self._parent

    def _kill(self, number: str) -> None:
        try:
            if self._container is not None:
                self._container.kill(signal=number)
        except APIError:
            # It does not run yet, or no longer.
            pass

    def _create(self) -> Any:
        spec, until = self._spec, time.monotonic() + LEFTOVER_S
        while True:
            try:
                return self._client.containers.create(
                    spec.image,
                    entrypoint=[spec.argv[0]],
                    command=list(spec.argv[1:]),
                    name=spec.name,
                    labels={LABEL: spec.cluster},
                    environment=dict(spec.env),
                    working_dir=spec.cwd,
                    user=spec.user,
                    network_mode="host",
                    volumes={spec.folder: {"bind": spec.folder, "mode": "rw"}},
                    log_config=_LOG,
                )
            except APIError as error:
                # What a predecessor that was killed outright left behind; it may still be in the making.
                if (
                    error.status_code != _CONFLICT
                    or self._ending.is_set()
                    or time.monotonic() > until
                ):
                    raise
                self._remove_leftover()
                time.sleep(_LOOK_S)

    def _remove_leftover(self) -> None:
        try:
            left = self._client.containers.get(self._spec.name)
            if left.labels.get(LABEL) == self._spec.cluster:
                left.remove(force=True)
        except APIError:
            # It is gone meanwhile, or cannot be removed yet.
            pass


def run(file: Path) -> int:
    """Keep the container that `file` describes."""
    spec = msgspec.json.decode(file.read_bytes(), type=ContainerSpec)
    try:
        return Keeper(docker.from_env(timeout=None), spec).run()
    except ImageNotFound:
        print(f"there is no image {spec.image}", file=sys.stderr)
        return ExitCode.CONFIGURATION


def run_within(name: str, argv: list[str]) -> int:
    """Run a program in a container that runs."""
    container = docker.from_env(timeout=None).containers.get(name)
    done = container.exec_run(argv)
    sys.stdout.buffer.write(done.output)
    return int(done.exit_code)


def _pass_on(container: Any) -> None:
    try:
        for data in container.logs(stream=True, follow=True):
            os.write(1, data)
    except (DockerException, OSError):
        # The container or the reader is gone.
        pass


def main(arguments: list[str]) -> int:
    """Returns what the container's program returned, or a code of the table."""
    try:
        if arguments[0] == "run":
            return run(Path(arguments[1]))
        return run_within(arguments[1], arguments[2:])
    except DockerException as error:
        print(f"docker: {error}", file=sys.stderr)
        return ExitCode.ENGINE_UNREACHABLE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
