"""What holds for every test: the order, quick ones first.

The one rule worth knowing: a folder says how dear its tests are. So a slip in a pure function is
reported in seconds, before any process is started.
"""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent

pytest_plugins = ("tests.support.engines_plugin",)

#: From milliseconds to many seconds a test; what is not named here comes last.
QUICK_FIRST = ("architecture", "unit", "contracts", "media", "integration", "system", "benchmarks")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_dearness)


def _dearness(item: pytest.Item) -> int:
    folder = item.path.relative_to(HERE).parts[0] if item.path.is_relative_to(HERE) else ""
    return QUICK_FIRST.index(folder) if folder in QUICK_FIRST else len(QUICK_FIRST)
