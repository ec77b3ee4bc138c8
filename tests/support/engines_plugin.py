"""What pytest knows of real engines: the fixture, their installation in CI, and a line about them at the end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

from ops.engines.install import install
from tests.support.engines import MISSING, PREFIX, Engines, in_ci

#: What the report at the end tells, by engine.
_TOLD = pytest.StashKey[dict[str, str]]()
#: The variables that point at engines which run already.
_GIVEN = pytest.StashKey[dict[str, str]]()


@pytest.fixture(scope="session")
def engines(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Engines]:
    """Real engines, each started when first asked for."""
    told = pytestconfig.stash.setdefault(_TOLD, {})
    given: dict[str, str] = pytestconfig.stash[_GIVEN]
    started = Engines(tmp_path_factory.mktemp("engines"), {**os.environ, **given}, told)
    try:
        yield started
    finally:
        started.close()


def pytest_configure(config: pytest.Config) -> None:
    """Take the variables out of the environment: a product that a test starts would not know them."""
    ours = [name for name in os.environ if name.startswith(PREFIX)]
    taken = {name: os.environ.pop(name) for name in ours}
    config.stash[_GIVEN] = {**getattr(config, "workerinput", {}).get(PREFIX, {}), **taken}


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Hand them to a process of pytest-xdist."""
    node.workerinput[PREFIX] = node.config.stash[_GIVEN]


def pytest_collection_finish(session: pytest.Session) -> None:
    """In CI, have the engines before the first test that needs one, outside its time limit."""
    wanted = any(item.get_closest_marker("engines") for item in session.items)
    if wanted and in_ci(os.environ) and not session.config.option.collectonly:
        for name, error in install(os.environ, print).items():
            print(f"{name}: {error}")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a process of pytest-xdist tells."""
    told = node.config.stash.setdefault(_TOLD, {})
    told |= getattr(node, "workeroutput", {}).get(PREFIX, {})


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tell it, in such a process."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output[PREFIX] = session.config.stash.get(_TOLD, {})


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """One line: which engines were used, and which were not there."""
    told = config.stash.get(_TOLD, {})
    used = [f"{name} {what}" for name, what in sorted(told.items()) if what != MISSING]
    missing = sorted(name for name, what in told.items() if what == MISSING)
    if told:
        terminalreporter.write_line(f"engines: {', '.join(used) or 'none'}")
    if missing:
        how = "get them with make engines; kinora engines status says more"
        terminalreporter.write_line(f"engines missing: {', '.join(missing)} ({how})", yellow=True)
