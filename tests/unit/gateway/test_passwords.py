"""Hashing is bounded, and tells nothing of who exists."""

import asyncio

import pytest

from gateway.passwords import Passwords
from sharding.errors import Overloaded


@pytest.fixture
async def passwords():
    made = Passwords(threads=1, queue=2, memory_kib=64)
    yield made
    await made.close()


async def test_a_password_fits_its_own_hash_only(passwords):
    stored = await passwords.hash("correct horse")
    assert await passwords.verify("correct horse", stored)
    assert not await passwords.verify("correct house", stored)


async def test_nobody_and_nonsense_never_fit(passwords):
    assert not await passwords.verify("nobody has this password", None)
    assert not await passwords.verify("x", "not a hash")


async def test_beyond_the_queue_it_is_refused_and_nothing_is_lost(passwords):
    outcomes = await asyncio.gather(
        *(passwords.hash("x") for _ in range(6)), return_exceptions=True
    )
    refused = [each for each in outcomes if isinstance(each, Overloaded)]
    assert len(refused) == 3
    assert await passwords.hash("y")


async def test_who_hangs_up_still_holds_a_place_until_the_thread_is_free(passwords):
    waiting = [asyncio.ensure_future(passwords.hash("x")) for _ in range(3)]
    await asyncio.sleep(0)
    for each in waiting:
        each.cancel()
    with pytest.raises(Overloaded):
        await passwords.hash("x")
    await asyncio.gather(*waiting, return_exceptions=True)
