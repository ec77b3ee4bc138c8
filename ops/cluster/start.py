"""What the commands do, between what is typed and the life cycle."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from random import SystemRandom

import msgspec
from msgspec import structs
from rich.console import Console

from ops.bounds import open_listener
from ops.cluster.lifecycle import PROGRAM, Bounds, alone, start, wait_until_healthy
from ops.cluster.plan import ENGINES
from ops.cluster.record import Cluster, ClusterFolder, Shape
from ops.cluster.table import cluster_table, is_healthy, url_of
from ops.engines.cassandra import addresses
from ops.engines.native import find_all
from ops.engines.ports import LOOPBACK, free_engine_ports
from ops.errors import CannotGoOn
from ops.settings import Settings
from ops.supervisor.control import Question, ask
from ops.supervisor.identity import is_alive
from ops.supervisor.state import ProcessState, SupervisorState

#: How long one process may take to be restarted, in seconds.
RESTART_S = 120.0
#: Between two looks, in seconds.
_LOOK_S = 0.05
#: Bytes of a cluster's name.
_ID_BYTES = 4

Wish = Mapping[str, object]


class OtherShape(CannotGoOn):
    """Something else runs in the folder, or lies in it, than what is wished for."""


def up(
    folder: ClusterFolder,
    wish: Wish,
    images: Mapping[str, str],
    environ: Mapping[str, str],
    *,
    program: str = PROGRAM,
    bounds: Bounds = Bounds(),  # noqa: B008  (frozen)
) -> bool:
    """Have the cluster run, and show it; whether it is healthy.

    `wish` holds what was said of the shape; the rest stays as it was, or is the default.

    Raises:
        CannotGoOn: an engine is missing, a port is taken, another shape runs, or the start failed.
    """
    if not sys.platform.startswith("linux"):
        raise CannotGoOn("kinora cluster needs Linux. Elsewhere: docker compose up")
    settings = Settings.from_env(environ)
    folder.make()
    with alone(folder):
        before = folder.cluster()
        shape = _wished(before, wish)
        if folder.supervisor.is_held() and before is not None:
            _until_decided(folder, bounds)
        if folder.supervisor.is_held() and before is not None:
            _refuse_other(before.shape, shape)
            state = folder.supervisor.state()
            if state is not None and state.phase == "starting":
                with Console(stderr=True).status("Starting the cluster") as line:
                    wait_until_healthy(folder, state.supervisor, line.update, bounds)
            return show(folder)
        _refuse_kept(before, shape)
        cluster = _cluster(before, shape, images, settings)
        if cluster.shape.engines == "docker" or program == PROGRAM:
            _check_engines(cluster, environ)
        _check_ports(cluster)
        began = time.monotonic()
        console = Console(stderr=True)
        with console.status("Starting the cluster") as line:
            state = start(folder, cluster, environ, say=line.update, program=program, bounds=bounds)
        console.print(f"Healthy after {time.monotonic() - began:.1f} s.")
        return _show(cluster, state)


def show(folder: ClusterFolder) -> bool:
    """Print what runs in the folder, and where it answers; whether it is healthy.

    Raises:
        CannotGoOn: there is no cluster.
    """
    cluster = folder.cluster()
    if cluster is None:
        raise CannotGoOn(f"There is no cluster in {folder.path}. Start one: kinora cluster up")
    return _show(cluster, folder.supervisor.state())


def restart(folder: ClusterFolder, names: Sequence[str], say: Callable[[str], None]) -> None:
    """Restart processes one after another; all of Kinora's where `names` is empty.

    Raises:
        CannotGoOn: there is no such process, nothing runs, or one is not ready afterwards.
    """
    cluster, state = folder.cluster(), folder.supervisor.state()
    if cluster is None or state is None or not is_alive(state.supervisor):
        raise CannotGoOn("No cluster runs here. Start one: kinora cluster up")
    known = {process.name: process for process in state.processes}
    ours = (*cluster.names("node"), *cluster.names("media"), *cluster.names("gateway"))
    for name in names or ours:
        if name not in known:
            raise CannotGoOn(f"There is no process {name!r}. There are: {', '.join(known)}.")
        _restart_one(folder, known[name])
        say(f"{name} is ready again.")


def _restart_one(folder: ClusterFolder, before: ProcessState) -> None:
    try:
        question = Question(command="restart", name=before.name)
        answer = ask(folder.supervisor.control, question, timeout_s=Bounds().ask_s)
    except OSError as error:
        raise CannotGoOn(f"The supervisor does not answer: {error}.") from error
    if not answer.ok:
        raise CannotGoOn(f"{before.name} is not restarted: {answer.message}.")
    until = time.monotonic() + RESTART_S
    while time.monotonic() < until:
        state = folder.supervisor.state()
        now = _process(state, before.name)
        if now is not None and now.is_well and (before.once or now.ref != before.ref):
            return
        time.sleep(_LOOK_S)
    raise CannotGoOn(f"{before.name} is not ready within {RESTART_S:g} s; see its log.")


def _process(state: SupervisorState | None, name: str) -> ProcessState | None:
    processes = state.processes if state is not None else ()
    return next((process for process in processes if process.name == name), None)


def _show(cluster: Cluster, state: SupervisorState | None) -> bool:
    healthy = is_healthy(state)
    console = Console()
    console.print(cluster_table(cluster, state))
    console.print(f"It is: {cluster.shape}.", highlight=False)
    if healthy:
        console.print(f"Kinora serves at {url_of(cluster)}", highlight=False)
    return healthy


def _wished(before: Cluster | None, wish: Wish) -> Shape:
    base = before.shape if before is not None else Shape()
    return msgspec.convert({**structs.asdict(base), **wish}, Shape)


def _until_decided(folder: ClusterFolder, bounds: Bounds) -> None:
    """Wait for a supervisor that is about to end, so that `up` may follow `down` at once."""
    until = time.monotonic() + bounds.down_s
    while time.monotonic() < until and folder.supervisor.is_held():
        state = folder.supervisor.state()
        if state is not None and state.phase in ("starting", "running"):
            return
        time.sleep(_LOOK_S)


def _refuse_other(runs: Shape, wished: Shape) -> None:
    if runs != wished:
        raise OtherShape(
            f"A cluster of another shape runs here: {runs}.\nWished for: {wished}.\n"
            "Stop it first (kinora cluster down), or start the other one beside it (--dir)."
        )


def _refuse_kept(before: Cluster | None, shape: Shape) -> None:
    if before is None:
        return
    kept = before.shape
    if (kept.engines, kept.cassandra) != (shape.engines, shape.cassandra):
        raise OtherShape(
            f"What is stored here was made with: {kept}.\n"
            "Other engines cannot take it over. Remove it (kinora cluster down --wipe),"
            " or name another folder (--dir)."
        )


def _cluster(
    before: Cluster | None, shape: Shape, images: Mapping[str, str], settings: Settings
) -> Cluster:
    dice = SystemRandom()
    port = settings.port
    if port == 0:
        with open_listener(settings.host, 0, setting="KINORA_PORT") as listener:
            port = listener.getsockname()[1]
    if before is not None:
        return structs.replace(
            before,
            shape=shape,
            host=settings.host,
            port=port,
            images={**before.images, **images},
        )
    return Cluster(
        id=dice.randbytes(_ID_BYTES).hex(),
        shape=shape,
        host=settings.host,
        port=port,
        ports=free_engine_ports(dice, addresses=addresses(shape.cassandra)),
        images=dict(images),
    )


def _check_engines(cluster: Cluster, environ: Mapping[str, str]) -> None:
    if cluster.shape.engines == "native":
        find_all(ENGINES, environ)
        return
    from ops.cluster.images import have_images

    have_images(cluster.images, Console(stderr=True).print)


def _check_ports(cluster: Cluster) -> None:
    with open_listener(cluster.host, cluster.port, setting="KINORA_PORT"):
        pass
    ports = cluster.ports
    wanted = [(LOOPBACK, port) for port in (*ports.redis, ports.nats, ports.minio, ports.nginx)]
    wanted += [(address, ports.cassandra) for address in addresses(cluster.shape.cassandra)]
    for host, port in wanted:
        try:
            with open_listener(host, port, setting="KINORA_PORT"):
                pass
        except CannotGoOn as error:
            raise CannotGoOn(
                f"Port {port} of {host}, on which an engine of this folder listens, is taken.\n"
                "Stop whoever listens there, or name another folder (--dir)."
            ) from error
