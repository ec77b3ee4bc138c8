"""What a benchmark says: one JSON object, with its baseline and the machine beside its figures.

An absolute time says as much about the machine as about us, so every figure that is worth a sentence is a
ratio of two things measured in turn in one run, as the median of several rounds. A bar that is missed is
reported, not raised; a measurement that did not measure what it says (`Broken`) is no result at all.
"""

import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parents[2]


class Broken(Exception):
    """The measurement is worth nothing: errors, wrong bytes, or a load generator that was the bottleneck."""


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """What was promised of a figure."""

    what: str
    value: float
    #: One of the two is set.
    at_least: float | None = None
    at_most: float | None = None
    met: bool


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """What the figures are held against, measured in the same run."""

    what: str
    figures: dict[str, float]


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where it was measured."""

    cores: int
    model: str
    system: str
    python: str
    commit: str | None
    #: Load average of the last minute before the benchmark began: much above 0, others were at work.
    load: float


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One benchmark's outcome."""

    name: str
    #: One sentence: from where to where.
    what: str
    #: Of `p50` and `p99`.
    unit: str
    figures: dict[str, float]
    baseline: Baseline
    repeats: int
    bars: tuple[Bar, ...]
    machine: Machine
    #: The checks that made the figures believable, and what a reader must know.
    notes: tuple[str, ...] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How long to measure, and where."""

    #: Folder for data folders; on the disk whose syncs are measured.
    folder: Path
    #: Just enough to see that everything runs.
    quick: bool = False
    #: An executable `wrk` for checking our load generator against; None: not checked.
    wrk: str | None = None


def at_least(what: str, value: float, bound: float) -> Bar:
    """A figure that must not fall below `bound`."""
    return Bar(what=what, value=rounded(value), at_least=bound, met=value >= bound)


def at_most(what: str, value: float, bound: float) -> Bar:
    """A figure that must not rise above `bound`."""
    return Bar(what=what, value=rounded(value), at_most=bound, met=value <= bound)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` that at least `share` (0..1) of them do not exceed; of few, the worst.

    Raises:
        Broken: there are none.
    """
    if not values:
        raise Broken("nothing was measured")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-int(share * 1000) * len(ordered) // 1000) - 1))]


def median(values: Sequence[float]) -> float:
    """The middle of some rounds."""
    return statistics.median(values)


def rounded(value: float) -> float:
    """Four digits that mean something."""
    return float(f"{value:.4g}")


def tidy(figures: dict[str, float]) -> dict[str, float]:
    """Figures as they are printed."""
    return {name: rounded(value) for name, value in figures.items()}


def machine() -> Machine:
    """This machine, now."""
    return Machine(
        cores=os.cpu_count() or 1,
        model=_model(),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        commit=_commit(),
        load=round(os.getloadavg()[0], 2),
    )


def _model() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str | None:
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except OSError:
        return None
    return answer.stdout.strip() or None
