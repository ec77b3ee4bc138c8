"""The steps of a job, pure: what each leads to, and that a lost claim leads nowhere."""

from __future__ import annotations

import pytest

from actors.media import TIMED_OUT, Claim, MediaFailure
from storage.nats.job_state import (
    JOBS,
    JobState,
    beaten,
    claimed,
    finished,
    given_back,
    lapsed,
    over,
    submitted,
)
from tests.contracts.make import encoded_media, job

CURABLE = MediaFailure(code="internal", title="A worker stumbled.")


def led_to(state: JobState | None) -> JobState:
    """What a step led to, where it must lead somewhere."""
    assert state is not None
    return state


def running(attempts=1):
    """A job in its nth attempt, and the claim on it."""
    state = led_to(submitted(None, job()))
    for attempt in range(attempts):
        state = led_to(claimed(lapsed(state, 9) if attempt else state, "w", 7))
    return state, Claim(job=job(), attempt=attempts, token=str(state.claims))


def test_a_job_keeps_its_place_in_line_through_every_attempt():
    state, _ = running(3)
    assert (state.place, state.attempt, state.claims) == (7, 3, 3)


@pytest.mark.parametrize("generation", [0, 1])
def test_what_was_handed_in_before_changes_nothing(generation):
    assert submitted(submitted(None, job()), job(generation=generation)) is None


def test_a_newer_generation_takes_the_place_of_anything():
    state, _ = running()
    assert led_to(submitted(state, job(generation=2))).claims == 0
    assert led_to(submitted(over(state), job(generation=2))).state == "waiting"


def test_progress_never_falls_nor_exceeds_one():
    state, claim = running()
    state = led_to(beaten(beaten(state, claim, 0.5), claim, 0.2))
    assert state.progress == 0.5
    assert led_to(beaten(state, claim, 7)).progress == 1.0


def test_a_claim_that_was_lost_leads_nowhere():
    state, claim = running()
    for after in (lapsed(state, 3), over(state), submitted(state, job(generation=2)), None):
        assert beaten(after, claim, 1) is None
        assert finished(after, claim, encoded_media(), 3, 2) is None
        assert given_back(after, claim) is None


def test_a_claim_after_a_give_back_is_another_one():
    state, claim = running()
    again = led_to(claimed(given_back(state, claim), "w", 9))
    assert again.attempt == 1
    assert not again.holds(claim)


def test_curable_failures_are_tried_again_ever_later_until_attempts_are_used_up():
    pauses = []
    for attempt in (1, 2):
        state, claim = running(attempt)
        after = led_to(finished(state, claim, CURABLE, 3, 2.0))
        assert after.state == "waiting"
        pauses.append(after.pause_s)
    assert pauses == [2.0, 4.0]
    state, claim = running(3)
    assert led_to(finished(state, claim, CURABLE, 3, 2.0)).state == "ended"


def test_the_last_lapse_is_a_timeout():
    state, _ = running(3)
    assert led_to(lapsed(state, 3)).outcome == TIMED_OUT
    assert lapsed(lapsed(state, 3), 3) is None


def test_every_state_survives_a_wire():
    state, claim = running()
    for each in (state, finished(state, claim, encoded_media(), 3, 2), over(state)):
        assert JOBS.decode(JOBS.encode(led_to(each))) == each
