"""One fleet for all tests of this folder, whole again before each of them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from ops.engines.found import EngineMissing
from tests.support.engines import in_ci
from tests.support.fleet import Fleet, running_fleet
from tests.support.people import People


@pytest.fixture(scope="session")
def whole_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """The fleet, once for the run."""
    try:
        with running_fleet(tmp_path_factory.mktemp("fleet") / "c", proxied=True) as running:
            yield running
    except EngineMissing as error:
        if in_ci(os.environ):
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


@pytest_asyncio.fixture
async def fleet(whole_fleet: Fleet) -> AsyncIterator[Fleet]:
    """The fleet, well; mended afterwards, whatever the test did to it."""
    await whole_fleet.healthy()
    try:
        yield whole_fleet
    finally:
        whole_fleet.mend()


@pytest_asyncio.fixture
async def people(fleet: Fleet) -> AsyncIterator[People]:
    """Everybody who uses it."""
    async with fleet.people() as everybody:
        yield everybody
