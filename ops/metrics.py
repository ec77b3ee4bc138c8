"""What the product measures of itself, and the page that shows it on a port of its own.

`METRICS` is the one list: name, kind, meaning, labels. A name that is not there is an error of types, and
the list is the documentation. Two ways in: who counts calls `count` and `observe`; who holds something
bounded is *watched*: its snapshot is read when the page is, so an idle product does no work for it.

A scrape never fails because of one part: a reader that raises is left out and counted.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Kind = Literal["counter", "gauge", "histogram"]

MetricName = Literal[
    "kinora_http_requests_total",
    "kinora_http_request_seconds",
    "kinora_sockets_open",
    "kinora_sockets_closed_total",
    "kinora_shards_owned",
    "kinora_shards_lost_total",
    "kinora_actors_active",
    "kinora_actors_loading",
    "kinora_activations_total",
    "kinora_passivations_total",
    "kinora_mailbox_waiting",
    "kinora_mailbox_refused_total",
    "kinora_backlog_ops",
    "kinora_commits_total",
    "kinora_commit_ops_total",
    "kinora_event_gaps_total",
    "kinora_cache_entries",
    "kinora_cache_capacity",
    "kinora_cache_reads_total",
    "kinora_cache_evicted_total",
    "kinora_bus_waiting",
    "kinora_bus_delivered_total",
    "kinora_bus_failures_total",
    "kinora_bus_broadcasts_dropped_total",
    "kinora_jobs_waiting",
    "kinora_jobs_running",
    "kinora_jobs_unreported",
    "kinora_database_waiting",
    "kinora_database_transactions_total",
    "kinora_database_writes_total",
    "kinora_database_reads_total",
    "kinora_database_write_seconds_total",
    "kinora_tasks_failed_total",
    "kinora_shards_unsure",
    "kinora_shards_dirty",
    "kinora_commits_replayed_total",
    "kinora_adapter",
    "kinora_log_lines_waiting",
    "kinora_log_lines_dropped_total",
    "kinora_watch_failures_total",
    "kinora_build_info",
]

#: Bounds of request times in seconds: from a warm feed page to a client's patience.
SECONDS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class MetricSpec:
    """One metric as it is promised to dashboards."""

    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()
    #: Upper bounds of a histogram's buckets, in the unit of its name.
    buckets: tuple[float, ...] = field(default=SECONDS_BUCKETS)


METRICS: Mapping[MetricName, MetricSpec] = {
    "kinora_http_requests_total": MetricSpec(
        "counter", "Requests that were answered.", ("route", "status")
    ),
    "kinora_http_request_seconds": MetricSpec(
        "histogram", "From a request's arrival to its answer.", ("route",)
    ),
    "kinora_sockets_open": MetricSpec("gauge", "Websockets that are open."),
    "kinora_sockets_closed_total": MetricSpec(
        "counter", "Websockets that we closed, by close code.", ("code",)
    ),
    "kinora_shards_owned": MetricSpec("gauge", "Shards that this process owns."),
    "kinora_shards_lost_total": MetricSpec(
        "counter", "Shards that the fence took away from this process."
    ),
    "kinora_actors_active": MetricSpec("gauge", "Actors in memory."),
    "kinora_actors_loading": MetricSpec("gauge", "Actors whose state is being read."),
    "kinora_activations_total": MetricSpec("counter", "Actors that were loaded."),
    "kinora_passivations_total": MetricSpec("counter", "Actors that were let go."),
    "kinora_mailbox_waiting": MetricSpec("gauge", "Messages that wait for their actor."),
    "kinora_mailbox_refused_total": MetricSpec(
        "counter", "Messages that were refused because a mailbox was full."
    ),
    "kinora_backlog_ops": MetricSpec(
        "gauge", "Operations that are not committed, landed and relayed yet."
    ),
    "kinora_commits_total": MetricSpec("counter", "Commits of shard state."),
    "kinora_commit_ops_total": MetricSpec("counter", "Operations that those commits carried."),
    "kinora_event_gaps_total": MetricSpec(
        "counter", "Events whose predecessor was never seen; their targets are recounted."
    ),
    "kinora_shards_unsure": MetricSpec(
        "gauge", "Owned shards that answer nobody: the lease is over and the store is silent."
    ),
    "kinora_shards_dirty": MetricSpec("gauge", "Owned shards whose counts are to be taken anew."),
    "kinora_commits_replayed_total": MetricSpec(
        "counter", "Commits offered again to a store that had lost them."
    ),
    "kinora_adapter": MetricSpec(
        "gauge",
        "One number of the statistics of an adapter or a link, by its field.",
        ("adapter", "number"),
    ),
    "kinora_cache_entries": MetricSpec("gauge", "Entries of a cache.", ("cache",)),
    "kinora_cache_capacity": MetricSpec("gauge", "Entries that a cache holds at most.", ("cache",)),
    "kinora_cache_reads_total": MetricSpec(
        "counter", "Reads of the store on behalf of a cache.", ("cache",)
    ),
    "kinora_cache_evicted_total": MetricSpec(
        "counter", "Entries that made room for others.", ("cache",)
    ),
    "kinora_bus_waiting": MetricSpec("gauge", "Envelopes that are not taken over yet."),
    "kinora_bus_delivered_total": MetricSpec("counter", "Envelopes that were taken over."),
    "kinora_bus_failures_total": MetricSpec("counter", "Deliveries that failed and were repeated."),
    "kinora_bus_broadcasts_dropped_total": MetricSpec(
        "counter", "Broadcasts that were dropped because too many waited."
    ),
    "kinora_jobs_waiting": MetricSpec("gauge", "Encodings that wait for a worker."),
    "kinora_jobs_running": MetricSpec("gauge", "Encodings under way."),
    "kinora_jobs_unreported": MetricSpec(
        "gauge", "Encodings that ended and whose video does not know yet."
    ),
    "kinora_database_waiting": MetricSpec(
        "gauge", "Calls of the database that are not answered yet."
    ),
    "kinora_database_transactions_total": MetricSpec(
        "counter", "Transactions that wrote; each is one sync of the disk."
    ),
    "kinora_database_writes_total": MetricSpec(
        "counter", "Writes that those transactions carried."
    ),
    "kinora_database_reads_total": MetricSpec("counter", "Reads of the database."),
    "kinora_database_write_seconds_total": MetricSpec(
        "counter", "Seconds that the writer was at work."
    ),
    "kinora_tasks_failed_total": MetricSpec("counter", "Background tasks that ended by an error."),
    "kinora_log_lines_waiting": MetricSpec("gauge", "Log lines that are not written yet."),
    "kinora_log_lines_dropped_total": MetricSpec(
        "counter", "Log lines that were lost because their reader is too slow."
    ),
    "kinora_watch_failures_total": MetricSpec(
        "counter", "Readings of this page that failed and were left out."
    ),
    "kinora_build_info": MetricSpec("gauge", "1, with the version as label.", ("version",)),
}

#: What a collecting callback gives: a name, a number, and a value for each of its labels.
Sample = tuple[MetricName, float] | tuple[MetricName, float, Mapping[str, str]]

Increase = Callable[[], None]
Observe = Callable[[float], None]

#: Bytes of a request for the page, connections at a time, and seconds that one may take.
MAX_REQUEST_BYTES = 8 * 1024
MAX_CONNECTIONS = 8
REQUEST_S = 5.0


class Metrics:
    """All numbers of one process, in a registry of its own."""

    def __init__(self, *, version: str) -> None:
        # A switch of the library as a whole; its `_created` series double the page for nobody.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry(auto_describe=False)
        self._direct: dict[MetricName, Counter | Gauge | Histogram] = {}
        self._watched = _Watched()
        self.registry.register(self._watched)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.watch("kinora_build_info", lambda: 1, version=version)

    def count(self, name: MetricName, amount: float = 1, **labels: str) -> None:
        """Add to a counter.

        Raises:
            TypeError: `name` is no counter, or these are not its labels.
        """
        metric = self._metric(name, "counter", labels)
        cast(Counter, metric.labels(**labels) if labels else metric).inc(amount)

    def observe(self, name: MetricName, value: float, **labels: str) -> None:
        """Note one value in a histogram.

        Raises:
            TypeError: `name` is no histogram, or these are not its labels.
        """
        metric = self._metric(name, "histogram", labels)
        cast(Histogram, metric.labels(**labels) if labels else metric).observe(value)

    def counter(self, name: MetricName, **labels: str) -> Increase:
        """What adds one to a counter with these labels; for who counts often."""
        metric = self._metric(name, "counter", labels)
        increase: Increase = (metric.labels(**labels) if labels else metric).inc
        return increase

    def observer(self, name: MetricName, **labels: str) -> Observe:
        """What notes a value in a histogram with these labels; for who observes often."""
        metric = self._metric(name, "histogram", labels)
        observe: Observe = (metric.labels(**labels) if labels else metric).observe
        return observe

    def watch(self, name: MetricName, read: Callable[[], float], **labels: str) -> None:
        """Show what `read` returns whenever the page is asked for; `read` must not block.

        Raises:
            TypeError: these are not the labels of `name`, or it is a histogram.
        """
        _check(name, labels)
        self.collect(lambda: ((name, read(), labels),))

    def collect(self, callback: Callable[[], Iterable[Sample]]) -> None:
        """Ask `callback` for several numbers at once: one snapshot, many metrics."""
        self._watched.callbacks.append(callback)

    def exposition(self) -> bytes:
        """The page, in Prometheus' text format."""
        return generate_latest(self.registry)

    def __repr__(self) -> str:
        return f"<Metrics direct={len(self._direct)} watched={len(self._watched.callbacks)}>"

    def _metric(self, name: MetricName, kind: Kind, labels: Mapping[str, str]) -> Any:
        metric = self._direct.get(name)
        if metric is None:
            spec = METRICS[name]
            _check(name, labels)
            if spec.kind == "histogram":
                metric = Histogram(
                    name, spec.meaning, spec.labels, buckets=spec.buckets, registry=self.registry
                )
            else:
                metric = Counter(name, spec.meaning, spec.labels, registry=self.registry)
            self._direct[name] = metric
        if METRICS[name].kind != kind:
            raise TypeError(f"{name} is a {METRICS[name].kind}, not a {kind}")
        return metric


