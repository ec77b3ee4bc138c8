"""What every `JobDesk` promises to the domain, and its other side to media workers."""

from __future__ import annotations

import asyncio

import pytest

from actors.media import MediaFailure
from storage.embedded.jobs import JobSettings
from tests.contracts.clock import settled, until
from tests.contracts.make import encoded_media, job

LEASE_S = JobSettings().lease_ms / 1000
CURABLE = MediaFailure(code="internal", title="A worker stumbled.")
DAMAGED = MediaFailure(code="damaged", title="The file is damaged.")


class Reporter:
    """Keeps reports, and fails as often as told."""

    def __init__(self, failures=0):
        self.reports = []
        self.failures = failures

    async def __call__(self, report):
        self.reports.append(report)
        if report.outcome is not None and self.failures:
            self.failures -= 1
            raise RuntimeError("not now")

    @property
    def outcomes(self):
        return [report.outcome for report in self.reports if report.outcome is not None]


@pytest.fixture
async def reporter(jobs):
    reporter = Reporter()
    jobs.report_to(reporter)
    return reporter


async def test_one_video_and_generation_is_one_job_however_often_it_is_submitted(jobs):
    for _ in range(3):
        await jobs.submit(job())
    claim = await jobs.claim("w")
    assert (claim.job, claim.attempt) == (job(), 1)
    assert await jobs.claim("w") is None
    await jobs.finish(claim, encoded_media())
    await jobs.submit(job())
    assert await jobs.claim("w") is None


async def test_jobs_are_taken_in_the_order_they_came(jobs):
    for number in (3, 1, 2):
        await jobs.submit(job(video_id=number))
    assert [(await jobs.claim("w")).job.video_id for _ in range(3)] == [3, 1, 2]


async def test_two_workers_never_hold_one_job(jobs):
    await jobs.submit(job())
    claims = await asyncio.gather(*(jobs.claim(f"w{n}") for n in range(5)))
    assert sum(claim is not None for claim in claims) == 1


async def test_an_outcome_is_reported(jobs, reporter, clock):
    await jobs.submit(job())
    claim = await jobs.claim("w")
    await jobs.finish(claim, encoded_media())
    await jobs.finish(claim, DAMAGED)
    await until(lambda: reporter.outcomes, clock)
    (report,) = [each for each in reporter.reports if each.outcome is not None]
    assert (report.video_id, report.author_id, report.generation) == (1, 9, 1)
    assert report.outcome == encoded_media()


async def test_an_outcome_is_reported_until_the_reporter_returns_and_then_no_more(
    jobs, reporter, clock
):
    reporter.failures = 2
    await jobs.submit(job())
    await jobs.finish(await jobs.claim("w"), DAMAGED)
    await until(lambda: len(reporter.outcomes) == 3, clock)
    async with asyncio.timeout(5):
        while (await jobs.statistics()).unreported:
            await settled()
    clock.advance(60)
    await settled()
    assert reporter.outcomes == [DAMAGED] * 3


async def test_one_report_that_fails_holds_up_no_other(jobs, clock):
    told = []

    async def reporter(report):
        if report.outcome is not None:
            if report.video_id == 1:
                raise RuntimeError
            told.append(report.video_id)

    for number in (1, 2):
        await jobs.submit(job(video_id=number))
        await jobs.finish(await jobs.claim("w"), DAMAGED)
    jobs.report_to(reporter)
    await until(lambda: told, clock)
    assert told == [2]


async def test_heartbeats_keep_a_claim_beyond_its_lease(jobs, clock):
    await jobs.submit(job())
    claim = await jobs.claim("w")
    for _ in range(5):
        clock.advance(LEASE_S * 0.9)
        assert await jobs.heartbeat(claim, 0.1)
        assert await jobs.claim("other") is None


async def test_a_claim_without_heartbeats_lapses_and_the_job_is_due_again(jobs, clock):
    await jobs.submit(job())
    stuck = await jobs.claim("w")
    clock.advance(LEASE_S)
    claim = await jobs.claim("other")
    assert (claim.job, claim.attempt) == (job(), 2)
    assert claim.token != stuck.token
    assert not await jobs.heartbeat(stuck, 0.5)
    await jobs.finish(stuck, DAMAGED)
    await jobs.give_back(stuck)
    assert await jobs.heartbeat(claim, 0.5)


