"""Whatever happens to a process, an engine or a link: what was acked is there, once, and counts are the facts.

A crowd of six goes on while everything in turn is killed, frozen, cut off; then all is healed, and what clients were
told is compared with what can be read. `make soak` does the same at random for as long as one likes.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.fleet import Fleet
from tests.support.fleet_faults import every_fault, table
from tests.support.fleet_run import run_history

pytestmark = [pytest.mark.engines, pytest.mark.timeout(600)]


async def test_whatever_fails_every_ack_is_kept_once(
    fleet: Fleet, clip: Path, capsys: pytest.CaptureFixture[str]
):
    began = time.monotonic()

    result = await run_history(fleet, clip, every_fault(fleet), seed=1, said=print)

    with capsys.disabled():
        print(f"\n{table(result.rows)}\n{time.monotonic() - began:.0f} s: {result}")

    assert not result.complaints, "\n".join([*result.complaints[:40], table(result.rows)])
    # A crowd that got nothing done would have nothing to complain of.
    assert all(row.acked for row in result.rows), table(result.rows)
