"""The benchmarks run, their results have the promised shape, and nothing is called met that is not."""

import subprocess
import sys

import msgspec
import pytest

from tests.benchmarks.__main__ import BENCHMARKS
from tests.benchmarks.readme_table import BEGIN, END, NoTable, put, table
from tests.benchmarks.report import (
    ROOT,
    Baseline,
    Broken,
    Machine,
    Result,
    at_least,
    at_most,
    percentile,
)

pytestmark = pytest.mark.benchmark

HERE = Machine(cores=2, model="m", system="s", python="3.11.7", commit="c", load=0.0)


@pytest.mark.parametrize("name", BENCHMARKS)
@pytest.mark.timeout(180)
def test_a_quick_run_says_everything_that_was_promised(name, tmp_path):
    written = tmp_path / "results.jsonl"
    options = [name, "--quick", "--json", str(written), "--folder", str(tmp_path)]
    run = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == written.read_text()
    result = msgspec.json.decode(run.stdout, type=Result)
    assert result.name == name
    assert {"p50", "p99"} <= result.figures.keys()
    assert 0 < result.figures["p50"] <= result.figures["p99"]
    assert result.baseline.figures
    assert all(value > 0 for value in result.baseline.figures.values())
    assert result.bars
    for bar in result.bars:
        assert (bar.at_least is None) is not (bar.at_most is None)
        assert f"{bar.what}: {bar.value}" in run.stderr
    assert result.machine.cores > 0
    with pytest.raises(NoTable):
        table([result])


def test_an_unknown_name_is_a_usage_error():
    run = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", "nothing"], cwd=ROOT, check=False
    )
    assert run.returncode == 2


def test_a_bar_is_met_from_its_bound_on():
    assert at_least("x", 0.6, 0.6).met
    assert not at_least("x", 0.5999, 0.6).met
    assert at_most("x", 3, 3).met
    assert not at_most("x", 3.001, 3).met


def test_a_percentile_is_a_value_that_was_measured():
    values = [float(each) for each in range(1, 201)]
    assert percentile(values, 0.5) == 100
    assert percentile(values, 0.99) == 198
    assert percentile([7.0], 0.99) == 7
    assert percentile([1.0, 9.0], 0.99) == 9
    with pytest.raises(Broken):
        percentile([], 0.5)


def test_the_table_replaces_only_what_stands_between_its_marks():
    readme = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    once = put(readme, "new")
    assert once == f"before\n{BEGIN}\nnew\n{END}\nafter\n"
    assert put(once, "new") == once
    for broken in ("", BEGIN, f"{END}{BEGIN}", readme + readme):
        with pytest.raises(NoTable):
            put(broken, "new")


def test_a_table_is_of_one_machine_and_one_commit():
    results = [result(name) for name in BENCHMARKS]
    assert "| `GET /feed`, warm |" in table(results)
    other = msgspec.structs.replace(HERE, commit="d")
    with pytest.raises(NoTable, match="several"):
        table([msgspec.structs.replace(results[0], machine=other), *results[1:]])
    with pytest.raises(NoTable, match="quick"):
        table([msgspec.structs.replace(results[0], repeats=1), *results[1:]])


def result(name):
    names = """
        p50 p99 5s_p50 5s_p99 5s_ratio ratio_requests ratio_cpu requests_per_s
        ratio_to_two_commits crowd_likes_per_s crowd_transactions_per_like ratio_to_join
    """
    figures = dict.fromkeys(names.split(), 1.0)
    return Result(
        name=name,
        what="",
        unit="us",
        figures=figures,
        baseline=Baseline(what="", figures={}),
        repeats=2,
        bars=(),
        machine=HERE,
    )
