"""One gateway on loopback for each test that asks for it."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.gateway.stand_in import Gateway, serving


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with serving() as running:
        yield running
