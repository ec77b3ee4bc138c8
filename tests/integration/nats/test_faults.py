"""NATS is killed, paused and emptied: what was acked is there afterwards, and everything resumes by itself."""

from __future__ import annotations

import asyncio
import resource

import pytest

from actors.ports.ingest import StoredUpload
from actors.ports.table import Member, Sighting
from sharding.errors import StorageUnavailable
from sharding.table import ShardTable
from tests.contracts.clock import until
from tests.contracts.make import encoded_media, job
from tests.contracts.nats import remove_streams, tell_of_stored
from tests.integration.nats.recorder import Recorder, viewed

pytestmark = pytest.mark.engines

MEMBER = Member(name="node-1", incarnation="a", address="unix:/run/node", started_ms=1)


async def in_time(call, seconds=2.0):
    """What `call` refuses with, in bounded time."""
    async with asyncio.timeout(seconds):
        with pytest.raises(StorageUnavailable) as caught:
            await call
    return caught.value


async def again(call, seconds=15):
    """Repeat `call` until NATS answers."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                return await call()
            except StorageUnavailable:
                await asyncio.sleep(0.02)


async def test_a_process_opens_while_nats_is_down_and_refuses_at_once(server, fragile):
    server.kill()
    ports = await fragile()
    ports.follower.follow(range(64))
    recorder = Recorder()
    heard: list[Sighting] = []
    ports.bus.subscribe(recorder)
    ports.table.watch(heard.append)
    for call in (
        lambda: ports.bus.publish([viewed(1)]),
        lambda: ports.jobs.submit(job()),
        lambda: ports.jobs.claim("w"),
        lambda: ports.table.seed(ShardTable.seeded(["a"])),
        lambda: ports.table.announce(MEMBER),
        lambda: ports.uploads.pass_on(StoredUpload(video_id=1, size_bytes=1, author_id=2)),
        lambda: ports.ping(),
    ):
        assert (await in_time(call(), 0.2)).executed is False
    assert heard == []
    server.restart()
    await ports.ready()
    await ports.bus.publish([viewed(1)])
    await until(lambda: recorder.numbers == [1])
    await until(lambda: heard and heard[-1].members == {"node-1": MEMBER})


async def test_nothing_acked_is_lost_and_the_order_holds_when_nats_is_killed(server, fragile):
    sender, owner = await fragile("sender"), await fragile("owner")
    await sender.ready()
    recorder = Recorder()
    owner.bus.subscribe(recorder)
    owner.follower.follow([2])
    acked, stop = [], False

    async def send():
        number = 0
        while not stop:
            number += 1
            await again(lambda number=number: sender.bus.publish([viewed(number)]))
            acked.append(number)

    sending = asyncio.ensure_future(send())
    for _ in range(2):
        before = len(acked)
        await until(lambda before=before: len(acked) > before + 100)
        server.restart()
    before = len(acked)
    await until(lambda: len(acked) > before + 100)
    stop = True
    await sending
    await until(lambda: len(recorder.numbers) == len(acked))
    assert recorder.numbers == acked == list(range(1, len(acked) + 1))


async def test_what_waits_in_the_inbox_survives_a_kill_and_comes_to_the_next_owner(server, fragile):
    sender = await fragile("sender")
    await sender.ready()
    await sender.bus.publish([viewed(number) for number in range(1, 51)])
    server.restart()
    owner = await fragile("owner")
    recorder = Recorder()
    owner.bus.subscribe(recorder)
    owner.follower.follow([2])
    await until(lambda: recorder.numbers == list(range(1, 51)))


async def test_a_paused_nats_refuses_in_bounded_time_and_fills_no_memory(server, fragile):
    ports = await fragile()
    await ports.ready()
    recorder = Recorder()
    ports.bus.subscribe(recorder)
    ports.follower.follow([2])
    await again(lambda: ports.bus.publish([viewed(1)]))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    server.pause()
    try:
        for _ in range(20):
            await in_time(ports.bus.publish([viewed(2, target=n) for n in range(500)]), 2)
        assert ports.statistics().posts_outgoing == 0
    finally:
        server.resume()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 64 * 1024
    await again(lambda: ports.bus.publish([viewed(2), viewed(3)]))
    await until(lambda: recorder.numbers == [1, 2, 3])


async def test_a_claim_outlives_an_outage_longer_than_its_lease(server, fragile):
    worker, node = await fragile("worker"), await fragile("node")
    await worker.ready()
    told = []

    async def reporter(report):
        told.append(report)

    node.follower.follow(range(1024))
    node.jobs.report_to(reporter)
    await worker.jobs.submit(job())
    claim = await worker.jobs.claim("w")
    server.kill()
    await in_time(worker.jobs.heartbeat(claim, 0.5))
    await asyncio.sleep(1.2)
    server.restart()
    assert await again(lambda: worker.jobs.heartbeat(claim, 0.5))
    assert await again(lambda: node.jobs.claim("other")) is None
    await again(lambda: worker.jobs.finish(claim, encoded_media()))
    await until(lambda: any(report.outcome == encoded_media() for report in told))


async def test_an_outcome_that_was_never_told_is_told_by_whoever_notices(server, fragile):
    worker = await fragile("worker")
    await worker.ready()
    await worker.jobs.submit(job())
    claim = await worker.jobs.claim("w")
    # It dies between storing the outcome and telling of it.
    worker.bus.close()
    await worker.jobs.finish(claim, encoded_media())
    node = await fragile("node")
    told = []

    async def reporter(report):
        told.append(report.outcome)

    node.follower.follow(range(1024))
    node.jobs.report_to(reporter)
    await until(lambda: encoded_media() in told)


async def test_members_stay_through_an_outage_and_go_when_only_they_are_silent(server, fragile):
    node, watcher = await fragile("node"), await fragile("watcher")
    await watcher.ready()
    seen = []
    watcher.table.watch(lambda sighting: seen.append(dict(sighting.members)))
    await again(lambda: node.table.announce(MEMBER))
    await until(lambda: seen and seen[-1] == {"node-1": MEMBER})
    server.pause()
    await asyncio.sleep(1)
    server.resume()
    await asyncio.sleep(0.3)
    server.kill()
    await asyncio.sleep(1)
    server.restart()
    await again(watcher.ping)
    await asyncio.sleep(0.3)
    told = len(seen)
    assert {} not in seen[1:]
    await node.close()
    await until(lambda: seen[-1] == {})
    assert len(seen) == told + 1


async def test_news_of_uploads_resume(server, fragile, impatient):
    ports = await fragile()
    await ports.ready()
    taken = []

    async def taker(upload):
        taken.append(upload.video_id)

    ports.uploads.take_by(taker)
    await tell_of_stored(impatient, 1, 10)
    await until(lambda: taken == [1])
    server.restart()
    await tell_of_stored(impatient, 2, 10)
    # The receipt for the first may have been lost with the server; then it comes again.
    await until(lambda: 2 in taken)


async def test_outages_leave_no_tasks_behind(server, fragile):
    ports = await fragile()
    await ports.ready()
    recorder = Recorder()
    ports.bus.subscribe(recorder)
    ports.follower.follow(range(200))
    await again(lambda: ports.bus.publish([viewed(1)]))
    await until(lambda: recorder.numbers == [1])
    before = len(asyncio.all_tasks())
    for number in (2, 3, 4):
        server.restart()
        await again(lambda number=number: ports.bus.publish([viewed(number)]))
        await until(lambda number=number: number in recorder.numbers)
    await until(lambda: len(asyncio.all_tasks()) <= before + 5)


async def test_streams_that_somebody_removed_are_made_again_and_read_from_their_beginning(
    server, fragile, impatient
):
    ports = await fragile()
    await ports.ready()
    recorder = Recorder()
    ports.bus.subscribe(recorder)
    ports.follower.follow([2])
    for number in range(1, 11):
        await ports.bus.publish([viewed(number)])
    await until(lambda: len(recorder.numbers) == 10)
    await remove_streams(impatient)
    await in_time(ports.bus.publish([viewed(11)]))
    await ports.ensure_streams()
    await ports.bus.publish([viewed(11)])
    server.restart()
    await again(lambda: ports.bus.publish([viewed(12)]))
    await until(lambda: recorder.numbers == list(range(1, 13)))


async def test_jobs_and_members_go_on_in_streams_that_begin_anew(server, fragile, impatient):
    node, worker = await fragile("node"), await fragile("worker")
    await worker.ready()
    seen: list[Sighting] = []
    worker.table.watch(seen.append)
    await again(lambda: node.table.announce(MEMBER))

    async def claimed():
        # None until the worker has heard of it.
        claim = await worker.jobs.claim("w")
        if claim is None:
            raise StorageUnavailable
        return claim

    for number in range(1, 6):
        await node.jobs.submit(job(video_id=number))
        await again(claimed)
    await remove_streams(impatient)
    server.restart()
    await again(lambda: node.jobs.submit(job(video_id=1, generation=2)))
    assert (await again(claimed)).job.generation == 2
    await until(lambda: bool(seen) and dict(seen[-1].members) == {"node-1": MEMBER})
    newer = Member(name="node-2", incarnation="b", address="unix:/run/node", started_ms=2)
    await again(lambda: worker.table.announce(newer))
    await until(lambda: set(seen[-1].members) == {"node-1", "node-2"})
