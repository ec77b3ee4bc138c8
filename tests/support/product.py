"""The whole product for tests: as a process of its own, and inside the test's loop.

A child process is what an operator has: it can be killed without a word, and it is only known by its exit
code, its files and its port. The one in the loop is quick to start and can be looked into. Both are the real
thing, from `ops.cli` or `ops.processes` down; nothing is replaced but numbers in settings.
"""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from gateway.settings import Rate
from ops.bounds import open_listener
from ops.data_dir import DataDir, open_data_dir
from ops.metrics import Metrics
from ops.processes import Serving, open_serving
from ops.settings import Settings
from ops.version import version

ROOT = Path(__file__).parents[2]

#: How long a process may take to serve, in seconds: two cores are shared by many.
START_S = 30.0
#: How long any command may take before a test calls it hung, in seconds.
COMMAND_S = 60.0
#: No waiting for a load balancer that is not there.
#: And progress that shows while a short clip is encoded.
QUICK = {"KINORA_GATEWAY_DRAIN_NOTICE_S": "0.1", "KINORA_MEDIA_HEARTBEAT_S": "0.1"}


def environment(data: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """This environment without settings of ours, then a data folder, a free port, and `more`."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KINORA_")}
    # Warnings of a child are for its own tests; what the parent wants of them must not change it.
    clean.pop("PYTHONWARNINGS", None)
    return clean | {"KINORA_DATA_DIR": str(data), "KINORA_PORT": "0"} | dict(more or {})


def kinora(
    data: Path, *words: str, env: Mapping[str, str] | None = None, timeout_s: float = COMMAND_S
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; output is text."""
    return subprocess.run(
        command(*words),
        cwd=ROOT,
        env=environment(data, env),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def command(*words: str) -> list[str]:
    """`kinora ...`, as it runs without being installed."""
    return [sys.executable, "-m", "ops.cli", *words]


class ChildProduct:
    """`kinora run` as a child, on one data folder, as often as it is started."""

    def __init__(self, data: Path, env: Mapping[str, str] | None = None) -> None:
        self.data = data
        self.env = dict(QUICK) | dict(env or {})
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def log(self) -> Path:
        """What it wrote, all starts after one another."""
        return self.data.with_suffix(".log")

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "ChildProduct":
        """Start it, on the same port as before, and return once it is ready."""
        env = environment(self.data, self.env) | {"KINORA_PORT": str(self.port)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command("run"),
                cwd=ROOT,
                env=env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + START_S
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"it does not serve:\n{self.tail()}")
            time.sleep(0.05)
        return self

    def _ready(self) -> bool:
        ports = DataDir(self.data).ports()
        if ports is None or ports.pid != self.pid:
            return False
        self.port = int(ports.url.rpartition(":")[2])
        try:
            with urlopen(f"{ports.url}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def tell(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it without a word."""
        os.killpg(self.pid, signal.SIGKILL)
        self.wait(10)

    def wait(self, timeout_s: float) -> int:
        """Its exit code."""
        assert self.process is not None
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still there after {timeout_s} s:\n{self.tail()}") from None

    def tail(self, lines: int = 40) -> str:
        """The end of what it wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def close(self) -> None:
        """Make sure that nothing is left of it."""
        if self.process is not None and self.process.poll() is None:
            self.kill()


@contextmanager
def child_product(data: Path, env: Mapping[str, str] | None = None) -> Iterator[ChildProduct]:
    """A product that serves as a process of its own while the block runs."""
    child = ChildProduct(data, env)
    try:
        yield child.start()
    finally:
        child.close()


def children_of(pid: int) -> list[int]:
    """Processes that this one started and that still run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue
            if int(parent) == pid and state != "Z":
                found.append(int(entry.name))
    return found


def runs(pid: int) -> bool:
    """Whether a process is there and not merely waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def settings_for(data: Path, **env: str) -> Settings:
    """Settings of a product for tests: loopback, free ports, a quick end, and room for one busy address."""
    given = dict(QUICK) | {"KINORA_DATA_DIR": str(data), "KINORA_PORT": "0"} | env
    settings = Settings.from_env(given)
    # Everybody in a test comes from one address, and none of these tests is about that bound.
    wide = Rate(per_s=10_000.0, burst=10_000)
    gateway = replace(
        settings.gateway,
        requests_per_principal=wide,
        requests_per_address=wide,
        registrations_per_address=wide,
        logins_per_address=wide,
        logins_per_name=wide,
    )
    return replace(settings, gateway=gateway)


@asynccontextmanager
async def open_product(data: Path, settings: Settings | None = None) -> AsyncIterator[Serving]:
    """The product in this loop, on sockets and a data folder of its own."""
    settings = settings or settings_for(data)
    with (
        open_data_dir(data) as opened,
        open_listener("127.0.0.1", 0, setting="KINORA_PORT") as listener,
        open_listener("127.0.0.1", 0, setting="KINORA_METRICS_PORT") as page,
    ):
        metrics = Metrics(version=version())
        async with open_serving(settings, opened, listener, page, metrics) as serving:
            yield serving


async def eventually(
    look: Any, *, within_s: float = 10.0, every_s: float = 0.05, what: str = ""
) -> Any:
    """What `look()` gives once it is true; it may be a coroutine function.

    Raises:
        AssertionError: it was not true in time.
    """
    until = time.monotonic() + within_s
    while True:
        seen = look()
        if asyncio.iscoroutine(seen):
            seen = await seen
        if seen:
            return seen
        if time.monotonic() > until:
            raise AssertionError(f"not within {within_s} s: {what or look}")
        await asyncio.sleep(every_s)
