"""The processes of a fleet: how one starts, says that it is ready, ends, and with which exit code.

    kinora gateway --name gateway-0      kinora node --name node-0      kinora media --name media-0

Each is one event loop (uvloop) under a supervisor, which knows it by its files in the run folder and by its
exit code (`ops.supervisor.exit_codes`). SIGTERM ends it as a story: not ready any more, what runs is answered,
websockets are sent elsewhere, shards are given up, engines are let go. A second one ends it at once.
"""

import asyncio
import gc
import os
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Literal

import structlog
import uvloop

from actors.ports.clock import SystemClock
from actors.tasks import TaskSet
from ops.alarm import alarm_of
from ops.bounds import AddressUnusable, PortTaken, allow_open_files, open_listener
from ops.data_dir import DataDir, share_data_dir
from ops.environ import SettingsError
from ops.errors import CannotGoOn
from ops.fleet.scaffold import EngineUnreachable, Scaffold
from ops.logs import open_logs
from ops.meters import watch_logs
from ops.metrics import Metrics, open_metrics_page
from ops.settings import Settings, address_of
from ops.supervisor.exit_codes import ExitCode
from ops.supervisor.run_folder import Ready, RunFolder
from ops.version import version
from storage.errors import WrongDatabase

Kind = Literal["gateway", "node", "media"]

_LOG = structlog.get_logger("kinora")


def run_process(kind: Kind, name: str, settings: Settings) -> ExitCode:
    """Be one process of the fleet until SIGTERM; returns how it ended, having said why on stderr."""
    try:
        return _run(kind, name, settings)
    except EngineUnreachable as error:
        return _tell(error, ExitCode.ENGINE_UNREACHABLE)
    except PortTaken as error:
        return _tell(error, ExitCode.TRY_AGAIN)
    except (CannotGoOn, AddressUnusable, SettingsError, WrongDatabase) as error:
        return _tell(error, ExitCode.CONFIGURATION)


def _tell(error: Exception, code: ExitCode) -> ExitCode:
    print(f"{error}", file=sys.stderr, flush=True)
    return code


def _run(kind: Kind, name: str, settings: Settings) -> ExitCode:
    allow_open_files(settings.min_open_files)
    data = share_data_dir(settings.data_dir)
    with (
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
        return uvloop.run(_serve(kind, name, settings, data, metrics_listener, metrics))


async def _serve(
    kind: Kind,
    name: str,
    settings: Settings,
    data: DataDir,
    metrics_listener: socket.socket,
    metrics: Metrics,
) -> ExitCode:
    stopping = asyncio.Event()
    codes = [ExitCode.CLEAN]
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        if stopping.is_set():
            # Asked twice: whoever asks does not want to wait.
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        stopping.set()

    def give_up() -> None:
        codes[0] = ExitCode.TRY_AGAIN
        stopping.set()

    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stop, each)
    run = RunFolder(settings.fleet.run_dir)
    settings.fleet.run_dir.mkdir(parents=True, exist_ok=True)
    clock, alarm = SystemClock(), alarm_of(metrics)
    incarnation = f"{name}-{clock.unix_ms()}-{os.getpid()}"
    async with AsyncExitStack() as stack:
        tasks = TaskSet(alarm)
        stack.push_async_callback(tasks.close)
        base = Scaffold(
            name=name,
            incarnation=incarnation,
            settings=settings,
            data=data,
            clock=clock,
            tasks=tasks,
            dice=random.Random(),
            metrics=metrics,
            alarm=alarm,
            dead=run.begin(name, incarnation),
            give_up=give_up,
        )
        opening = tasks.spawn(stack.enter_async_context(_OPEN[kind](base)), name="open")
        waiting = tasks.spawn(stopping.wait(), name="wait for a signal")
        # A process that is asked to end while an engine keeps it waiting ends.
        await asyncio.wait((opening, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not opening.done():
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
            return codes[0]
        address = await opening
        await stack.enter_async_context(open_metrics_page(metrics, metrics_listener))
        page = address_of(settings.metrics_host, metrics_listener.getsockname()[1])
        # What was made at start lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        run.tell_ready(
            name,
            Ready(pid=os.getpid(), address=address, metrics_url=f"http://{page}/metrics"),
        )
        stack.callback(run.end, name)
        _LOG.info("serving", process=incarnation, address=address)
        await stopping.wait()
        _LOG.info("stopping", process=incarnation)
    _LOG.info("stopped", process=incarnation)
    return codes[0]


# Each kind loads only what it needs: how long a node takes to come back is how long its users wait.


@asynccontextmanager
async def _gateway(base: Scaffold) -> AsyncIterator[str]:
    from gateway.app import create_app
    from gateway.server import open_server
    from ops.fleet.gateway import open_fleet_gateway

    settings = base.settings
    async with AsyncExitStack() as stack:
        deps = await stack.enter_async_context(open_fleet_gateway(base))
        # Every gateway of this machine has a socket of its own on the one port; the kernel shares out.
        listener = stack.enter_context(
            open_listener(settings.host, settings.port, setting="KINORA_PORT", shared=True)
        )
        await stack.enter_async_context(open_server(create_app(deps), listener, settings.gateway))
        yield settings.url_at(listener.getsockname()[1])


@asynccontextmanager
async def _node(base: Scaffold) -> AsyncIterator[str]:
    from ops.fleet.node import open_fleet_node

    async with open_fleet_node(base) as opened:
        yield opened.address


@asynccontextmanager
async def _media(base: Scaffold) -> AsyncIterator[str]:
    from ops.fleet.media import open_fleet_media

    async with open_fleet_media(base):
        yield ""


#: How each kind is opened; gives the address that it serves on, empty where nobody calls it.
_OPEN: dict[Kind, Callable[[Scaffold], AbstractAsyncContextManager[str]]] = {
    "gateway": _gateway,
    "node": _node,
    "media": _media,
}
