"""What a simulated world asks its one database, beside the ports that its processes use."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from storage.embedded.database import Database
from storage.embedded.facts import SqliteFacts


def watch_commits(connection: sqlite3.Connection) -> None:
    """Have the database itself write down which epochs' commits it takes."""
    connection.execute("CREATE TEMP TABLE taken (shard, epoch)")
    connection.execute(
        "CREATE TEMP TRIGGER watch AFTER UPDATE OF sequence ON main.fences"
        " WHEN NEW.sequence > OLD.sequence"
        " BEGIN INSERT INTO taken VALUES (NEW.shard, NEW.epoch); END"
    )


def watched_commits(connection: sqlite3.Connection) -> list[tuple[int, int]]:
    """The shards and epochs of those commits, in order."""
    return connection.execute("SELECT shard, epoch FROM taken ORDER BY rowid").fetchall()


async def leftovers(database: Database) -> list[str]:
    """What it says is not done with."""

    def effect(connection: Any) -> list[str]:
        found = []
        for what, where in (
            ("intents", ""),
            ("outbox", ""),
            ("jobs", "WHERE state IN ('waiting', 'running', 'ended')"),
        ):
            (count,) = connection.execute(f"SELECT count(*) FROM {what} {where}").fetchone()
            if count:
                found.append(f"{count} {what} are left")
        return found

    return await database.read(effect)


async def wrong_counts(
    database: Database, users: Sequence[int], *, doubted: Collection[Any]
) -> list[str]:
    """Counts that are not the sizes of facts; how many comments `doubted` videos have is not asked."""
    facts, found = SqliteFacts(database), []
    for record in await facts.videos.every_video(0, 1_000):
        tally, row = await facts.videos.tally(record.video.video_id), record.counts
        same = (row.likes, row.shares) == (tally.likes, tally.shares)
        if record.video.video_id not in doubted:
            same &= row.comments == tally.comments
        if not same:
            found.append(f"video {record.video.video_id} at rest: {row}, facts {tally}")
    for profile in await facts.people.profiles(users):
        sizes = msgspec.structs.asdict(await facts.people.tally(profile.user.user_id))
        if sizes.items() - msgspec.structs.asdict(profile.counts).items():
            found.append(f"user {profile.user.user_id}: {profile.counts}, facts {sizes}")
    return found
