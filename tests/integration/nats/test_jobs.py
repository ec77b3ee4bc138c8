"""Jobs among several processes: one claim, one truth, and somebody who notices."""

from __future__ import annotations

import asyncio

import pytest

from actors.media import Claim, MediaFailure
from tests.contracts.clock import until
from tests.contracts.make import encoded_media, job

pytestmark = pytest.mark.engines


class Reporter:
    """Keeps reports."""

    def __init__(self):
        self.reports = []

    async def __call__(self, report):
        self.reports.append(report)

    @property
    def outcomes(self):
        return [report.outcome for report in self.reports if report.outcome is not None]


async def test_workers_of_many_processes_never_hold_one_job(process):
    processes = [await process() for _ in range(4)]
    for number in range(1, 11):
        await processes[0].jobs.submit(job(video_id=number))
    taken = []

    async def work(ports):
        while (claim := await ports.jobs.claim("w")) is not None:
            taken.append(claim.job.video_id)

    await asyncio.gather(*(work(ports) for ports in processes for _ in range(2)))
    assert sorted(taken) == list(range(1, 11))


async def test_a_worker_that_dies_is_noticed_by_another_process(process):
    dying, other = await process(job_lease_s=0.5), await process(job_lease_s=0.5)
    await dying.jobs.submit(job())
    await dying.jobs.claim("w")
    await dying.close()
    claims: list[Claim] = []

    async with asyncio.timeout(5):
        while not claims:
            if (claim := await other.jobs.claim("other")) is not None:
                claims.append(claim)
            await other.jobs.wait(0.1)
    assert (claims[0].job, claims[0].attempt) == (job(), 2)


async def test_waiting_ends_when_another_process_hands_in_a_job(process):
    desk, worker = await process(), await process()
    assert await worker.jobs.claim("w") is None
    waiting = asyncio.ensure_future(worker.jobs.wait(60))
    await desk.jobs.submit(job())
    async with asyncio.timeout(5):
        await waiting
    assert await worker.jobs.claim("w") is not None


async def test_an_outcome_comes_to_the_follower_of_the_shard_and_progress_to_every_node(process):
    worker, owner, other = await process(), await process(), await process()
    told, others = Reporter(), Reporter()
    owner.jobs.report_to(told)
    other.jobs.report_to(others)
    owner.follower.follow(range(1024))
    await asyncio.sleep(0.1)
    await worker.jobs.submit(job())
    claim = await worker.jobs.claim("w")
    await until(lambda: told.reports and others.reports)
    await worker.jobs.finish(claim, encoded_media())
    await until(lambda: told.outcomes)
    assert told.outcomes == [encoded_media()]
    assert others.outcomes == []


async def test_a_job_that_is_given_up_leaves_a_dead_letter(process):
    ports = await process(job_max_attempts=1)
    await ports.jobs.submit(job())
    failure = MediaFailure(code="internal", title="A worker stumbled.")
    await ports.jobs.finish(await ports.jobs.claim("w"), failure)
    assert ports.statistics().dead_letters == 1
    assert (await ports.jobs.statistics()).given_up == 1


async def test_a_job_handed_in_from_two_processes_is_one(process):
    one, other = await process(), await process()
    await asyncio.gather(*(ports.jobs.submit(job()) for ports in (one, other) for _ in range(3)))
    assert await one.jobs.claim("w") is not None
    assert await other.jobs.claim("w") is None
