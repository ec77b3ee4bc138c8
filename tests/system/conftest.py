"""One product in the loop of each module that asks for it, with people on it; one small clip for all."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from media.clip import make_clip
from ops.processes import Serving
from tests.support.people import People, open_people
from tests.support.product import open_product


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a second of moving colours: a second of work for the encoder."""
    path = tmp_path_factory.mktemp("clips") / "small.mp4"
    make_clip(path, 0.5, seed=1, width=180, height=320, fps=15)
    return path


@pytest.fixture(scope="session")
def longer_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three seconds, so that somebody can look while it is encoded."""
    path = tmp_path_factory.mktemp("clips") / "longer.mp4"
    make_clip(path, 3.0, seed=2, width=360, height=640, fps=30)
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def serving(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Serving]:
    """The whole product in the module's loop."""
    async with open_product(tmp_path_factory.mktemp("product") / "data") as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def people(serving: Serving) -> AsyncIterator[People]:
    """Everybody who uses it."""
    async with open_people(serving.ports.url) as everybody:
        yield everybody
