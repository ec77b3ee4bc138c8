"""The measured tables of the README, made from what `make bench` wrote and from nothing else.

    make bench ARGS="--json build/bench.jsonl"
    make bench ARGS="fleet --json build/fleet.jsonl"
    .venv/bin/python -m tests.benchmarks.readme_table build/bench.jsonl            print it
    .venv/bin/python -m tests.benchmarks.readme_table build/fleet.jsonl --write    put it into README.md

There is one table of the embedded product and one of the fleet; those of which there are results replace what
stands between their two marks (`<!-- benchmarks:begin -->`, `<!-- fleet-benchmarks:begin -->`), and nothing
else is touched. Results of `--quick` runs, of several machines or of several commits are refused.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tests.benchmarks.report import ROOT, Machine, Result

BEGIN, END = "<!-- benchmarks:begin -->", "<!-- benchmarks:end -->"
_Row = Callable[[Result], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One table and its place."""

    #: Between `<!-- NAME:begin -->` and `<!-- NAME:end -->`.
    name: str
    #: What measures it.
    command: str
    #: One row for each benchmark, in the order of the table.
    rows: Mapping[str, _Row]

    @property
    def marks(self) -> tuple[str, str]:
        return f"<!-- {self.name}:begin -->", f"<!-- {self.name}:end -->"


class NoTable(Exception):
    """There are no results to make it of, or no place to put it."""


def table(results: Iterable[Result], block: Block | None = None) -> str:
    """The table in Markdown, with the machine that it was measured on; of the embedded product without `block`.

    Raises:
        NoTable: results are missing, or do not belong together.
    """
    block = block or EMBEDDED
    by_name = {each.name: each for each in results if each.name in block.rows}
    if missing := block.rows.keys() - by_name.keys():
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
    for name, row in block.rows.items():
        lines += [row(by_name[name])]
    lines += [
        "",
        f"{first.cores} cores ({first.model}), {first.system}, Python {first.python},"
        f" commit {first.commit}. Times are this machine's; ratios travel."
        f" `{block.command}` measures them again: [how, and what is left out](ops/docs/benchmarks.md).",
    ]
    return "\n".join(lines)


def put(text: str, made: str, marks: tuple[str, str] = (BEGIN, END)) -> str:
    """`text` with `made` between the two marks.

    Raises:
        NoTable: the marks are not there, once each and in order.
    """
    begin, end = marks
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise NoTable(f"there is no block {begin} ... {end}")
    before, _, rest = text.partition(begin)
    after = rest.partition(end)[2]
    return f"{before}{begin}\n{made}\n{end}{after}"


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


def _fleet_feed(result: Result) -> str:
    figures = result.figures
    return (
        f"| `GET /feed`, warm, one gateway and one node | {_ms(figures['p50'])} | {_ms(figures['p99'])}"
        f" | {figures['ratio_requests']:.2f} of bare Sanic's requests/s, same bytes"
        f" ({figures['requests_per_s']:,.0f}/s); {figures['gateway_cpu_us']:.0f} µs of CPU in the gateway"
        f" and {figures['node_cpu_us']:.0f} in the node, to its"
        f" {result.baseline.figures['cpu_us_per_request']:.0f} |"
    )


def _fleet_like(result: Result) -> str:
    figures, bare = result.figures, result.baseline.figures
    return (
        f"| like, acknowledged by Redis and Cassandra | {_ms(figures['p50'])} | {_ms(figures['p99'])}"
        f" | {figures['ratio_to_two_calls']:.1f} of one insert and one script with WAIT"
        f" ({_ms(bare['insert_p50'])} + {_ms(bare['script_p50'])}); 32 at a time:"
        f" {figures['crowd_likes_per_s']:,.0f}/s, p99 {_ms(figures['crowd_p99'])} |"
    )


def _fleet_mix(result: Result) -> str:
    figures = result.figures
    return (
        f"| the mix of a day's calls | {_ms(figures['p50'])} | {_ms(figures['p99'])}"
        f" | {figures['cpu_us_per_request']:.0f} µs of CPU a call: {figures['gateway_cpu_us']:.0f} in the"
        f" gateway, {figures['node_cpu_us']:.0f} in the node;"
        f" {figures['ratio_to_bare_page']:.1f} of a page from bare Sanic |"
    )


def _fleet_fanout(result: Result) -> str:
    figures = result.figures
    return (
        f"| a video that plays, to 10,000 inboxes | {figures['p50']:.2f} s | {figures['p99']:.2f} s"
        f" | {figures['ratio_to_publishes']:.1f} of as many bare publishes as shards;"
        f" {figures['node_cpu_us_per_follower']:.0f} µs of the node's CPU a follower |"
    )


def _fleet_sockets(result: Result) -> str:
    figures, bare = result.figures, result.baseline.figures
    return (
        f"| one event to 5,000 websockets | {figures['p50']:.2f} s | {figures['p99']:.2f} s"
        f" | idle: {figures['gateway_bytes'] / 1024:.1f} KiB each in the gateway and"
        f" {figures['node_bytes'] / 1024:.1f} in the node, to bare Sanic's"
        f" {bare['socket_bytes'] / 1024:.1f} |"
    )


EMBEDDED = Block(
    name="benchmarks",
    command="make bench",
    rows={
        "first_rung": _first_rung,
        "feed_page": _feed_page,
        "like": _like,
        "actor_turn": _actor_turn,
    },
)
FLEET = Block(
    name="fleet-benchmarks",
    command="make bench ARGS=fleet",
    rows={
        "fleet_feed": _fleet_feed,
        "fleet_like": _fleet_like,
        "fleet_mix": _fleet_mix,
        "fleet_fanout": _fleet_fanout,
        "fleet_sockets": _fleet_sockets,
    },
)


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
        results = [msgspec.json.decode(line, type=Result) for line in lines]
        blocks = [b for b in (EMBEDDED, FLEET) if any(each.name in b.rows for each in results)]
        for block in blocks or [EMBEDDED]:
            made = table(results, block)
            if options.write:
                options.readme.write_text(put(options.readme.read_text(), made, block.marks))
            else:
                print(made)
    except (NoTable, OSError, msgspec.DecodeError) as error:
        print(f"No table: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
