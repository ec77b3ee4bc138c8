"""`shard_of`: the function that may never change, since every stored entity lies where it said."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sharding.ids import ID_LIMIT
from sharding.shards import SHARD_COUNT, shard_of

#: Written down once; a build that disagrees would look for everybody in the wrong place.
FROZEN = {
    0: 808,
    1: 326,
    2: 1009,
    1023: 31,
    1024: 99,
    383021711018168324: 148,
    9223372036854775807: 849,
}


def test_there_are_1024_shards():
    assert SHARD_COUNT == 1024


@pytest.mark.parametrize(("entity_id", "shard"), FROZEN.items())
def test_an_entity_lives_for_ever_in_the_shard_that_was_written_down(entity_id, shard):
    assert shard_of(entity_id) == shard


@settings(max_examples=50)
@given(st.integers(0, ID_LIMIT - 1))
def test_every_id_has_a_shard(entity_id):
    assert 0 <= shard_of(entity_id) < SHARD_COUNT


def test_ids_in_a_row_spread_evenly():
    counts = Counter(shard_of(entity_id) for entity_id in range(40_960))
    assert len(counts) == SHARD_COUNT
    assert max(counts.values()) < 2 * 40


def test_a_number_that_is_no_id_is_refused():
    with pytest.raises(OverflowError):
        shard_of(-1)
