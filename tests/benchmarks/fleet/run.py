"""Runs the fleet's benchmarks one after another, on one cluster."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.benchmarks.fleet import fanout, feed, like, mix, sockets
from tests.benchmarks.fleet.stand import Fleet, open_fleet
from tests.benchmarks.report import Machine, Plan, Result, machine

#: In the order in which they run: those that leave least behind come first.
BENCHMARKS: dict[str, Callable[[Plan, Fleet, Machine], Result]] = {
    each.NAME: each.measure for each in (feed, like, mix, fanout, sockets)
}


def measure(plan: Plan, names: Sequence[str], path: Path | None) -> Iterator[Result]:
    """Those benchmarks on one cluster; on the one in `path` where it runs already.

    Raises:
        Broken: the cluster does not start, or a measurement is worth nothing.
    """
    # Before the cluster, whose start is work enough for a load.
    here = machine()
    with open_fleet(plan.quick, path) as fleet:
        for name in names:
            yield BENCHMARKS[name](plan, fleet.signed_in_again(), here)
