"""The supervisor of a fleet under test: that of `kinora cluster`, which ends when the test run does.

A test run that is killed cannot call `down`; so this one looks whether it is still there. What differs from
the real plan stands in `run/fleet.json` of the folder.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from ops.cluster.program import specs_of
from ops.cluster.record import Cluster, ClusterFolder
from ops.engines.found import find
from ops.engines.redis import RedisShape, redis_engine
from ops.engines.table import entry
from ops.supervisor.identity import ProcessRef, is_alive
from ops.supervisor.spec import ProcessSpec, Spec, SupervisorSettings
from ops.supervisor.supervisor import run_supervisor

#: Name of this module, as the life cycle takes it.
PROGRAM = "tests.support.fleet_program"
#: Where the plan lies in the folder.
PLAN = "fleet.json"
#: Between two looks at the test run, in seconds.
_LOOK_S = 1.0


class FleetPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What a fleet under test has beside a real one."""

    #: Whoever ends it.
    test_run: ProcessRef
    #: Ports that nodes of Redis announce; empty for their own.
    announced: tuple[int, ...] = ()
    #: What Kinora's processes are told instead; and what one of them is, by its name.
    env: Mapping[str, str] = {}
    own_env: Mapping[str, Mapping[str, str]] = {}


def specs_of_plan(cluster: Cluster, folder: ClusterFolder, plan: FleetPlan) -> tuple[Spec, ...]:
    """What the supervisor of a real cluster would run, but for what `plan` says."""
    specs = specs_of(cluster, folder, os.environ)
    if plan.announced:
        # Writes the configuration of each node once more; all else about them stays as planned.
        redis_engine(
            find(entry("redis"), os.environ),
            folder.engines,
            cluster.ports.redis,
            RedisShape(announced=plan.announced),
        )
    return tuple(
        replace(spec, env={**spec.env, **plan.env, **plan.own_env.get(spec.name, {})})
        if isinstance(spec, ProcessSpec) and "KINORA_FLEET_NODES" in spec.env
        else spec
        for spec in specs
    )


def read_plan(folder: ClusterFolder) -> FleetPlan:
    """The plan that lies in `folder`."""
    return msgspec.json.decode((folder.run / PLAN).read_bytes(), type=FleetPlan)


def end_with(test_run: ProcessRef) -> None:
    """Ask this process to end once the test run has ended."""

    def watch() -> None:
        while is_alive(test_run):
            time.sleep(_LOOK_S)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="test run", daemon=True).start()


def supervise(path: Path) -> int:
    """Be the supervisor of the fleet in `path`."""
    folder = ClusterFolder(path)
    plan, cluster = read_plan(folder), folder.cluster()
    assert cluster is not None
    end_with(plan.test_run)
    specs = specs_of_plan(cluster, folder, plan)
    return run_supervisor(cluster.id, specs, folder.supervisor, SupervisorSettings())


if __name__ == "__main__":
    sys.exit(supervise(Path(sys.argv[1])))
