"""The supervisor of a cluster without engines, over stand-ins: `program` for `ops.cluster.start.up`.

Run with a folder it is that supervisor; run with a verb it is what `kinora` would be. What a process is to
do differently stands in `<run>/<verb>.options`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

STAND_IN = Path(__file__).with_name("stand_in.py")
VERBS = ("gateway", "node", "media", "migrate")

#: Name of this module, as the life cycle takes it; and of the one that brings engines along.
PROGRAM = "tests.support.stand_in_cluster"
ENGINES_PROGRAM = "tests.support.stand_in_cluster_with_engines"

#: What `kinora` would be.
KINORA = (sys.executable, "-S", str(Path(__file__).resolve()))


def supervise(path: Path) -> int:
    from ops.cluster.plan import kinora_specs
    from ops.cluster.record import ClusterFolder
    from ops.supervisor.spec import SupervisorSettings
    from ops.supervisor.supervisor import run_supervisor

    folder = ClusterFolder(path)
    cluster = folder.cluster()
    assert cluster is not None
    specs = kinora_specs(cluster, folder, os.environ, kinora=KINORA, needs=())
    settings = SupervisorSettings(start_attempts=3, eager_probe_s=0.02, calm_probe_s=0.1)
    return run_supervisor(cluster.id, specs, folder.supervisor, settings)


def stand_in(verb: str, options: list[str]) -> None:
    run = Path(os.environ["KINORA_FLEET_RUN_DIR"])
    name = options[options.index("--name") + 1] if "--name" in options else verb
    wished = run / f"{verb}.options"
    more = wished.read_text().split() if wished.exists() else []
    if verb == "migrate":
        more = [*more, "--exit", "0"]
    os.execv(sys.executable, [sys.executable, "-S", str(STAND_IN), name, str(run), *more])


if __name__ == "__main__":
    if sys.argv[1] in VERBS:
        stand_in(sys.argv[1], sys.argv[2:])
    sys.exit(supervise(Path(sys.argv[1])))
