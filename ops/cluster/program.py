"""The detached supervisor of a cluster: `python -m ops.cluster.program FOLDER`.

It knows nothing but its folder: the record there says what to run. Started by `kinora cluster up`, and by
nobody else.
"""

import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from ops.cluster.images import found_in_images, in_container
from ops.cluster.plan import (
    ENGINES,
    KINORA,
    Runner,
    engine_specs,
    engines_of,
    kinora_specs,
    native,
    settled,
)
from ops.cluster.prepare import edge_text
from ops.cluster.record import Cluster, ClusterFolder
from ops.engines.native import find_all
from ops.engines.ports import LOOPBACK
from ops.errors import CannotGoOn
from ops.supervisor.exit_codes import ExitCode
from ops.supervisor.spec import Spec, SupervisorSettings
from ops.supervisor.supervisor import run_supervisor


def specs_of(
    cluster: Cluster,
    folder: ClusterFolder,
    environ: Mapping[str, str],
    *,
    kinora: tuple[str, ...] = KINORA,
) -> tuple[Spec, ...]:
    """Everything that the cluster runs; `kinora` begins the command line of each process of ours.

    Raises:
        CannotGoOn: an engine is missing.
        OSError: the folder cannot be written.
    """
    edge = edge_text(
        folder.data,
        listen=f"{LOOPBACK}:{cluster.ports.nginx}",
        origin=f"{LOOPBACK}:{cluster.ports.minio}",
        cache_folder=folder.edge_cache,
    )
    runner: Runner = native
    if cluster.shape.engines == "docker":
        found = found_in_images(cluster, folder, environ)
        runner = partial(in_container, cluster=cluster, folder=folder, env=dict(environ))
    else:
        found = find_all(ENGINES, environ)
    engines = engines_of(cluster, folder, found, edge)
    needs = tuple(settled(engine.name) for engine in engines)
    return (
        *engine_specs(engines, runner),
        *kinora_specs(cluster, folder, environ, kinora=kinora, needs=needs),
    )


def main(path: Path, *, kinora: tuple[str, ...] = KINORA) -> int:
    """Supervise the cluster in `path` until told to stop."""
    folder = ClusterFolder(path)
    try:
        cluster = folder.cluster()
        if cluster is None:
            raise CannotGoOn(f"There is no cluster in {path}.")
        specs = specs_of(cluster, folder, os.environ, kinora=kinora)
        return run_supervisor(cluster.id, specs, folder.supervisor, SupervisorSettings())
    except CannotGoOn as error:
        print(error, file=sys.stderr, flush=True)
        return ExitCode.CONFIGURATION


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
