"""One node, killed and paused while it is written to: nothing acked is lost, nothing doubled, nothing hangs."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from actors.ports.clock import SystemClock
from actors.rows import JournalRow, LikeRow, StampedRow
from sharding.errors import StorageUnavailable
from sharding.ids import IdMint
from storage.cassandra.facts import CassandraFacts
from storage.cassandra.opening import open_cassandra
from storage.errors import WrongDatabase
from tests.contracts.clock import until
from tests.integration.cassandra.conftest import fault_settings

pytestmark = [pytest.mark.engines, pytest.mark.timeout(180)]

VIDEO = IdMint(1, SystemClock()).mint()


def like(user_id, timestamp):
    return [
        StampedRow(JournalRow(user_id=user_id, entry_id=timestamp, kind="like"), timestamp),
        StampedRow(LikeRow(user_id=user_id, video_id=VIDEO, liked=True, at_ms=1), timestamp),
    ]


async def until_it_answers(cassandra):
    async with asyncio.timeout(60):
        while True:
            try:
                return await cassandra.ping()
            except StorageUnavailable:
                await asyncio.sleep(0.1)


async def test_writes_cut_off_by_a_kill_land_once_when_repeated(own_cassandra, connect_facts):
    cassandra = await connect_facts(fault_settings(own_cassandra.addresses))
    facts = CassandraFacts(cassandra)
    acked, refused = [], []

    async def write(user_id):
        try:
            await facts.writer.write(like(user_id, user_id))
            acked.append(user_id)
        except StorageUnavailable:
            refused.append(user_id)

    async def writer(first):
        for user_id in range(first, 2_000, 20):
            await write(user_id)
            if refused:
                return

    writers = [asyncio.ensure_future(writer(first)) for first in range(1, 21)]
    await until(lambda: len(acked) >= 200)
    (node,) = own_cassandra.processes
    node.kill()
    await asyncio.gather(*writers)
    assert refused

    with pytest.raises(StorageUnavailable) as down:
        await connect_facts(fault_settings(own_cassandra.addresses))
    assert down.value.executed is False

    node.restart()
    await until_it_answers(cassandra)
    # Of those that were refused some had landed; all are written again, and the acked ones as well.
    for user_id in [*refused, *acked]:
        await facts.writer.write(like(user_id, user_id))
    everyone = {*refused, *acked}
    assert (await facts.videos.tally(VIDEO)).likes == len(everyone)
    for user_id in [*refused[:5], *acked[:5]]:
        assert list(await facts.deeds.liked_among(user_id, [VIDEO])) == [VIDEO]
        entries = await facts.deeds.activity(user_id, [], before=None, limit=9)
        assert [entry.entry_id for entry in entries] == [user_id]
    assert cassandra.statistics().in_flight == 0


async def test_acked_writes_outlive_a_kill_without_being_repeated(own_cassandra, connect_facts):
    cassandra = await connect_facts(fault_settings(own_cassandra.addresses))
    facts = CassandraFacts(cassandra)
    video = VIDEO + 1
    row = LikeRow(user_id=7, video_id=video, liked=True, at_ms=1)
    await facts.writer.write([StampedRow(row, 1)])
    (node,) = own_cassandra.processes
    node.restart()
    await until_it_answers(cassandra)
    assert list(await facts.deeds.likes(7, before=None, limit=1)) == [row]


async def test_a_paused_node_is_given_up_on_in_bounded_time(own_cassandra, connect_facts):
    settings = fault_settings(
        own_cassandra.addresses,
        request_timeout_s=0.5,
        max_in_flight=8,
        max_waiting=8,
        max_wait_s=0.7,
    )
    cassandra = await connect_facts(settings)
    facts = CassandraFacts(cassandra)
    await facts.writer.write(like(1, 1))
    (node,) = own_cassandra.processes
    node.pause()
    try:
        started = time.monotonic()
        outcomes = await asyncio.gather(
            *(facts.writer.write(like(user_id, 1)) for user_id in range(100, 140)),
            return_exceptions=True,
        )
        took = time.monotonic() - started
    finally:
        node.resume()
    # Sent ones may have been done, those that never left were not.
    told = [each.executed for each in outcomes if isinstance(each, StorageUnavailable)]
    assert (len(told), set(told)) == (40, {None, False})
    assert took < 5
    await until_it_answers(cassandra)
    await facts.writer.write(like(1, 2))
    figures = cassandra.statistics()
    assert (figures.in_flight, figures.waiting) == (0, 0)
    assert figures.refused > 0
    assert figures.errors > 0


async def test_a_caller_that_gives_up_keeps_its_place_until_the_answer(
    own_cassandra, connect_facts
):
    cassandra = await connect_facts(
        fault_settings(own_cassandra.addresses, request_timeout_s=1.0, max_in_flight=1)
    )
    await cassandra.ping()
    (node,) = own_cassandra.processes
    node.pause()
    try:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await cassandra.ping()
        assert cassandra.statistics().in_flight == 1
    finally:
        node.resume()
    await until_it_answers(cassandra)
    assert cassandra.statistics().in_flight == 0


async def test_nothing_is_opened_before_it_was_migrated(own_cassandra):
    settings = replace(fault_settings(own_cassandra.addresses), keyspace="nothing_here")
    with pytest.raises(WrongDatabase, match="kinora migrate"):
        async with open_cassandra(settings, SystemClock()):
            raise AssertionError("opened")
