"""`python -m tests.benchmarks [name ...]`: measure, and print one JSON object a benchmark.

    0    measured; whether the bars were met stands in each object and, for people, on standard error
    1    a measurement was broken: errors, wrong bytes, something that does not start
    2    the command line is not understood

Without names all of them run, in the order in which they stand below, in less than four minutes.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from tests.benchmarks import actor_turn, feed_page, first_rung, like
from tests.benchmarks.report import ROOT, Broken, Plan, Result

BENCHMARKS: dict[str, Callable[[Plan], Result]] = {
    each.NAME: each.measure for each in (first_rung, feed_page, like, actor_turn)
}


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks", description=__doc__.split("\n", 1)[0]
    )
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(BENCHMARKS))
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
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - BENCHMARKS.keys():
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    options.folder.mkdir(parents=True, exist_ok=True)
    lines = []
    broken = False
    for name in options.names or BENCHMARKS:
        with tempfile.TemporaryDirectory(prefix="bench-", dir=options.folder) as folder:
            plan = Plan(folder=Path(folder).resolve(), quick=options.quick, wrk=options.wrk)
            try:
                result = BENCHMARKS[name](plan)
            except Broken as error:
                broken = True
                print(f"{name}: broken: {error}", file=sys.stderr)
                continue
        line = msgspec.json.encode(result).decode()
        print(line, flush=True)
        lines.append(line)
        for bar in result.bars:
            bound = f">= {bar.at_least}" if bar.at_least is not None else f"<= {bar.at_most}"
            print(
                f"{name}: {bar.what}: {bar.value} ({bound}: {'met' if bar.met else 'MISSED'})",
                file=sys.stderr,
            )
    if options.json is not None:
        options.json.write_text("".join(f"{line}\n" for line in lines))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
