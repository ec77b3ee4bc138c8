"""Three nodes, three copies: while one is gone or frozen, writes and reads at LOCAL_QUORUM go on without an error."""

from __future__ import annotations

import asyncio

import pytest

from actors.ports.clock import SystemClock
from actors.rows import LikeRow, StampedRow
from sharding.ids import IdMint
from storage.cassandra.facts import CassandraFacts
from tests.integration.cassandra.conftest import fault_settings

pytestmark = [pytest.mark.engines, pytest.mark.timeout(400)]

#: Likes that are written while a node is away, and before and after.
LIKES = 300


@pytest.fixture(scope="module")
def three_nodes(engines):
    with engines.own_cassandra(3) as running:
        yield running


@pytest.mark.parametrize("fault", ["pause", "kill"])
async def test_one_node_less_is_no_error(three_nodes, connect_facts, fault):
    settings = fault_settings(
        three_nodes.addresses, replication=3, request_timeout_s=10.0, second_try_s=0.5
    )
    cassandra = await connect_facts(settings)
    facts = CassandraFacts(cassandra)
    video = IdMint(1, SystemClock()).mint()
    users = iter(range(1, 3 * LIKES + 1))
    at = asyncio.Event()

    async def writer():
        for user_id in users:
            row = LikeRow(user_id=user_id, video_id=video, liked=True, at_ms=user_id)
            await facts.writer.write([StampedRow(row, 1)])
            assert list(await facts.deeds.liked_among(user_id, [video])) == [video]
            if user_id >= LIKES:
                at.set()

    writers = [asyncio.ensure_future(writer()) for _ in range(16)]
    await at.wait()
    node = three_nodes.processes[-1]
    getattr(node, fault)()
    try:
        await asyncio.gather(*writers)
        assert (await facts.videos.tally(video)).likes == 3 * LIKES
    finally:
        # Harmless to one that is dead; it stays so, since starting again takes longer than all of this.
        node.resume()