class _Watched(Collector):
    """Reads every watched part when the page is asked for."""

    def __init__(self) -> None:
        self.callbacks: list[Callable[[], Iterable[Sample]]] = []
        self._failures = 0

    def collect(self) -> Iterator[Metric]:
        families: dict[MetricName, CounterMetricFamily | GaugeMetricFamily] = {}
        for callback in self.callbacks:
            try:
                samples = [_sample(each) for each in callback()]
            except Exception:
                self._failures += 1
                continue
            for name, value, labels in samples:
                _add(families, name, value, labels)
        _add(families, "kinora_watch_failures_total", self._failures, {})
        yield from families.values()

    def describe(self) -> Iterable[Metric]:
        return ()


def _sample(sample: Sample) -> tuple[MetricName, float, Mapping[str, str]]:
    name, value = sample[0], sample[1]
    labels = sample[2] if len(sample) == 3 else {}
    _check(name, labels)
    return name, float(value), labels


def _add(
    families: dict[MetricName, Any], name: MetricName, value: float, labels: Mapping[str, str]
) -> None:
    spec = METRICS[name]
    family = families.get(name)
    if family is None:
        make = CounterMetricFamily if spec.kind == "counter" else GaugeMetricFamily
        family = families[name] = make(name, spec.meaning, labels=spec.labels)
    family.add_metric([labels[label] for label in spec.labels], value)


