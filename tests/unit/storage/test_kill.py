"""A real process, killed with -9 in the midst of commits: nothing acked is lost, nothing is doubled."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from storage.embedded.database import open_database
from storage.embedded.facts import SqliteFacts
from storage.embedded.runners import InlineRunner
from storage.embedded.shard_store import SqliteShardStore
from tests.unit.storage.committer import SHARDS

ROOT = Path(__file__).resolve().parents[3]


async def acked_before_the_kill(file, epoch, lines):
    """The highest acked number of each shard."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.unit.storage.committer",
        str(file),
        str(epoch),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    acked = {}
    async with asyncio.timeout(20):
        for _ in range(lines):
            shard, number = map(int, (await process.stdout.readline()).split())
            acked[shard] = number
        process.kill()
        # Lines that had left before the kill are promises as well.
        rest = (await process.stdout.read()).rpartition(b"\n")[0]
        for line in rest.splitlines():
            shard, number = map(int, line.split())
            acked[shard] = number
        await process.wait()
    return acked


async def test_a_kill_at_any_moment_loses_nothing_acked_and_doubles_nothing(tmp_path):
    file = tmp_path / "k.db"
    acked = {}
    for epoch, lines in ((2, 50), (3, 333), (4, 120)):
        acked.update(await acked_before_the_kill(file, epoch, lines))
        async with open_database(file, InlineRunner()) as database:
            store, facts = SqliteShardStore(database), SqliteFacts(database)
            for shard in SHARDS:
                head = await store.open(shard)
                done = head.fence.sequence
                # One commit of a shard can be under way; it took effect whole or not at all.
                assert acked.get(shard, 0) <= done <= acked.get(shard, 0) + 1
                assert [entry.number for entry in head.outbox] == list(range(done))
                assert [intent.number for intent in head.intents] == [done - 1][: bool(done)]
                total = (await store.load(shard, 1)).get("total", b"0")
                assert int(total) == done
                answers = [await store.answer(shard, b"%d" % n, now_ms=1) for n in range(done)]
                assert None not in answers
                # A fact is written after its commit; what a kill kept from it, the next owner writes.
                likes = await facts.deeds.likes(shard + 1, before=None, limit=10_000)
                written = [each.video_id for each in reversed(likes)]
                assert written == list(range(1, len(written) + 1))
                assert acked.get(shard, 0) <= len(written)
                assert done - len(head.intents) <= len(written) <= done
    assert sum(acked.values()) > 400
