"""What a cluster looks like to the person who started it: one line a process."""

from rich.table import Table

from ops.cluster.record import Cluster
from ops.settings import address_of
from ops.supervisor.exit_codes import describe
from ops.supervisor.identity import is_alive, resident_bytes
from ops.supervisor.state import ProcessState, SupervisorState

_COLOURS = {
    "ready": "green",
    "done": "green",
    "starting": "yellow",
    "waiting": "yellow",
    "backing_off": "red",
    "held": "yellow",
    "unwell": "red",
    "given_up": "red",
}


def url_of(cluster: Cluster) -> str:
    """Where the product answers."""
    return f"http://{address_of(cluster.host, cluster.port)}"


def is_healthy(state: SupervisorState | None) -> bool:
    """Whether everything runs now, not only when the state was written."""
    return state is not None and is_alive(state.supervisor) and state.is_healthy


def cluster_table(cluster: Cluster, state: SupervisorState | None) -> Table:
    """Process, pid, address, memory and health of everything."""
    table = Table(title=f"Cluster {cluster.id}", title_justify="left")
    table.add_column("process")
    table.add_column("pid", justify="right")
    table.add_column("address", overflow="fold")
    table.add_column("memory", justify="right")
    table.add_column("health", overflow="fold")
    if state is None:
        return table
    runs = is_alive(state.supervisor)
    own = resident_bytes(state.supervisor)
    table.add_row("supervisor", str(state.supervisor.pid), "", _size(own), _word(state, runs))
    total = own
    for process in state.processes:
        # A step that made an engine whole says nothing that its processes do not say.
        if process.once and process.condition == "done" and process.last_exit is None:
            continue
        memory = resident_bytes(process.ref) if process.ref is not None else 0
        total += memory
        pid = str(process.ref.pid) if process.ref is not None else ""
        health = _health(process, runs)
        table.add_row(process.name, pid, process.address, _size(memory), health)
    table.add_section()
    table.add_row("all", "", "", _size(total), "")
    return table


def _word(state: SupervisorState, runs: bool) -> str:
    if runs:
        return state.phase
    if state.phase == "failed":
        return f"[red]failed on {state.failed}: {state.reason}"
    return "stopped" if state.phase == "stopped" else "[red]gone"


def _health(process: ProcessState, runs: bool) -> str:
    if not runs and process.condition != "stopped":
        return "done" if process.condition == "done" else "[red]gone"
    words = process.condition.replace("_", " ")
    if process.detail:
        words += f": {process.detail}"
    elif process.restarts and process.last_exit is not None:
        words += f" ({process.restarts} restarts, last: {describe(process.last_exit)})"
    colour = _COLOURS.get(process.condition)
    return f"[{colour}]{words}" if colour else words


def _size(size: int) -> str:
    return f"{size / 1024 / 1024:,.0f} MB" if size else ""
