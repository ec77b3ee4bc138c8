"""One video to ten thousand followers: from "it plays" to the last inbox.

All followers are in memory with an inbox, as those are who were there lately; in each shard one of them holds
a websocket and is told after the commit by which all inboxes of that shard got the video. So the last frame is
the last inbox. Then everybody's feed is read, and must begin with it. The video comes as any does: uploaded,
encoded, published; the clock starts at its `published_at`.
"""

import asyncio
import time

import nats
from nats.js.api import StorageType, StreamConfig

from sharding.shards import shard_of
from tests.benchmarks.fleet.crowd import clip, first_of, held_by, open_crowd, publish, wake
from tests.benchmarks.fleet.stand import Fleet
from tests.benchmarks.report import (
    Baseline,
    Broken,
    Machine,
    Plan,
    Result,
    median,
    percentile,
    tidy,
)
from tests.benchmarks.seed import Person

NAME = "fleet_fanout"
#: Messages that are under way at a time in the baseline.
_TOGETHER = 64


def measure(plan: Plan, fleet: Fleet, here: Machine) -> Result:
    """Run it.

    Raises:
        Broken: somebody was not told, or does not see it.
    """
    world = fleet.world
    author, followers = world.stars[0], world.people
    wake(fleet, followers)
    watchers: dict[int, Person] = {}
    for each in followers:
        watchers.setdefault(shard_of(each.user_id), each)
    clip_ = clip(plan.folder)
    spreads = []
    bare: list[float] = []
    with open_crowd(held_by(fleet, list(watchers.values()))) as crowd:
        for _ in range(1 if plan.quick else 3):
            bare.append(asyncio.run(_bare(fleet, len(watchers))))
            spreads.append(publish(fleet, author, crowd, clip_))
            unaware = sum(first_of(each) != spreads[-1].video_id for each in wake(fleet, followers))
            if unaware:
                raise Broken(f"{unaware} followers do not see a video that they were told of")
    last = [each.frames[-1] for each in spreads]
    frames = [at for each in spreads for at in each.frames]
    cpu = {
        f"{name}_cpu_us_per_follower": median([each.cpu[name] for each in spreads])
        / len(followers)
        * 1e6
        for name in spreads[0].cpu
    }
    return Result(
        name=NAME,
        what=f"a video that plays, to the inboxes of {len(followers)} followers in memory,"
        f" {len(watchers)} shards",
        unit="s",
        figures=tidy(
            {
                "p50": percentile(frames, 0.5),
                "p99": percentile(frames, 0.99),
                "first": median([each.frames[0] for each in spreads]),
                "last": median(last),
                "followers_per_s": len(followers) / median(last),
                "ratio_to_publishes": median([a / b for a, b in zip(last, bare, strict=True)]),
                **cpu,
            }
        ),
        baseline=Baseline(
            what=f"as many bare publishes to JetStream as shards, acknowledged, {_TOGETHER} at a time",
            figures=tidy({"seconds": median(bare)}),
        ),
        repeats=len(spreads),
        bars=(),
        machine=here,
        notes=(
            "p50 and p99 are of shards: when the websocket in it was told, which is after its commit",
            "every follower's feed was read afterwards, and began with the video",
            "pushed to all of them: KINORA_FEED_PUSH_BOUND is their number; by default authors with"
            " more than 5,000 are read by their followers instead",
        ),
    )


async def _bare(fleet: Fleet, count: int) -> float:
    """Seconds that so many publishes take."""
    client = await nats.connect(list(fleet.settings.nats.servers))
    stream = client.jetstream()
    config = StreamConfig(name="bench", subjects=["bench.>"], storage=StorageType.FILE)
    await stream.add_stream(config)
    numbers = iter(range(count))

    async def some() -> None:
        for number in numbers:
            await stream.publish(f"bench.{number}", b"x" * 120)

    began = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(_TOGETHER)))
    seconds = time.perf_counter() - began
    await stream.delete_stream("bench")
    await client.close()
    return seconds
