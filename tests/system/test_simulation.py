"""Two hundred histories in which processes die between any two steps, and what their users are left with.

KINORA_SIM_SEEDS=1000:500 pytest tests/system/test_simulation.py     other seeds, and more of them
"""

from __future__ import annotations

import os

import msgspec
import pytest

from tests.support.checker import complaints
from tests.support.history import History
from tests.support.simulation import SCENARIOS, simulate

FIRST, COUNT = map(int, os.environ.get("KINORA_SIM_SEEDS", "0:200").split(":"))
#: Seeds of one test; each chunk holds every scenario.
CHUNK = 2 * len(SCENARIOS)


@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT, CHUNK))
def test_every_answer_holds_after_crashes(first):
    for seed in range(first, min(first + CHUNK, FIRST + COUNT)):
        try:
            history, readout = simulate(seed)
        except Exception as error:
            error.add_note(again(seed))
            raise
        found = complaints(history, readout)
        assert not found, "\n".join([again(seed), *found, *told(history)])


def test_a_seed_gives_the_same_history_byte_for_byte():
    for seed in range(len(SCENARIOS)):
        one, other = simulate(seed), simulate(seed)
        assert msgspec.json.encode(one[0]) == msgspec.json.encode(other[0])
        assert one[1] == other[1]


def test_every_scenario_is_what_it_says():
    logs = {}
    for seed, scenario in enumerate(SCENARIOS):
        history, _ = simulate(seed)
        assert history.scenario == scenario
        assert sum(op.outcome == "ok" for op in history.ops) > 30
        logs[scenario] = " ".join(what for _, what in history.log)
    assert all(" dies " in log for log in logs.values())
    assert " freezes" in logs["paused"]
    assert " wakes" in logs["paused"]


def again(seed: int) -> str:
    return f"seed {seed}; again: KINORA_SIM_SEEDS={seed}:1 pytest tests/system/test_simulation.py"


def told(history: History) -> list[str]:
    return [f"{history.scenario}:", *(f"  {second:9.3f} {what}" for second, what in history.log)]
