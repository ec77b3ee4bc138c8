"""The measured table of the README, made from what `make bench` wrote and from nothing else.

    make bench ARGS="--json build/bench.jsonl"
    .venv/bin/python -m tests.benchmarks.readme_table build/bench.jsonl            print it
    .venv/bin/python -m tests.benchmarks.readme_table build/bench.jsonl --write    put it into README.md

It replaces what stands between `<!-- benchmarks:begin -->` and `<!-- benchmarks:end -->`, and touches
nothing else. Results of `--quick` runs, of several machines or of several commits are refused.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from tests.benchmarks.report import ROOT, Machine, Result

BEGIN, END = "<!-- benchmarks:begin -->", "<!-- benchmarks:end -->"


class NoTable(Exception):
    """There are no results to make it of, or no place to put it."""


def table(results: Iterable[Result]) -> str:
    """The table in Markdown, with the machine that it was measured on.

    Raises:
        NoTable: results are missing, or do not belong together.
    """
    by_name = {each.name: each for each in results}
    if missing := ROWS.keys() - by_name.keys():
        raise NoTable(f"no result of {', '.join(sorted(missing))}: run all benchmarks at once")
    machines = {each.name: each.machine for each in by_name.values()}
    first = next(iter(machines.values()))
    if any(_where(each) != _where(first) for each in machines.values()):
        raise NoTable("these results come from several machines, Pythons or commits")
    if any(each.repeats < 2 for each in by_name.values()):
        raise NoTable("a --quick run measures nothing")
    lines = [
        "| | p50 | p99 | against its baseline, measured in the same run |",
        "|---|---|---|---|",
    ]
    for name, rows in ROWS.items():
        lines += [rows(by_name[name])]
    lines += [
        "",
        f"{first.cores} cores ({first.model}), {first.system}, Python {first.python},"
        f" commit {first.commit}. Times are this machine's; ratios travel."
        " `make bench` measures them again: [how, and what is left out](ops/docs/benchmarks.md).",
    ]
    return "\n".join(lines)


def put(text: str, made: str) -> str:
    """`text` with `made` between the two marks.

    Raises:
        NoTable: the marks are not there, once each and in order.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise NoTable(f"there is no block {BEGIN} ... {END}")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before}{BEGIN}\n{made}\n{END}{after}"


def _first_rung(result: Result) -> str:
    figures = result.figures
    clips = [name.removesuffix("_ratio") for name in figures if name.endswith("_ratio")]
    cells = [
        " / ".join(f"{figures[f'{clip}_{share}']:.2f} s" for clip in clips)
        for share in ("p50", "p99")
    ]
    ratios = " / ".join(f"{figures[f'{clip}_ratio']:.2f}" for clip in clips)
    named = " / ".join(clips)
    return (
        f"| upload complete to first playable rung, clips of {named} | {cells[0]} | {cells[1]}"
        f" | {ratios} of the encoder alone |"
    )


def _feed_page(result: Result) -> str:
    figures = result.figures
    return (
        f"| `GET /feed`, warm | {_ms(figures['p50'])} | {_ms(figures['p99'])}"
        f" | {figures['ratio_requests']:.2f} of bare Sanic's requests/s,"
        f" {figures['ratio_cpu']:.2f} by CPU, same bytes"
        f" ({figures['requests_per_s']:,.0f}/s from one process) |"
    )


def _like(result: Result) -> str:
    figures = result.figures
    return (
        f"| like, acknowledged as durable | {_ms(figures['p50'])} | {_ms(figures['p99'])}"
        f" | {figures['ratio_to_two_commits']:.1f} of two bare SQLite commits;"
        f" 32 at a time: {figures['crowd_likes_per_s']:,.0f}/s,"
        f" {figures['crowd_transactions_per_like']:.2f} transactions each |"
    )


def _actor_turn(result: Result) -> str:
    figures = result.figures
    return (
        f"| feed page from a warm actor, without HTTP | {figures['p50']:.0f} µs"
        f" | {figures['p99']:.0f} µs | {figures['ratio_to_join']:.0f} of joining its bytes |"
    )


#: One row for each benchmark, in the order of the table.
ROWS: dict[str, Callable[[Result], str]] = {
    "first_rung": _first_rung,
    "feed_page": _feed_page,
    "like": _like,
    "actor_turn": _actor_turn,
}


def _ms(micros: float) -> str:
    return f"{micros / 1000:.2f} ms"


def _where(machine: Machine) -> Machine:
    return msgspec.structs.replace(machine, load=0.0)


def main(arguments: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.readme_table", description=__doc__.split("\n", 1)[0]
    )
    parser.add_argument("results", type=Path, help="what --json wrote")
    parser.add_argument("--write", action="store_true", help="put it into README.md")
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md")
    options = parser.parse_args(arguments)
    try:
        lines = options.results.read_bytes().splitlines()
        made = table(msgspec.json.decode(line, type=Result) for line in lines)
        if options.write:
            options.readme.write_text(put(options.readme.read_text(), made))
        else:
            print(made)
    except (NoTable, OSError, msgspec.DecodeError) as error:
        print(f"No table: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
