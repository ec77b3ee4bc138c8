"""Where commands are sent again, and what is said in the end about those that failed."""

from __future__ import annotations

import asyncio

import pytest

from sharding.errors import Internal, StorageUnavailable
from storage.redis.faults import ErrorReply
from storage.redis.tags import slot_of
from tests.contracts.clock import settled
from tests.unit.storage.redis.fakes import A, B, FakePort, router, well

SLOT = slot_of(7)


async def written(made, slot=SLOT):
    return await made.write(slot, made.scripts.commit, (b"key",), (b"arg",))


@pytest.fixture
async def opened():
    """Makes routers and closes them."""
    every = []

    async def make(port, **more):
        made, tasks = await router(port, **more)
        every.append((made, tasks))
        return made

    yield make
    for made, tasks in every:
        made.close()
        await tasks.close()


def first(error, then):
    """A node whose first script fails."""
    failed: list[tuple[bytes, ...]] = []

    def answer(command):
        if command[0] == b"EVALSHA" and not failed:
            failed.append(command)
            return error
        return then(command)

    return answer


async def test_a_write_and_its_wait_go_over_one_connection_and_reads_over_another(opened):
    port = FakePort({A: well()})
    made = await opened(port)
    assert await written(made) == ([b"ok"], False)
    assert await made.read(SLOT, ((b"HGET",), (b"HLEN",))) == [b"OK", b"OK"]
    writes, reads = port.links[A]
    assert [command[0] for command in writes.sent if command[0] != b"SCRIPT"] == [
        b"EVALSHA",
        b"WAIT",
    ]
    assert reads.named(b"HGET", b"HLEN", b"WAIT") == [(b"HGET",), (b"HLEN",)]


async def test_moved_is_followed_at_once(opened):
    port = FakePort({A: first(ErrorReply("MOVED", "120 b:2"), well()), B: well()})
    made = await opened(port)
    before = made._clock.monotonic()
    assert await written(made) == ([b"ok"], False)
    assert made._clock.monotonic() == before
    assert port.links[B][0].named(b"EVALSHA")


async def test_two_nodes_that_point_at_each_other_do_not_spin(opened):
    port = FakePort(
        {
            A: lambda command: ErrorReply("MOVED", "120 b:2"),
            B: lambda command: ErrorReply("MOVED", "120 a:1"),
        }
    )
    made = await opened(port)
    with pytest.raises(StorageUnavailable):
        await written(made)
    assert made.statistics().resent < 60


async def test_ask_is_asked_for_once_and_changes_nothing_else(opened):
    port = FakePort({A: first(ErrorReply("ASK", "120 b:2"), well()), B: well()})
    made = await opened(port)
    await written(made)
    names = [command[0] for command in port.links[B][0].sent if command[0] != b"SCRIPT"]
    assert names == [b"ASKING", b"EVALSHA", b"WAIT"]
    assert port.looks == 1


async def test_a_forgotten_script_is_told_again(opened):
    port = FakePort({A: first(ErrorReply("NOSCRIPT", "No matching script."), well())})
    made = await opened(port)
    assert await written(made) == ([b"ok"], False)
    assert made.statistics().scripts_reloaded == 1


@pytest.mark.parametrize("code", ["CLUSTERDOWN", "LOADING", "READONLY", "TRYAGAIN", "MASTERDOWN"])
async def test_what_passes_is_waited_for(opened, code):
    made = await opened(FakePort({A: first(ErrorReply(code, "later"), well())}))
    assert await written(made) == ([b"ok"], False)


@pytest.mark.parametrize(("code", "error"), [("OOM", StorageUnavailable), ("ERR", Internal)])
async def test_what_does_not_pass_is_said_at_once(opened, code, error):
    made = await opened(FakePort({A: lambda command: ErrorReply(code, "no")}))
    with pytest.raises(error):
        await written(made)
    assert made.statistics().resent == 0


async def test_a_cluster_that_is_gone_certainly_did_nothing(opened):
    made = await opened(FakePort({}))
    before = made._clock.monotonic()
    with pytest.raises(StorageUnavailable) as gone:
        await written(made)
    assert gone.value.executed is False
    assert 10 <= made._clock.monotonic() - before < 12


async def test_after_one_lost_answer_the_outcome_is_unknown(opened):
    port = FakePort({A: lambda command: None})
    made = await opened(port)
    waiting = asyncio.ensure_future(written(made))
    await settled()
    port.nodes.clear()
    port.links[A][0].close()
    with pytest.raises(StorageUnavailable) as lost:
        await waiting
    assert lost.value.executed is None


async def test_a_write_that_is_sent_again_says_so(opened):
    port = FakePort({A: lambda command: None})
    made = await opened(port)
    waiting = asyncio.ensure_future(written(made))
    await settled()
    port.nodes[A] = well()
    port.links[A][0].close()
    assert await waiting == ([b"ok"], True)


async def test_a_write_whose_replica_never_said_is_not_acknowledged(opened):
    def no_wait(command):
        return None if command[0] == b"WAIT" else well()(command)

    port = FakePort({A: no_wait})
    made = await opened(port)
    waiting = asyncio.ensure_future(written(made))
    await settled()
    assert not waiting.done()
    port.nodes.clear()
    port.links[A][0].close()
    with pytest.raises(StorageUnavailable) as lost:
        await waiting
    assert lost.value.executed is None


async def test_beyond_its_bounds_work_waits_and_then_is_turned_away(opened):
    port = FakePort({A: lambda command: None})
    made = await opened(port, max_in_flight=2, max_waiting=3)
    waiting = [asyncio.ensure_future(written(made)) for _ in range(5)]
    await settled()
    assert len(port.links[A][0].named(b"EVALSHA")) == 2
    assert (made.statistics().in_flight, made.statistics().waiting) == (2, 3)
    with pytest.raises(StorageUnavailable) as turned_away:
        await written(made)
    assert turned_away.value.executed is False
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert (made.statistics().in_flight, made.statistics().waiting) == (0, 0)


async def test_whoever_waits_at_a_master_that_is_none_any_more_goes_on_to_the_new_one(opened):
    port = FakePort({A: lambda command: None, B: well()})
    made = await opened(port, max_in_flight=1)
    stuck = asyncio.ensure_future(written(made))
    waiting = asyncio.ensure_future(written(made))
    await settled()
    port.master = B
    made._clock.advance(1)
    await made.reload()
    stuck.cancel()
    assert await waiting == ([b"ok"], False)
    assert all(link.closed for link in port.links[A])


async def test_a_connection_that_does_not_answer_a_ping_is_ended(opened):
    port = FakePort({A: lambda command: None})
    made = await opened(port, attempt_timeout_s=0.01)
    waiting = asyncio.ensure_future(written(made))
    await settled()
    port.nodes[A] = well()
    made._clock.advance(1)
    assert await waiting == ([b"ok"], True)
    assert port.links[A][0].closed
