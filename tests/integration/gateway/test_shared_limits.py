"""Limits that several gateways count together, and what happens while they cannot."""

from __future__ import annotations

import asyncio

import pytest

from actors.ports.clock import SystemClock
from gateway.settings import GatewaySettings, Rate
from sharding.errors import StorageUnavailable
from storage.embedded.limits import InProcessLimits
from tests.integration.gateway.stand_in import serving

STRICT = GatewaySettings(logins_per_name=Rate(per_s=3 / 60, burst=3), shared_limit_wait_s=0.1)


async def sign_ins(gateway, times):
    """Statuses of so many tries to sign in under one name."""
    return [
        (
            await gateway.call(
                "POST", "/auth/login", json={"username": "ann", "password": "quite wrong, as ever"}
            )
        )[0]
        for _ in range(times)
    ]


async def test_asking_another_gateway_gains_nobody_a_try():
    shared = InProcessLimits(SystemClock())
    async with (
        serving(STRICT, shared_limits=shared) as one,
        serving(STRICT, shared_limits=shared) as other,
    ):
        assert await sign_ins(one, 2) == [401, 401]
        assert await sign_ins(other, 2) == [401, 429]
        assert await sign_ins(one, 1) == [429]


class Silent:
    """Fills `gateway.ports.SharedLimits` for a store that never answers."""

    async def spend(self, name, key, *, per_window, window_ms):
        await asyncio.Event().wait()


class Refusing:
    """The same for one that is down."""

    async def spend(self, name, key, *, per_window, window_ms):
        raise StorageUnavailable()


@pytest.mark.parametrize("store", [Silent, Refusing])
async def test_without_the_shared_count_a_gateway_goes_by_its_own(store):
    async with serving(STRICT, shared_limits=store()) as gateway:
        assert await sign_ins(gateway, 4) == [401, 401, 401, 429]
