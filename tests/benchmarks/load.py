"""Load: what is asked of the generator, and what it saw.

The generator (`tests.benchmarks.generator`) is ours: no tool that testers trust can be installed from PyPI
as a binary, and the Python ones are slower than the server that they would have to saturate. It is checked
against `wrk` whenever there is one (see `tests.benchmarks.wrk`).
"""

import subprocess
import sys

import msgspec

from tests.benchmarks.cores import pin
from tests.benchmarks.report import ROOT, Broken

#: Seconds beyond the planned ones after which a generator counts as hung, and for each request of a run that
#: makes every request once.
PATIENCE_S, PATIENCE_EACH_S = 60.0, 0.05


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """Some connections, each of which goes round its own requests."""

    host: str
    port: int
    #: For each connection the raw bytes of its requests, in order.
    connections: list[list[bytes]]
    #: Process whose processor time is noted at both ends of the measured window.
    server: int
    #: Processes whose time is noted beside it.
    others: tuple[int, ...] = ()
    #: Every request once, instead of for some time.
    once: bool = False
    warm_s: float = 0.5
    seconds: float = 2.0
    #: Requests a second, sent when they are due whether or not earlier ones were answered (open loop);
    #: None: each connection asks again as soon as it was answered (closed loop).
    rate: float | None = None
    #: Of how many answers one is kept whole.
    keep_every: int = 200


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """One answer, kept whole."""

    connection: int
    request: int
    #: Head and body.
    answer: bytes


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in the measured window."""

    seconds: float
    #: Microseconds of each answer, little-endian 32-bit: from when the request was sent, or in an open
    #: loop from when it was due.
    latencies: bytes
    #: Status to how often, over the whole run.
    statuses: dict[int, int]
    kept: list[Kept]
    server_cpu_s: float
    generator_cpu_s: float
    #: Of each of the others, in their order.
    others_cpu_s: tuple[float, ...]
    #: Requests of an open loop that were due and not sent when the window ended.
    unsent: int

    @property
    def micros(self) -> list[int]:
        """Latencies in microseconds, in the order of the answers."""
        return memoryview(self.latencies).cast("I").tolist()

    @property
    def answers(self) -> int:
        return len(self.latencies) // 4

    @property
    def per_s(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds

    @property
    def cpu_us(self) -> float:
        """Processor time of the server for one answer, in microseconds."""
        return self.server_cpu_s / max(1, self.answers) * 1e6

    @property
    def others_cpu_us(self) -> tuple[float, ...]:
        """The same of each of the others."""
        return tuple(each / max(1, self.answers) * 1e6 for each in self.others_cpu_s)


def run_load(load: Load, core: int | None, *, expected: frozenset[int] = frozenset({200})) -> Seen:
    """Have a process of its own make this load.

    Raises:
        Broken: it failed, or an answer had another status than the expected ones.
    """
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.generator"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    pin(child.pid, core)
    try:
        timeout = load.warm_s + load.seconds + PATIENCE_S
        if load.once:
            timeout += PATIENCE_EACH_S * sum(map(len, load.connections))
        out, errors = child.communicate(msgspec.msgpack.encode(load), timeout)
    except subprocess.TimeoutExpired:
        raise Broken("the load generator hangs: a request was never answered") from None
    finally:
        child.kill()
        child.wait()
    if child.returncode or not out:
        raise Broken(f"the load generator failed: {errors.decode(errors='replace')[-2000:]}")
    seen = msgspec.msgpack.decode(out, type=Seen)
    if not expected.issuperset(seen.statuses) or not seen.statuses:
        raise Broken(f"answers had the statuses {seen.statuses}, expected {sorted(expected)}")
    return seen


def get(path: str, *, host: str, token: str | None = None) -> bytes:
    """A GET as a lean client writes it."""
    return _request("GET", path, host, token)


def send(method: str, path: str, *, host: str, token: str) -> bytes:
    """A call without a body."""
    return _request(method, path, host, token, "Content-Length: 0\r\n")


def spread(requests: list[bytes], connections: int) -> list[list[bytes]]:
    """Requests dealt out to connections, in turn; fewer connections when there are not enough."""
    return [requests[at::connections] for at in range(min(connections, len(requests)))]


def _request(method: str, path: str, host: str, token: str | None, more: str = "") -> bytes:
    bearer = f"Authorization: Bearer {token}\r\n" if token else ""
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{bearer}{more}\r\n".encode()
