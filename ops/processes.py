"""Processes: how Kinora is started in the foreground, says where it is, and ends.

The end is a story in one order: stop being ready, answer what runs, send websockets elsewhere, give back
the encoding that is under way, write everything behind, give the shards up, close the database. A second
Ctrl-C ends it at once; nothing that was acknowledged is lost even then, it is only picked up at the start.
"""

import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog
import uvloop

from actors.ports.clock import SystemClock
from gateway.app import create_app
from gateway.server import GatewayServer, open_server
from ops.alarm import alarm_of
from ops.bounds import allow_open_files, open_listener
from ops.data_dir import OpenDataDir, open_data_dir
from ops.greeting import greeting
from ops.logs import open_logs
from ops.meters import watch_logs
from ops.metrics import Metrics, open_metrics_page
from ops.ports_file import Ports
from ops.settings import Settings, address_of
from ops.version import version
from ops.wiring import Embedded, open_embedded

_LOG = structlog.get_logger("kinora")


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A product that answers."""

    product: Embedded
    server: GatewayServer
    ports: Ports


def run_embedded(settings: Settings) -> int:
    """Serve the whole product until SIGINT or SIGTERM; returns 0 after a clean end.

    Raises:
        CannotGoOn: a person has to change something first.
    """
    allow_open_files(settings.min_open_files)
    with (
        open_data_dir(settings.data_dir) as data,
        open_listener(settings.host, settings.port, setting="KINORA_PORT") as listener,
        open_listener(
            settings.metrics_host, settings.metrics_port, setting="KINORA_METRICS_PORT"
        ) as metrics_listener,
        open_logs(
            sys.stderr,
            level=settings.log_level,
            form=settings.log_format,
            backlog_lines=settings.log_backlog_lines,
        ) as pipe,
    ):
        metrics = Metrics(version=version())
        watch_logs(metrics, pipe)
        uvloop.run(_serve(settings, data, listener, metrics_listener, metrics))
    return 0


async def _serve(
    settings: Settings,
    data: OpenDataDir,
    listener: socket.socket,
    metrics_listener: socket.socket,
    metrics: Metrics,
) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, _stop, stopping, each)
    async with open_serving(settings, data, listener, metrics_listener, metrics) as serving:
        # What was made at start lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        print(greeting(serving.ports, data.dir.path), flush=True)
        await stopping.wait()
        _LOG.info("stopping", connections=repr(serving.server))
    _LOG.info("stopped")


def _stop(stopping: asyncio.Event, number: signal.Signals) -> None:
    if stopping.is_set():
        # Asked twice: whoever asks does not want to wait.
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    stopping.set()


@asynccontextmanager
async def open_serving(
    settings: Settings,
    data: OpenDataDir,
    listener: socket.socket,
    metrics_listener: socket.socket,
    metrics: Metrics,
) -> AsyncIterator[Serving]:
    """The product on bound sockets, published in its data folder while it serves."""
    async with AsyncExitStack() as stack:
        port = listener.getsockname()[1]
        url = settings.url_at(port)
        product = await stack.enter_async_context(
            open_embedded(
                settings,
                url=url,
                data=data.dir,
                clock=SystemClock(),
                metrics=metrics,
                alarm=alarm_of(metrics),
            )
        )
        await stack.enter_async_context(open_metrics_page(metrics, metrics_listener))
        server = await stack.enter_async_context(
            open_server(create_app(product.gateway), listener, settings.gateway)
        )
        metrics_port = metrics_listener.getsockname()[1]
        ports = Ports(
            url=url,
            metrics_url=f"http://{address_of(settings.metrics_host, metrics_port)}/metrics",
            pid=os.getpid(),
            version=version(),
        )
        data.publish(ports)
        yield Serving(product=product, server=server, ports=ports)
