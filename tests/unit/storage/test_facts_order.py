"""Rows may be written in any order and again: the table is the same."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.rows import StampedRow
from storage.embedded.database import MEMORY, open_database
from storage.embedded.facts import SqliteFacts
from storage.embedded.runners import InlineRunner
from tests.contracts.make import follow_row, like, notification, user, video


def row(kind, key, timestamp):
    made = {
        "user": lambda: user(key, bio=str(timestamp)),
        "video": lambda: video(key, caption=str(timestamp)),
        "like": lambda: like(key, 1, liked=timestamp % 2 == 0),
        "follow": lambda: follow_row(key, 1, following=timestamp % 2 == 0),
        "notification": lambda: notification(1, str(key), timestamp, actor_ids=(timestamp,)),
    }
    return StampedRow(made[kind](), timestamp)


ROWS = st.lists(
    st.builds(
        row,
        st.sampled_from(["user", "video", "like", "follow", "notification"]),
        st.integers(1, 3),
        st.integers(1, 6),
    ),
    max_size=30,
)


async def table(batches):
    async with open_database(MEMORY, InlineRunner()) as database:
        writer = SqliteFacts(database).writer
        for batch in batches:
            await writer.write(batch)
        return await database.read(
            lambda connection: [
                connection.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall()
                for name in ("users", "videos", "likes", "follows", "notifications")
            ]
        )


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_give_the_same_table(rows, dice):
    once = sorted(rows, key=lambda stamped: stamped.timestamp)
    shuffled = dice.sample(rows * 2, len(rows) * 2)
    batches = [[each] for each in shuffled[: len(rows)]] + [shuffled[len(rows) :]]
    assert asyncio.run(table([once])) == asyncio.run(table(batches))
