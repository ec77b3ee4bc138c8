"""A process that commits to a file and says each number once it is acked; it is made to be killed.

python -m tests.unit.storage.committer FILE EPOCH
"""

from __future__ import annotations

import asyncio
import sys

from actors.ports.clock import SystemClock
from actors.ports.shard_store import Intent, KeptAnswer, OutboxEntry, PartWrite
from storage.embedded.database import open_database
from storage.embedded.facts import SqliteFacts
from storage.embedded.shard_store import SqliteShardStore
from storage.embedded.thread_runner import ThreadRunner
from tests.contracts.make import bid, commit, like, stamped

SHARDS = range(8)


def fact(shard, sequence):
    return stamped(like(shard + 1, sequence + 1), timestamp=sequence + 1)


async def commit_for_ever(store, facts, fence, shard):
    sequence = fence.sequence
    # As a real owner does: what the last one promised and may not have written.
    for intent in (await store.open(shard)).intents:
        await facts.writer.write(fact(shard, intent.number))
    while True:
        await store.commit(
            commit(
                sequence,
                shard=shard,
                epoch=fence.epoch,
                owner=fence.owner,
                writes=(PartWrite(1, "total", str(sequence + 1).encode()),),
                answers=(
                    KeptAnswer(
                        op_id=b"%d" % sequence, digest=b"", answer=b"a" * 200, expires_ms=10**15
                    ),
                ),
                intents=(Intent(number=sequence, rows=b"r" * 300),),
                outbox=(OutboxEntry(number=sequence, payload=b"p" * 300),),
                landed=(sequence - 1,),
            ),
            now_ms=1,
        )
        await facts.writer.write(fact(shard, sequence))
        sequence += 1
        print(shard, sequence, flush=True)


async def main(file, epoch):
    async with open_database(file, ThreadRunner(SystemClock())) as database:
        store, facts = SqliteShardStore(database), SqliteFacts(database)
        bids = [
            bid(shard=shard, epoch=epoch, owner=f"e{epoch}", lease_until_ms=epoch)
            for shard in SHARDS
        ]
        # Each incarnation's lease has ended when the next one comes, and none ends while it commits.
        fences = await store.install(bids, now_ms=epoch)
        async with asyncio.TaskGroup() as group:
            for shard, fence in zip(SHARDS, fences, strict=True):
                group.create_task(commit_for_ever(store, facts, fence, shard))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
