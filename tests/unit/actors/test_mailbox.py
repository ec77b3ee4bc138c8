"""The mailbox: first come, first served, and two bounds that hold at once."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.mailbox import Mailbox, MailboxBudget, MailboxFull


def boxes(capacity=3, max_messages=100, max_bytes=1_000, count=1):
    budget = MailboxBudget(max_messages=max_messages, max_bytes=max_bytes)
    return budget, [Mailbox(capacity, budget) for _ in range(count)]


def test_messages_come_out_in_the_order_in_which_they_came():
    _, (box,) = boxes()
    for message in "abc":
        box.put_nowait(message, 1)
    assert [box.get_nowait() for _ in range(4)] == ["a", "b", "c", None]


def test_an_actor_may_not_have_more_than_its_share():
    budget, (box,) = boxes(capacity=1)
    box.put_nowait("a", 1)
    with pytest.raises(MailboxFull) as caught:
        box.put_nowait("b", 1)
    assert caught.value.executed is False
    assert len(box) == budget.statistics().waiting == 1
    assert box.statistics().refused == 1


@pytest.mark.parametrize("bound", [{"max_messages": 2}, {"max_bytes": 20}])
def test_many_actors_may_not_do_together_what_one_may_not(bound):
    budget, crowd = boxes(count=5, **bound)
    for box in crowd[:2]:
        box.put_nowait("a", 10)
    for box in crowd[2:]:
        with pytest.raises(MailboxFull):
            box.put_nowait("a", 10)
    assert (budget.statistics().waiting, budget.statistics().refused) == (2, 3)


def test_what_its_sender_gave_up_makes_room():
    budget, (box,) = boxes(capacity=2)
    first, second = object(), object()
    box.put_nowait(first, 5)
    box.put_nowait(second, 7)
    assert box.drop(first)
    assert not box.drop(first)
    assert budget.statistics().waiting_bytes == box.statistics().waiting_bytes == 7
    assert box.get_nowait() is second


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.sampled_from(["put", "get", "drop"]), st.integers(0, 2), st.integers(0, 9)),
        max_size=60,
    )
)
def test_whatever_is_done_the_books_are_right_and_the_bounds_hold(steps):
    budget, crowd = boxes(capacity=4, max_messages=6, max_bytes=30, count=3)
    model: list[deque[tuple[object, int]]] = [deque() for _ in crowd]
    for number, (act, at, size) in enumerate(steps):
        box, waiting = crowd[at], model[at]
        if act == "put":
            held = [each for queue in model for each in queue]
            fits = len(waiting) < 4 and len(held) < 6 and sum(s for _, s in held) + size <= 30
            message = (number,)
            if fits:
                box.put_nowait(message, size)
                waiting.append((message, size))
            else:
                with pytest.raises(MailboxFull):
                    box.put_nowait(message, size)
        elif act == "get":
            assert box.get_nowait() == (waiting.popleft()[0] if waiting else None)
        elif waiting:
            assert box.drop(waiting.pop()[0])
    held = [each for queue in model for each in queue]
    assert budget.statistics().waiting == len(held)
    assert budget.statistics().waiting_bytes == sum(size for _, size in held)