def _check(name: MetricName, labels: Mapping[str, str]) -> None:
    spec = METRICS.get(name)
    if spec is None:
        raise TypeError(f"{name} is not in the list of metrics")
    if set(labels) != set(spec.labels):
        raise TypeError(f"{name} has the labels {spec.labels}, not {tuple(labels)}")


def every_name() -> tuple[str, ...]:
    """All names, as the type says them; a test compares it with the list."""
    return get_args(MetricName)


@asynccontextmanager
async def open_metrics_page(metrics: Metrics, listener: socket.socket) -> AsyncIterator[None]:
    """Serve `GET /metrics` on a listening socket until the block ends.

    Small and of our own: prometheus_client's server starts a thread a request and cannot be waited for.
    """
    open_now = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now
        open_now += 1
        try:
            if open_now <= MAX_CONNECTIONS:
                async with asyncio.timeout(REQUEST_S):
                    head = await reader.readuntil(b"\r\n\r\n")
                    writer.write(_answer(head, metrics))
                    await writer.drain()
        except (TimeoutError, OSError, EOFError, asyncio.LimitOverrunError):
            # A client that does not speak, or left; there is nobody to answer.
            pass
        finally:
            open_now -= 1
            writer.close()

    server = await asyncio.start_server(serve, sock=listener, limit=MAX_REQUEST_BYTES)
    try:
        yield
    finally:
        server.close()
        await server.wait_closed()


def _answer(head: bytes, metrics: Metrics) -> bytes:
    method, _, rest = head.partition(b" ")
    path = rest.partition(b" ")[0].partition(b"?")[0]
    kind = b"text/plain; charset=utf-8"
    if path != b"/metrics":
        status, body = b"404 Not Found", b"There is /metrics here.\n"
    elif method not in (b"GET", b"HEAD"):
        status, body = b"405 Method Not Allowed", b"GET is allowed here.\n"
    else:
        status, body = b"200 OK", metrics.exposition()
        kind = b"text/plain; version=0.0.4; charset=utf-8"
    lines = (
        b"HTTP/1.1 " + status,
        b"Content-Type: " + kind,
        b"Content-Length: %d" % len(body),
        b"Connection: close",
    )
    return b"\r\n".join(lines) + b"\r\n\r\n" + (b"" if method == b"HEAD" else body)
