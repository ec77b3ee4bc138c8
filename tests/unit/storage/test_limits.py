"""What only the limits of one process promise: a bound on what they remember."""

from __future__ import annotations

from storage.embedded.limits import InProcessLimits, LimitSettings
from tests.contracts.clock import ManualClock


async def test_no_more_keys_are_remembered_than_allowed_and_the_unused_go_first():
    limits = InProcessLimits(ManualClock(), LimitSettings(max_keys=2))
    for key in ("a", "b", "a", "c"):
        await limits.spend("login", key, per_window=2, window_ms=1_000)
    assert len(limits) == 2
    assert await limits.spend("login", "a", per_window=2, window_ms=1_000) is not None
    assert await limits.spend("login", "b", per_window=1, window_ms=1_000) is None