async def test_a_job_that_outlasts_all_its_leases_fails_with_timeout(jobs, reporter, clock):
    await jobs.submit(job())
    for attempt in (1, 2, 3):
        assert (await jobs.claim("w")).attempt == attempt
        clock.advance(LEASE_S)
    assert await jobs.claim("w") is None
    await until(lambda: reporter.outcomes, clock)
    assert [outcome.code for outcome in reporter.outcomes] == ["timeout"]


async def test_a_lapsed_claim_is_noticed_though_no_worker_asks(jobs, reporter, clock):
    await jobs.submit(job())
    for _ in range(3):
        await jobs.claim("w")
        clock.advance(LEASE_S)
    await jobs.end_lapsed()
    await until(lambda: reporter.outcomes)
    assert reporter.outcomes[0].code == "timeout"


async def test_a_curable_failure_is_tried_again_ever_later_until_attempts_are_used_up(
    jobs, reporter, clock
):
    await jobs.submit(job())
    for pause_s in (2, 4):
        await jobs.finish(await jobs.claim("w"), CURABLE)
        clock.advance(pause_s - 0.1)
        assert await jobs.claim("w") is None
        clock.advance(0.1)
    await jobs.finish(await jobs.claim("w"), CURABLE)
    await until(lambda: reporter.outcomes)
    clock.advance(3_600)
    assert await jobs.claim("w") is None
    assert reporter.outcomes == [CURABLE]


async def test_a_verdict_about_the_clip_ends_the_job_at_once(jobs, reporter):
    await jobs.submit(job())
    await jobs.finish(await jobs.claim("w"), DAMAGED)
    await until(lambda: reporter.outcomes)
    assert reporter.outcomes == [DAMAGED]


async def test_a_job_given_back_is_due_at_once_and_has_spent_no_attempt(jobs):
    await jobs.submit(job())
    claim = await jobs.claim("w")
    await jobs.give_back(claim)
    await jobs.give_back(claim)
    again = await jobs.claim("w")
    assert again.attempt == 1
    assert not await jobs.heartbeat(claim, 0.5)
    assert await jobs.heartbeat(again, 0.5)


async def test_a_newer_generation_makes_older_ones_lost(jobs, reporter):
    await jobs.submit(job(generation=1))
    old = await jobs.claim("w")
    await jobs.submit(job(generation=2))
    assert not await jobs.heartbeat(old, 0.5)
    await jobs.finish(old, encoded_media())
    assert (await jobs.claim("w")).job.generation == 2
    await jobs.submit(job(generation=1))
    assert await jobs.claim("w") is None
    await settled()
    assert reporter.outcomes == []


async def test_a_withdrawn_job_is_lost_and_never_comes_back(jobs):
    await jobs.submit(job())
    claim = await jobs.claim("w")
    await jobs.withdraw(1)
    assert not await jobs.heartbeat(claim, 0.5)
    await jobs.submit(job())
    assert await jobs.claim("w") is None


async def test_progress_is_reported_seldom_and_never_falls(jobs, reporter, clock):
    await jobs.submit(job())
    claim = await jobs.claim("w")
    await until(lambda: reporter.reports)
    for progress in (0.1, 0.2, 0.3):
        await jobs.heartbeat(claim, progress)
    await settled()
    assert [report.progress for report in reporter.reports] == [0.0]
    clock.advance(0.25)
    await jobs.heartbeat(claim, 0.25)
    await until(lambda: len(reporter.reports) == 2)
    assert reporter.reports[1].progress == 0.3
    assert reporter.reports[1].outcome is None


async def test_waiting_ends_when_a_job_is_submitted(jobs):
    assert await jobs.claim("w") is None
    waiting = asyncio.ensure_future(jobs.wait(60))
    await settled()
    assert not waiting.done()
    await jobs.submit(job())
    await asyncio.wait([waiting], timeout=5)
    assert waiting.done()
    assert await jobs.claim("w") is not None


async def test_a_job_that_came_between_claim_and_wait_is_not_overslept(jobs):
    assert await jobs.claim("w") is None
    await jobs.submit(job())
    async with asyncio.timeout(5):
        await jobs.wait(60)


async def test_waiting_ends_with_its_time(jobs):
    await jobs.wait(0.001)
