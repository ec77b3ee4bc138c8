"""The product as users run it: `kinora run` in a process of its own, on a data folder of its own."""

import http.client
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from ops.data_dir import DataDir
from ops.ports_file import Ports
from tests.benchmarks.cores import pin
from tests.benchmarks.report import ROOT, Broken

#: Seconds that the product may take to be ready, and to end.
READY_S, END_S = 60.0, 30.0
_SAMPLE = re.compile(r"^(kinora_[a-z_]+(?:\{[^}]*\})?) (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A product that answers."""

    ports: Ports
    folder: DataDir

    @property
    def host(self) -> str:
        return urlsplit(self.ports.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.ports.url).port or 0

    @property
    def address(self) -> str:
        """As it stands in a Host header."""
        return urlsplit(self.ports.url).netloc

    def call(
        self, method: str, path: str, token: str, *, body: object = None, status: int = 200
    ) -> Any:
        """The JSON of one call.

        Raises:
            Broken: it was answered by another status.
        """
        raw = orjson.dumps(body) if body is not None else b""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        got, answer = self.send(method, path, headers, raw)
        if got != status:
            raise Broken(f"{method} {path} was answered {got}: {answer[:500]!r}")
        return orjson.loads(answer) if answer else None

    def send(
        self, method: str, address: str, headers: Mapping[str, str], body: bytes = b""
    ) -> tuple[int, bytes]:
        """Status and body of one request on a connection of its own; `address` may be a whole one."""
        where = urlsplit(address)
        host, port = (where.hostname, where.port) if where.netloc else (self.host, self.port)
        connection = http.client.HTTPConnection(host or "", port, timeout=30)
        path = address.removeprefix(f"{where.scheme}://{where.netloc}") if where.netloc else address
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def metrics(self) -> dict[str, float]:
        """The numbers of its metrics page, by name and labels."""
        return read_metrics(self.ports.metrics_url)


def read_metrics(url: str) -> dict[str, float]:
    """The numbers of a metrics page, by name and labels."""
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
    try:
        connection.request("GET", where.path)
        page = connection.getresponse().read().decode()
    finally:
        connection.close()
    return {name: float(value) for name, value in _SAMPLE.findall(page)}


@contextmanager
def open_product(
    path: Path, core: int | None, settings: Mapping[str, str] | None = None
) -> Iterator[Product]:
    """The product on the data folder at `path`, with its defaults but for `settings`, until the block ends.

    Raises:
        Broken: it does not start, or did not end well.
    """
    folder = DataDir(path)
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("KINORA_")}
    environment = clean | {
        "KINORA_DATA_DIR": str(path),
        "KINORA_PORT": "0",
        # Nobody balances load in front of it: at the end it need not wait for being noticed.
        "KINORA_GATEWAY_DRAIN_NOTICE_S": "0.01",
        **(settings or {}),
    }
    log = path.with_name(f"{path.name}.log")
    with log.open("wb") as said:
        child = subprocess.Popen(
            [sys.executable, "-m", "ops.cli", "run"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
    pin(child.pid, core)
    try:
        yield Product(ports=_ready(child, folder, log), folder=folder)
        child.send_signal(signal.SIGTERM)
        try:
            code = child.wait(END_S)
        except subprocess.TimeoutExpired:
            raise Broken(f"the product did not end: {_tail(log)}") from None
        if code:
            raise Broken(f"the product ended with {code}: {_tail(log)}")
    finally:
        child.kill()
        child.wait()


def _ready(child: "subprocess.Popen[bytes]", folder: DataDir, log: Path) -> Ports:
    until = time.monotonic() + READY_S
    while time.monotonic() < until and child.poll() is None:
        ports = folder.ports()
        if ports is not None and ports.pid == child.pid:
            return ports
        time.sleep(0.02)
    raise Broken(f"the product does not start: {_tail(log)}")


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-6000:]
