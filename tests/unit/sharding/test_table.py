"""The shard table: same homes for everyone who computes them, and few moves when a node comes or goes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sharding.shards import SHARD_COUNT, Shard, shard_of
from sharding.table import Home, ShardTable

NODES = ("n1", "n2", "n3", "n4")
#: Homes of shards 0, 1, 2, 511 and 1023 among them, written down once.
SEEDED = ["n4", "n4", "n2", "n2", "n4"]


def test_every_holder_computes_the_same_homes():
    assert ShardTable.seeded(NODES) == ShardTable.seeded(tuple(reversed(NODES)))


def test_the_seed_is_the_one_that_was_written_down():
    table = ShardTable.seeded(NODES)
    assert [table.homes[shard].node for shard in (0, 1, 2, 511, 1023)] == SEEDED


@pytest.mark.parametrize("gone", NODES)
def test_a_node_that_leaves_moves_only_its_own_shards(gone):
    before = ShardTable.seeded(NODES)
    after = ShardTable.seeded([node for node in NODES if node != gone])
    moved = [n for n in range(SHARD_COUNT) if before.homes[n] != after.homes[n]]
    assert moved == before.shards_of(gone)


@settings(max_examples=5, deadline=None)
@given(st.integers(2, 8))
def test_shards_are_spread_evenly(count):
    table = ShardTable.seeded([f"node-{n}" for n in range(count)])
    sizes = [len(table.shards_of(f"node-{n}")) for n in range(count)]
    assert sum(sizes) == SHARD_COUNT
    assert max(sizes) < 1.35 * SHARD_COUNT / count


def test_without_a_node_there_is_no_table():
    with pytest.raises(ValueError, match="at least one node"):
        ShardTable.seeded([])


def test_an_entity_lives_where_its_shard_lives():
    table = ShardTable.seeded(NODES)
    assert table.home_of(4711) == table.homes[shard_of(4711)]


@pytest.mark.parametrize(
    ("epoch", "node"), [(4, "n1"), (5, "n9"), (6, "n9")], ids=["older", "same", "newer"]
)
def test_a_change_counts_only_if_its_epoch_is_not_older(epoch, node):
    table = ShardTable.seeded(["n1"]).moved({Shard(7): Home("n1", 5)})
    assert table.moved({Shard(7): Home("n9", epoch)}).homes[7].node == node


def test_a_change_makes_a_new_table_and_touches_nothing_else():
    table = ShardTable.seeded(["n1"])
    changed = table.moved({Shard(7): Home("n2", 1)})
    assert table.homes[7] == Home("n1", 0)
    assert [n for n in range(SHARD_COUNT) if changed.homes[n] != table.homes[n]] == [7]


def test_an_operator_reads_how_many_shards_each_node_has():
    assert repr(ShardTable.seeded(["n1"])) == "<ShardTable {'n1': 1024}>"
