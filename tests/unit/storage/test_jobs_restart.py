"""Jobs outlive the process: what was claimed is due again, what ended is still reported."""

from __future__ import annotations

import pytest

from actors.media import MediaFailure
from actors.tasks import TaskSet
from storage.embedded.database import open_database
from storage.embedded.jobs import open_jobs
from storage.embedded.runners import InlineRunner
from tests.contracts.clock import ManualClock, settled
from tests.contracts.make import encoded_media, job

DAMAGED = MediaFailure(code="damaged", title="The file is damaged.")


@pytest.fixture
def process(tmp_path):
    """One life of a process: runs `story` with its jobs and the outcomes that were reported."""

    async def live(story):
        tasks = TaskSet(lambda name, error: pytest.fail(f"{name}: {error!r}"))
        clock, outcomes = ManualClock(), []

        async def reporter(report):
            if report.outcome is not None:
                outcomes.append(report)

        async with open_database(tmp_path / "k.db", InlineRunner()) as database:
            async with open_jobs(database, clock, tasks) as jobs:
                await story(jobs, reporter)
                await settled(50)
            await tasks.close()
        return outcomes

    return live


async def test_a_submitted_job_survives(process):
    async def submit(jobs, reporter):
        await jobs.submit(job())

    async def claim(jobs, reporter):
        assert (await jobs.claim("w")).job == job()

    await process(submit)
    await process(claim)


async def test_a_claimed_job_is_due_again_at_once_with_its_attempt_spent(process):
    async def claim(jobs, reporter):
        await jobs.submit(job())
        assert (await jobs.claim("w")).attempt in (1, 2, 3)

    async def listen(jobs, reporter):
        jobs.report_to(reporter)

    for _ in range(3):
        await process(claim)
    (report,) = await process(listen)
    assert report.outcome.code == "timeout"


@pytest.mark.parametrize("outcome", [encoded_media(), DAMAGED])
async def test_an_outcome_that_nobody_heard_is_reported_by_the_next_process_once(process, outcome):
    async def finish(jobs, reporter):
        await jobs.submit(job())
        await jobs.finish(await jobs.claim("w"), outcome)

    async def listen(jobs, reporter):
        jobs.report_to(reporter)

    assert await process(finish) == []
    (report,) = await process(listen)
    assert report.outcome == outcome
    assert await process(listen) == []


async def test_a_reported_job_is_still_recognised(process):
    async def finish(jobs, reporter):
        jobs.report_to(reporter)
        await jobs.submit(job())
        await jobs.finish(await jobs.claim("w"), DAMAGED)

    async def submit(jobs, reporter):
        await jobs.submit(job())
        assert await jobs.claim("w") is None

    assert len(await process(finish)) == 1
    await process(submit)
