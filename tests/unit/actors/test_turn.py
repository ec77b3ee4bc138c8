"""A turn: fetch first, change second; what breaks that rule is found at once."""

from __future__ import annotations

import pytest

from actors.events import DiscardMedia, UserLeft
from actors.rows import BlockRow
from actors.turn import Need, Turn

CHANGES = {
    "a row": lambda turn: turn.write(BlockRow(blocker_id=1, blocked_id=2, blocked=True)),
    "an event": lambda turn: turn.tell(2, UserLeft(user_id=1)),
    "state": lambda turn: turn.put("counts", b""),
    "an errand": lambda turn: turn.errands.append(DiscardMedia(prefixes=("v/1/",))),
}


async def load():
    return "found"


async def test_what_is_lacking_is_named_and_given_the_next_time():
    with pytest.raises(Need) as caught:
        Turn(1, 0, {}).fetched(("page", 2), load)
    answers = {caught.value.key: await caught.value.load()}
    assert Turn(1, 0, answers).fetched(("page", 2), load) == "found"


def test_nothing_is_an_answer_too():
    assert Turn(1, 0, {"account": None}).fetched("account", load) is None


@pytest.mark.parametrize("change", CHANGES)
def test_fetching_after_a_change_is_a_mistake(change):
    turn = Turn(1, 0, {})
    CHANGES[change](turn)
    with pytest.raises(RuntimeError, match="after it changed something"):
        turn.fetched("page", load)


@pytest.mark.parametrize("change", CHANGES)
def test_a_turn_knows_whether_there_is_anything_to_commit(change):
    turn = Turn(1, 0, {})
    before = turn.changed
    CHANGES[change](turn)
    assert (before, turn.changed) == (False, True)


def test_what_was_fetched_before_a_change_may_be_used_after_it():
    turn = Turn(1, 0, {"page": "found"})
    CHANGES["a row"](turn)
    assert turn.fetched("page", load) == "found"


def test_an_event_is_for_one_or_for_several():
    turn = Turn(1, 0, {})
    turn.tell(2, UserLeft(user_id=1))
    turn.tell([3, 4], UserLeft(user_id=1))
    assert [to for to, _ in turn.events] == [(2,), (3, 4)]
