"""The benchmarks run, their results have the promised shape, and nothing is called met that is not."""

import os
import subprocess
import sys

import msgspec
import pytest

from ops.cluster.plan import ENGINES
from ops.engines.found import EngineMissing
from ops.engines.native import find_all
from tests.benchmarks.__main__ import BENCHMARKS
from tests.benchmarks.fleet.run import BENCHMARKS as FLEET_BENCHMARKS
from tests.benchmarks.readme_table import BEGIN, END, FLEET, NoTable, put, table
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
    (result,) = quick_run(name, tmp_path)
    assert result.name == name
    assert result.bars


@pytest.mark.engines
@pytest.mark.timeout(600)
def test_a_quick_run_of_the_fleet_says_everything_that_was_promised(tmp_path):
    try:
        find_all(ENGINES, os.environ)
    except EngineMissing as missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(missing))
    results = quick_run("fleet", tmp_path)
    assert [each.name for each in results] == list(FLEET_BENCHMARKS)
    with pytest.raises(NoTable, match="quick"):
        table(results, FLEET)


def quick_run(name, folder):
    """The results of one run, each of which says what every result must."""
    written = folder / "results.jsonl"
    options = [name, "--quick", "--json", str(written), "--folder", str(folder)]
    run = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == written.read_text()
    results = [msgspec.json.decode(line, type=Result) for line in run.stdout.splitlines()]
    for result in results:
        assert {"p50", "p99"} <= result.figures.keys()
        assert 0 < result.figures["p50"] <= result.figures["p99"]
        assert result.baseline.figures
        assert all(value > 0 for value in result.baseline.figures.values())
        for bar in result.bars:
            assert (bar.at_least is None) is not (bar.at_most is None)
            assert f"{bar.what}: {bar.value}" in run.stderr
        assert result.machine.cores > 0
        with pytest.raises(NoTable):
            table([result])
    return results


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
    with pytest.raises(NoTable, match="no result"):
        table(results, FLEET)
    fleet = [result(name) for name in FLEET_BENCHMARKS]
    assert "10,000 inboxes" in table([*results, *fleet], FLEET)


def result(name):
    names = """
        p50 p99 5s_p50 5s_p99 5s_ratio ratio_requests ratio_cpu requests_per_s
        ratio_to_two_commits crowd_likes_per_s crowd_transactions_per_like ratio_to_join
        gateway_cpu_us node_cpu_us cpu_us_per_request ratio_to_two_calls crowd_p99 ratio_to_bare_page
        ratio_to_publishes node_cpu_us_per_follower gateway_bytes node_bytes
        insert_p50 script_p50 socket_bytes
    """
    figures = dict.fromkeys(names.split(), 1.0)
    return Result(
        name=name,
        what="",
        unit="us",
        figures=figures,
        baseline=Baseline(what="", figures=figures),
        repeats=2,
        bars=(),
        machine=HERE,
    )
