"""How one actor takes its turns: in order, whole, bounded, and within their time."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from actors.messages import Caller
from sharding.errors import (
    DeadlineExceeded,
    Forbidden,
    Internal,
    Overloaded,
    StorageUnavailable,
)
from tests.unit.actors.faults import Failing, Held
from tests.unit.actors.toy import Listen, Say, open_toys
from tests.unit.actors.virtual_time import settled

ANN, BEN = 1, 2


@pytest.fixture
async def toys():
    async with open_toys(ANN, BEN) as node:
        await node.words(ANN)
        yield node


def heard_now(toys, entity=ANN):
    return toys.runtime.ask_nowait(entity, Listen(), 0)


async def test_a_command_that_finds_its_actor_idle_runs_in_the_stack_of_its_caller(toys):
    running = len(toys.tasks)
    asking = toys.runtime.ask(ANN, Say(word="hello"), Caller(op_id=b"x"))
    asking.send(None)
    assert heard_now(toys) == b"hello"
    assert len(toys.tasks) == running + 1, "one task commits; none was made for the turn"
    asking.close()


async def test_a_query_of_an_actor_that_is_here_is_answered_without_waiting(toys):
    await toys.ask(ANN, Say(word="hello"))
    assert heard_now(toys) == b"hello"


async def test_what_has_to_be_waited_for_is_not_answered_at_once(toys):
    assert toys.runtime.ask_nowait(BEN, Listen(), 0) is None
    assert toys.runtime.ask_nowait(ANN, Listen(fetch="x"), 0) is None


async def test_commands_are_taken_in_the_order_in_which_they_came(toys):
    held = toys.fetching.before["fetch"] = Held()
    first = toys.start(ANN, Say(word="one", fetch="x"))
    await held.reached.wait()
    rest = [toys.start(ANN, Say(word=word)) for word in ("two", "three", "four")]
    await settled()
    assert heard_now(toys) == b""
    held.let_go()
    assert await asyncio.gather(first, *rest) == [
        b"one",
        b"one two",
        b"one two three",
        b"one two three four",
    ]


async def test_a_query_is_answered_while_a_command_waits(toys):
    held = toys.fetching.before["fetch"] = Held()
    command = toys.start(ANN, Say(word="late", fetch="x"))
    await held.reached.wait()
    assert await toys.words(ANN) == ""
    held.let_go()
    await command
    assert await toys.words(ANN) == "late"


async def test_what_a_turn_lacks_is_fetched_once_and_the_turn_taken_again(toys):
    assert await toys.ask(ANN, Say(word="once", fetch="x")) == b"once"
    assert toys.fetching.calls["fetch"] == 1


async def test_other_actors_do_not_wait_for_a_busy_one(toys):
    held = toys.fetching.before["fetch"] = Held()
    command = toys.start(ANN, Say(word="late", fetch="x"))
    await held.reached.wait()
    assert await toys.ask(BEN, Say(word="hello")) == b"hello"
    held.let_go()
    await command


async def test_a_refusal_changes_nothing_and_says_so(toys):
    with pytest.raises(Forbidden) as caught:
        await toys.ask(ANN, Say(word="never", forbidden=True))
    assert caught.value.executed is False
    assert await toys.words(ANN) == ""


async def test_a_handler_that_fails_half_way_loses_its_state_and_not_the_actor(toys):
    await toys.ask(ANN, Say(word="kept"))
    with pytest.raises(Internal):
        await toys.ask(ANN, Say(word="half", crash=True))
    assert toys.alarms[0][0] == f"actor {ANN} at Say"
    assert await toys.words(ANN) == "kept"
    assert await toys.ask(ANN, Say(word="again")) == b"kept again"


async def test_a_query_that_fails_half_way_loses_its_state_too(toys):
    await toys.ask(ANN, Say(word="kept"))
    with pytest.raises(Internal):
        await toys.ask(ANN, Listen(crash=True))
    assert await toys.words(ANN) == "kept"


async def test_after_a_failure_the_state_is_read_when_it_has_been_written(toys):
    held = toys.facts.before["write"] = Held()
    first = toys.start(ANN, Say(word="one", tell=(BEN,)))
    await held.reached.wait()
    with pytest.raises(Internal):
        await toys.ask(ANN, Say(crash=True))
    again = toys.start(ANN, Listen())
    await settled()
    assert not again.done(), "what the lost memory had promised is not readable yet"
    held.let_go()
    assert await again == b"one"
    assert await first == b"one"


async def test_a_fetch_that_fails_ends_the_command_undone_and_the_next_one_runs(toys):
    toys.fetching.before["fetch"] = Failing(1)
    with pytest.raises(StorageUnavailable) as caught:
        await toys.ask(ANN, Say(word="never", fetch="x"))
    assert caught.value.executed is False
    assert await toys.ask(ANN, Say(word="next", fetch="x")) == b"next"


async def test_a_fetch_that_breaks_does_not_leave_those_behind_it_waiting(toys):
    held = toys.fetching.before["fetch"] = Held()
    toys.fetching.after["fetch"] = Failing(1, error=KeyError)
    broken = toys.start(ANN, Say(word="never", fetch="x"))
    await held.reached.wait()
    behind = toys.start(ANN, Say(word="next"), patience=5.0)
    await settled()
    held.let_go()
    with pytest.raises(Internal):
        await broken
    assert await behind == b"next"


async def test_a_fetch_after_a_change_is_a_mistake_and_is_undone(toys):
    with pytest.raises(Internal, match="unexpected"):
        await toys.ask(ANN, Say(word="half", fetch_late=True))
    assert isinstance(toys.alarms[0][1], RuntimeError)
    assert await toys.words(ANN) == ""


async def test_a_turn_that_never_has_enough_is_ended(toys):
    async with open_toys(ANN, max_fetches=0) as node:
        with pytest.raises(Internal):
            await node.ask(ANN, Say(word="x", fetch="x"))
        with pytest.raises(Internal):
            await node.ask(ANN, Listen(fetch="x"))


async def test_what_comes_too_late_is_not_begun(toys):
    with pytest.raises(DeadlineExceeded) as caught:
        await toys.ask(ANN, Say(word="never"), patience=0.0)
    assert caught.value.executed is False
    assert await toys.words(ANN) == ""


async def test_what_waited_too_long_in_the_mailbox_is_not_begun(toys):
    held = toys.fetching.before["fetch"] = Held()
    busy = toys.start(ANN, Say(word="one", fetch="x"))
    await held.reached.wait()
    with pytest.raises(DeadlineExceeded) as caught:
        await toys.ask(ANN, Say(word="never"), patience=0.5)
    assert caught.value.executed is False
    held.let_go()
    assert await busy == b"one"
    assert await toys.words(ANN) == "one"


async def test_what_was_begun_in_time_lands_though_its_outcome_is_not_known(toys):
    held = toys.store.before["commit"] = Held()
    with pytest.raises(DeadlineExceeded) as caught:
        await toys.ask(ANN, Say(word="lands"), patience=0.5)
    assert caught.value.executed is None
    held.let_go()
    await toys.clock.sleep(0.1)
    toys.runtime.cells.passivate(ANN)
    assert await toys.words(ANN) == "lands"


async def test_waking_up_too_slowly_is_not_begun(toys):
    toys.store.before["load"] = Held()
    with pytest.raises(DeadlineExceeded) as caught:
        await toys.ask(BEN, Say(word="never"), patience=0.5)
    assert caught.value.executed is False


async def test_a_command_goes_on_when_its_caller_goes_away(toys):
    held = toys.store.before["commit"] = Held()
    asking = toys.start(ANN, Say(word="lands"))
    await held.reached.wait()
    asking.cancel()
    held.let_go()
    await toys.clock.sleep(0.1)
    toys.runtime.cells.passivate(ANN)
    assert await toys.words(ANN) == "lands"


async def test_a_command_that_waits_is_dropped_when_its_caller_goes_away(toys):
    held = toys.fetching.before["fetch"] = Held()
    busy = toys.start(ANN, Say(word="one", fetch="x"))
    await held.reached.wait()
    waiting = toys.start(ANN, Say(word="never"))
    await settled()
    waiting.cancel()
    await settled()
    assert toys.runtime.statistics().mailboxes_waiting == 0, "its room is for others"
    held.let_go()
    await busy
    assert await toys.words(ANN) == "one"


@pytest.mark.parametrize(
    "bounds",
    [
        {"mailbox_capacity": 3},
        {"shard_mailbox_capacity": 3},
        {"shard_mailbox_bytes": 3 * len(msgspec.msgpack.encode(Say(word="x"))) + 1},
    ],
)
async def test_a_full_mailbox_refuses_and_does_not_grow(bounds):
    async with open_toys(ANN, **bounds) as node:
        held = node.fetching.before["fetch"] = Held()
        busy = node.start(ANN, Say(word="one", fetch="x"))
        await held.reached.wait()
        waiting = [node.start(ANN, Say(word="x")) for _ in range(40)]
        await settled()
        refused = [each.exception() for each in waiting if each.done()]
        assert len(waiting) - len(refused) == 3
        assert {type(each).__mro__[1] for each in refused} == {Overloaded}
        assert {each.executed for each in refused} == {False}
        numbers = node.runtime.statistics()
        assert numbers.mailboxes_waiting == len(waiting) - len(refused)
        held.let_go()
        await asyncio.gather(busy, *waiting, return_exceptions=True)
        assert (await node.words(ANN)).count("x") == len(waiting) - len(refused)
        assert node.runtime.statistics().mailboxes_waiting == 0
