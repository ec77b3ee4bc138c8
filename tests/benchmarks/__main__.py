"""`python -m tests.benchmarks [name ...]`: measure, and print one JSON object a benchmark.

    0    measured; whether the bars were met stands in each object and, for people, on standard error
    1    a measurement was broken: errors, wrong bytes, something that does not start
    2    the command line is not understood

Without names those of the embedded product run, in the order in which they stand below, in less than four
minutes. `fleet` stands for all those of the fleet, on one cluster, in one run.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from tests.benchmarks import actor_turn, feed_page, first_rung, like, link
from tests.benchmarks.fleet import run as fleet
from tests.benchmarks.report import ROOT, Broken, Plan, Result

BENCHMARKS: dict[str, Callable[[Plan], Result]] = {
    each.NAME: each.measure for each in (first_rung, feed_page, like, actor_turn, link)
}
#: Stands for every benchmark of the fleet.
FLEET = "fleet"


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=__doc__.split("\n", 1)[0]
    )
    known = (*BENCHMARKS, FLEET, *fleet.BENCHMARKS)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(known))
    parser.add_argument("--json", type=Path, help="also write the objects there, one a line")
    parser.add_argument(
        "--quick", action="store_true", help="only see that they run; the figures mean nothing"
    )
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "build", help="where the data folders are made"
    )
    parser.add_argument(
        "--wrk", default=shutil.which("wrk"), help="check our load generator against this wrk"
    )
    parser.add_argument(
        "--cluster", type=Path, help="folder of a cluster that runs already, for those of the fleet"
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(known):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    options.folder.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []

    def show(result: Result) -> None:
        lines.append(msgspec.json.encode(result).decode())
        print(lines[-1], flush=True)
        for bar in result.bars:
            bound = f">= {bar.at_least}" if bar.at_least is not None else f"<= {bar.at_most}"
            met = "met" if bar.met else "MISSED"
            print(f"{result.name}: {bar.what}: {bar.value} ({bound}: {met})", file=sys.stderr)

    broken = False
    for name in _alone(options.names) or (() if options.names else BENCHMARKS):
        with _plan(options) as plan:
            try:
                show(BENCHMARKS[name](plan))
            except Broken as error:
                broken = True
                print(f"{name}: broken: {error}", file=sys.stderr)
    if together := _together(options.names):
        with _plan(options) as plan:
            try:
                for result in fleet.measure(plan, together, options.cluster):
                    show(result)
            except Broken as error:
                broken = True
                print(f"{FLEET}: broken: {error}", file=sys.stderr)
    if options.json is not None:
        options.json.write_text("".join(f"{line}\n" for line in lines))
    return 1 if broken else 0


def _alone(names: list[str]) -> list[str]:
    """Those that bring their own product along."""
    return [name for name in names if name in BENCHMARKS]


def _together(names: list[str]) -> list[str]:
    """Those that share one cluster."""
    return [name for name in fleet.BENCHMARKS if name in names or FLEET in names]


@contextmanager
def _plan(options: argparse.Namespace) -> Iterator[Plan]:
    with tempfile.TemporaryDirectory(prefix="bench-", dir=options.folder) as folder:
        yield Plan(folder=Path(folder).resolve(), quick=options.quick, wrk=options.wrk)


if __name__ == "__main__":
    sys.exit(main())
