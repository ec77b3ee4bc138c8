"""Whatever threads hand over runs on the loop, in order, once, with one waking for a burst."""

from __future__ import annotations

import asyncio
import threading

from storage.cassandra.bridge import Bridge
from tests.contracts.clock import until


async def test_a_burst_wakes_the_loop_once():
    bridge = Bridge(asyncio.get_running_loop())
    seen: list[int] = []

    def burst():
        for number in range(100):
            bridge.hand_over(seen.append, number)

    # The loop is held here meanwhile, so the whole burst is in before it looks.
    thread = threading.Thread(target=burst)
    thread.start()
    thread.join()
    await until(lambda: len(seen) == 100)
    assert seen == list(range(100))
    assert bridge.bursts == 1


async def test_nothing_is_lost_between_two_bursts():
    bridge = Bridge(asyncio.get_running_loop())
    seen: list[int] = []

    def stream():
        for number in range(20_000):
            bridge.hand_over(seen.append, number)

    thread = threading.Thread(target=stream)
    thread.start()
    await until(lambda: len(seen) == 20_000)
    thread.join()
    assert seen == list(range(20_000))


def test_after_the_loop_is_closed_nothing_is_kept():
    loop = asyncio.new_event_loop()
    bridge = Bridge(loop)
    loop.close()
    bridge.hand_over(print)
    assert "handed=0" in repr(bridge)
