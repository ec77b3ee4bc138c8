"""The inbox of a shard: what reaches whom, in which order, and what becomes of what nobody can bear."""

from __future__ import annotations

import asyncio

import msgspec
import nats
import pytest

from actors.events import Broadcast, Published
from sharding.errors import NotOwner, StorageUnavailable
from tests.contracts.clock import until
from tests.integration.nats.recorder import Recorder, viewed

pytestmark = pytest.mark.engines


async def in_stream(ports):
    """Messages that lie in the inboxes of all shards."""
    _, counts = await ports._log.census(ports._inbox._names.inbox, ports._inbox._names.shard("*"))
    return sum(counts.values())


async def until_left(ports, count):
    """Wait until so many messages lie there."""
    async with asyncio.timeout(10):
        while True:
            if await in_stream(ports) == count:
                return
            await asyncio.sleep(0.01)


async def dead_letters(engines, ports):
    client = await nats.connect(engines.nats())
    stream = ports._inbox._names.dead
    answer = await client.request(f"$JS.API.STREAM.INFO.{stream}", timeout=5)
    count = msgspec.json.decode(answer.data)["state"]["messages"]
    await client.close()
    return count


async def test_what_was_handled_is_forgotten_and_the_rest_comes_to_the_next_owner(process):
    old, new = await process(), await process()
    first, second = Recorder(), Recorder()

    async def until_third(envelopes):
        if envelopes[0].number == 3:
            await asyncio.Event().wait()
        await first(envelopes)

    old.bus.subscribe(until_third)
    new.bus.subscribe(second)
    old.follower.follow([2])
    for number in (1, 2):
        await old.bus.publish([viewed(number)])
        await until(lambda number=number: number in first.numbers)
    await old.bus.publish([viewed(3), viewed(4)])
    old.follower.unfollow([2])
    # Messages 1 and 2 go; the one with 3 and 4 stays.
    await until_left(old, 1)
    new.follower.follow([2])
    await until(lambda: second.numbers == [3, 4])


async def test_two_nodes_that_follow_one_shard_do_no_harm(process):
    old, new = await process(), await process()
    recorder = Recorder()

    async def stranger(envelopes):
        raise NotOwner

    old.bus.subscribe(stranger)
    new.bus.subscribe(recorder)
    for ports in (old, new):
        ports.follower.follow([2])
    for number in range(1, 50):
        await old.bus.publish([viewed(number)])
    await until(lambda: recorder.numbers == list(range(1, 50)))
    assert old.statistics().dead_letters == 0


async def test_a_backlog_beyond_what_waits_in_memory_is_read_in_order(process):
    ports = await process(lane_max_messages=4, read_messages=3)
    recorder, gate = Recorder(), asyncio.Event()

    async def slow(envelopes):
        await gate.wait()
        await recorder(envelopes)

    ports.bus.subscribe(slow)
    ports.follower.follow([2])
    for number in range(1, 60):
        await ports.bus.publish([viewed(number)])
    assert ports.statistics().messages_waiting <= 4
    gate.set()
    await until(lambda: recorder.numbers == list(range(1, 60)))
    assert ports.statistics().inbox_reads > 0


async def test_what_was_stored_unheard_is_found_by_the_next_message_or_a_review(process):
    ports = await process(review_every_s=0.2)
    recorder = Recorder()
    ports.bus.subscribe(recorder)
    ports.follower.follow([2])
    await ports.bus.publish([viewed(1)])
    await until(lambda: recorder.numbers == [1])
    deaf = ports._inbox._names.heard(ports._inbox._names.shard(2))
    handler = ports._connection._interests[deaf].handler
    await ports._connection.ignore(deaf)
    await ports.bus.publish([viewed(2)])
    await ports._connection.hear(deaf, handler)
    await ports.bus.publish([viewed(3)])
    await until(lambda: recorder.numbers == [1, 2, 3])
    await ports._connection.ignore(deaf)
    await ports.bus.publish([viewed(4)])
    await until(lambda: recorder.numbers == [1, 2, 3, 4])


async def test_one_that_cannot_be_borne_is_laid_aside_and_the_others_go_on(process, engines):
    ports = await process(max_tries=3, retry_longest_s=0.05)
    recorder = Recorder()

    async def choking(envelopes):
        if any(each.number == 2 for each in envelopes):
            raise RuntimeError("cannot bear this")
        await recorder(envelopes)

    ports.bus.subscribe(choking)
    ports.follower.follow([2])
    await ports.bus.publish([viewed(number) for number in (1, 2, 3)])
    await until(lambda: recorder.numbers == [1, 3])
    assert ports.statistics().dead_letters == 1
    assert await dead_letters(engines, ports) == 1


async def test_a_message_that_nobody_can_read_is_laid_aside(process, engines):
    ports = await process()
    recorder = Recorder()
    ports.bus.subscribe(recorder)
    ports.follower.follow([2])
    client = await nats.connect(engines.nats())
    await client.request(ports._inbox._names.shard(2), b"\xc1 not ours", timeout=5)
    await client.close()
    await ports.bus.publish([viewed(1)])
    await until(lambda: recorder.numbers == [1])
    assert ports.statistics().dead_letters == 1


async def test_a_store_that_is_away_is_no_reason_to_lay_anything_aside(process):
    ports = await process(max_tries=2, retry_first_s=0.001, retry_longest_s=0.002)
    calls = []

    async def away(envelopes):
        calls.append(envelopes)
        if len(calls) < 30:
            raise StorageUnavailable

    ports.bus.subscribe(away)
    ports.follower.follow([2])
    await ports.bus.publish([viewed(1)])
    await until(lambda: len(calls) == 30)
    assert ports.statistics().dead_letters == 0


async def test_a_full_inbox_refuses_and_those_of_other_shards_do_not(process):
    ports = await process(inbox_max_messages_per_shard=3)
    for number in (1, 2, 3):
        await ports.bus.publish([viewed(number)])
    with pytest.raises(StorageUnavailable):
        await ports.bus.publish([viewed(4)])
    await ports.bus.publish([viewed(1, target=3)])
    recorder = Recorder()
    ports.bus.subscribe(recorder)
    ports.follower.follow([2])
    await until(lambda: recorder.numbers == [1, 2, 3])
    await ports._inbox.forget()
    await ports.bus.publish([viewed(4)])
    await until(lambda: recorder.numbers == [1, 2, 3, 4])


async def test_half_of_all_shards_are_heard_within_two_seconds(process):
    sender, owner = await process(), await process()
    shards = range(512)
    recorder = Recorder()
    await sender.bus.publish([viewed(1, target=shard) for shard in shards if shard % 2])
    owner.bus.subscribe(recorder)
    async with asyncio.timeout(2):
        owner.follower.follow(shards)
        await sender.bus.publish([viewed(1, target=shard) for shard in shards if not shard % 2])
        await until(lambda: {each.target for each in recorder.received} == set(shards))


async def test_a_broadcast_reaches_every_process_once(process):
    one, other = await process(), await process()
    heard: dict[str, list[Broadcast]] = {"one": [], "other": []}
    one.bus.listen(heard["one"].append)
    other.bus.listen(heard["other"].append)
    for number in range(5):
        one.bus.broadcast(Published(video_id=number))
    await until(lambda: len(heard["other"]) == 5)
    one.bus.broadcast(Published(video_id=5))
    await until(lambda: len(heard["other"]) == 6)
    assert heard["one"] == heard["other"]
