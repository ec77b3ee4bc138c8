"""What every `FactWriter` promises (actors/ports/facts.py)."""

from __future__ import annotations

import random

import pytest

from actors.rows import CountsRow, StampedRow, VideoRow
from tests.contracts.make import encoded_media, media_row, playing, stamped, user, video


async def test_a_newer_row_replaces_an_older_one_whole(facts):
    await facts.writer.write(stamped(video(1, caption="old", metadata="{}"), timestamp=1))
    await facts.writer.write(stamped(video(1, caption="new"), timestamp=2))
    (record,) = await facts.videos.videos([1])
    assert record.video == video(1, caption="new")


@pytest.mark.parametrize("late", ["aaa", "zzz"])
async def test_an_older_timestamp_changes_nothing(facts, late):
    await facts.writer.write(stamped(video(1, caption="there"), timestamp=5))
    await facts.writer.write(stamped(video(1, caption=late, metadata="{}"), timestamp=4))
    (record,) = await facts.videos.videos([1])
    assert record.video == video(1, caption="there")


async def test_a_row_written_again_changes_nothing(facts):
    for _ in range(2):
        await facts.writer.write(stamped(video(1, caption="there"), timestamp=5))
        (record,) = await facts.videos.videos([1])
        assert record.video == video(1, caption="there")


async def test_rows_of_many_kinds_land_together(facts):
    await facts.writer.write(
        stamped(
            *playing(1), user(2), CountsRow(entity_id=1, likes=3), CountsRow(entity_id=2, videos=4)
        )
    )
    (record,) = await facts.videos.videos([1])
    (profile,) = await facts.people.profiles([2])
    assert record.plays
    assert (record.counts.likes, profile.counts.videos) == (3, 4)


async def test_nested_values_come_back_as_they_were(facts):
    row = media_row(1, media=encoded_media())
    await facts.writer.write(stamped(video(1), row))
    (record,) = await facts.videos.videos([1])
    assert record.media == row


async def test_nothing_to_write_is_fine(facts):
    await facts.writer.write([])


async def test_any_order_and_any_repetition_give_the_same_table(facts):
    dice = random.Random(20)
    newest: dict[int, tuple[int, VideoRow]] = {}
    rows = []
    for _ in range(200):
        key, timestamp = dice.randrange(5), dice.randrange(1, 40)
        # A timestamp belongs to one row: what an epoch's owner stamps, it stamps once.
        row = video(key, caption=f"{key} at {timestamp}")
        rows.append(StampedRow(row, timestamp))
        if timestamp > newest.get(key, (0,))[0]:
            newest[key] = (timestamp, row)
    dice.shuffle(rows)
    while rows:
        cut = dice.randrange(1, 20)
        await facts.writer.write(rows[:cut])
        await facts.writer.write(dice.sample(rows[:cut], len(rows[:cut])))
        rows = rows[cut:]
    records = await facts.videos.videos(list(newest))
    assert {record.video.video_id: record.video for record in records} == {
        key: row for key, (_, row) in newest.items()
    }
