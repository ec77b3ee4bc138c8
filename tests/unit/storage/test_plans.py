"""Every read of facts is a search by an index: none reads a whole table, none sorts what it could find sorted."""

from __future__ import annotations

import re
from functools import partial

import pytest

from storage.embedded.database import MEMORY, open_database
from storage.embedded.facts import SqliteFacts
from storage.embedded.runners import InlineRunner
from tests.contracts.make import comment, stamped

READS = {
    "people": [
        lambda people: people.account(1),
        lambda people: people.profiles([1, 2]),
        lambda people: people.following(1, 3),
        lambda people: people.follows(1, direction="following", before=(1, 2), limit=3),
        lambda people: people.follows(1, direction="followers", before=None, limit=3),
        lambda people: people.blocks(1),
        lambda people: people.tally(1),
        lambda people: people.everyone(1, 2),
    ],
    "videos": [
        lambda videos: videos.videos([1, 2]),
        lambda videos: videos.by_authors([1], before=None, limit=2),
        lambda videos: videos.recent(2),
        lambda videos: videos.unfinished(1, before=None, limit=2),
        lambda videos: videos.uploads_since(1, 2),
        lambda videos: videos.tally(1),
        lambda videos: videos.every_video(1, 2),
    ],
    "deeds": [
        lambda deeds: deeds.likes(1, before=None, limit=2),
        lambda deeds: deeds.liked_among(1, [1]),
        lambda deeds: deeds.liked_comments_among(1, [1]),
        lambda deeds: deeds.not_interested(1, 2),
        lambda deeds: deeds.activity(1, ["like"], before=None, limit=2),
        lambda deeds: deeds.activity(1, [], before=None, limit=2),
        lambda deeds: deeds.notifications(1, before=None, limit=2),
        lambda deeds: deeds.notification(1, "x"),
        lambda deeds: deeds.comments_of(1, 2),
    ],
    "comments": [
        lambda comments: comments.page(1, None, before=None, limit=2),
        lambda comments: comments.page(1, 5, before=9, limit=2),
        lambda comments: comments.comment(1, 5),
    ],
}

#: Steps that read one row, or what the statement itself made.
HARMLESS = re.compile(r"SCAN (CONSTANT ROW|visible)")


def plan_of(connection, select):
    return [step[3] for step in connection.execute(f"EXPLAIN QUERY PLAN {select}")]


@pytest.mark.parametrize(
    ("port", "read"), [(port, read) for port, reads in READS.items() for read in reads]
)
async def test_a_read_is_a_search(port, read):
    statements: list[str] = []

    async with open_database(MEMORY, InlineRunner()) as database:
        facts = SqliteFacts(database)
        await facts.writer.write(stamped(comment(5)))
        await database.read(lambda connection: connection.set_trace_callback(statements.append))
        await read(getattr(facts, port))
        await database.read(lambda connection: connection.set_trace_callback(None))
        selects = [each for each in statements if each.startswith(("SELECT", "WITH"))]
        assert selects
        for select in selects:
            plan = await database.read(partial(plan_of, select=select))
            assert not [
                step
                for step in plan
                if (step.startswith("SCAN") and not HARMLESS.match(step)
                    and "publications" not in step)
                or "TEMP B-TREE" in step
            ], plan  # fmt: skip


async def test_replies_are_found_by_their_parent_and_not_by_reading_the_video():
    async with open_database(MEMORY, InlineRunner()) as database:
        facts = SqliteFacts(database)
        replies = [comment(n, parent_id=1) for n in range(2, 3_000)]
        await facts.writer.write(stamped(comment(1), *replies))
        steps = 0

        def count() -> None:
            nonlocal steps
            steps += 1

        await database.read(lambda connection: connection.set_progress_handler(count, 100))
        assert (await facts.videos.tally(1)).comments == 2_999
        assert len(await facts.comments.page(1, 1, before=None, limit=9)) == 9
        # Some dozens of instructions a comment; reading the video for each would take millions.
        assert steps * 100 < 3_000 * 200
