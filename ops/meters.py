"""Who tells the metrics what: the gateway by its port, everything bounded by its snapshot."""

from collections.abc import Callable

from actors.caches import CacheStatistics
from actors.runtime import RuntimeStatistics
from ops.logs import LinePipe
from ops.metrics import Increase, Metrics, Observe, Sample
from storage.embedded.bus import BusStatistics
from storage.embedded.jobs import JobStatistics
from storage.embedded.runners import DatabaseStatistics


class GatewayMeters:
    """Counts calls and websockets."""

    __slots__ = ("_known", "_metrics", "_sockets")

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        #: Routes and statuses are few; finding their metric by labels costs more than counting.
        self._known: dict[tuple[str, int], tuple[Increase, Observe]] = {}
        self._sockets = 0
        metrics.watch("kinora_sockets_open", lambda: self._sockets)

    def request(self, route: str, status: int, seconds: float) -> None:
        """One answered call."""
        known = self._known.get((route, status))
        if known is None:
            known = self._known[route, status] = (
                self._metrics.counter(
                    "kinora_http_requests_total", route=route, status=str(status)
                ),
                self._metrics.observer("kinora_http_request_seconds", route=route),
            )
        increase, observe = known
        increase()
        observe(seconds)

    def sockets(self, count: int) -> None:
        """So many websockets are open now."""
        self._sockets = count

    def socket_closed(self, code: int) -> None:
        """A websocket was closed from our side with this code."""
        self._metrics.count("kinora_sockets_closed_total", code=str(code))

    def __repr__(self) -> str:
        return f"<GatewayMeters sockets={self._sockets}>"


def watch_runtime(metrics: Metrics, read: Callable[[], RuntimeStatistics]) -> None:
    """Show the actors of a node."""

    def samples() -> tuple[Sample, ...]:
        now = read()
        return (
            ("kinora_shards_owned", now.shards),
            ("kinora_shards_lost_total", now.shards_lost),
            ("kinora_actors_active", now.actors),
            ("kinora_actors_loading", now.loading),
            ("kinora_activations_total", now.activations),
            ("kinora_passivations_total", now.passivations),
            ("kinora_mailbox_waiting", now.mailboxes_waiting),
            ("kinora_mailbox_refused_total", now.refused),
            ("kinora_backlog_ops", now.backlog),
            ("kinora_commits_total", now.commits),
            ("kinora_commit_ops_total", now.operations),
            ("kinora_event_gaps_total", now.gaps),
            ("kinora_shards_unsure", now.shards_unsure),
            ("kinora_shards_dirty", now.shards_dirty),
            ("kinora_commits_replayed_total", now.replayed),
        )

    metrics.collect(samples)


def watch_cache(metrics: Metrics, name: str, read: Callable[[], CacheStatistics]) -> None:
    """Show one cache under `name`."""
    labels = {"cache": name}

    def samples() -> tuple[Sample, ...]:
        now = read()
        return (
            ("kinora_cache_entries", now.entries, labels),
            ("kinora_cache_capacity", now.capacity, labels),
            ("kinora_cache_reads_total", now.reads, labels),
            ("kinora_cache_evicted_total", now.evicted, labels),
        )

    metrics.collect(samples)


def watch_bus(metrics: Metrics, read: Callable[[], BusStatistics]) -> None:
    """Show the bus."""

    def samples() -> tuple[Sample, ...]:
        now = read()
        return (
            ("kinora_bus_waiting", now.waiting),
            ("kinora_bus_delivered_total", now.delivered),
            ("kinora_bus_failures_total", now.failures + now.listener_failures),
            ("kinora_bus_broadcasts_dropped_total", now.broadcasts_dropped),
        )

    metrics.collect(samples)


def watch_database(metrics: Metrics, read: Callable[[], DatabaseStatistics]) -> None:
    """Show the database."""

    def samples() -> tuple[Sample, ...]:
        now = read()
        return (
            ("kinora_database_waiting", now.waiting),
            ("kinora_database_transactions_total", now.batches),
            ("kinora_database_writes_total", now.writes),
            ("kinora_database_reads_total", now.reads),
            ("kinora_database_write_seconds_total", now.write_s),
        )

    metrics.collect(samples)


def watch_jobs(metrics: Metrics, read: Callable[[], JobStatistics | None]) -> None:
    """Show the encodings; `read` gives what was counted last, None while nothing was."""

    def samples() -> tuple[Sample, ...]:
        now = read()
        if now is None:
            return ()
        return (
            ("kinora_jobs_waiting", now.waiting),
            ("kinora_jobs_running", now.running),
            ("kinora_jobs_unreported", now.unreported),
        )

    metrics.collect(samples)


def watch_logs(metrics: Metrics, pipe: LinePipe) -> None:
    """Show what waits to be logged and what was lost."""
    metrics.watch("kinora_log_lines_waiting", lambda: pipe.waiting)
    metrics.watch("kinora_log_lines_dropped_total", lambda: pipe.dropped)
