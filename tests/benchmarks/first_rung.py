"""From "all of the file is there" to the first bytes that play, over HTTP as an app does it.

The clock starts when the upload is completed and stops when one Range request for `start` of the first
rung was answered by 206. The baseline is the encoder alone: the same clip, the same options, the same sealed
child, but nobody around it. What is between the two is the product's doing: the queue, the store, the
commits, and finding out.
"""

import asyncio
import hashlib
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from media.clip import make_clip
from media.encoder import SubprocessRunner
from media.messages import Encoded, EncodeRequest
from media.worker import WorkerSettings
from tests.benchmarks.product import Product, open_product
from tests.benchmarks.report import (
    Bar,
    Baseline,
    Broken,
    Plan,
    Result,
    at_most,
    machine,
    median,
    percentile,
    tidy,
)
from tests.benchmarks.seed import Person, seed

NAME = "first_rung"
#: Between two looks at an upload, in seconds; the resolution of the result.
LOOK_S = 0.02
#: Longest that one clip may take, in seconds.
PATIENCE_S = 120.0
#: How long the product may take beyond the encoder alone, as a factor.
OVERHEAD = 1.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A clip and how often it is uploaded."""

    seconds: float
    repeats: int
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """One round: seconds."""

    encoder: float
    ready: float
    playable: float


def measure(plan: Plan) -> Result:
    """Run it.

    Raises:
        Broken: a clip did not become playable.
    """
    here = machine()
    folder = plan.folder / NAME
    world = seed(folder, people=4, videos=4, authors=2)
    clips = _clips(plan)
    with open_product(folder, None) as product:
        timed = {
            clip.seconds: [
                _round(plan, product, world.people[0], clip) for _ in range(clip.repeats)
            ]
            for clip in clips
        }
    figures: dict[str, float] = {}
    base: dict[str, float] = {}
    bars: list[Bar] = []
    for seconds, rounds in timed.items():
        clip_name = f"{seconds:g}s"
        ratio = median([each.playable / each.encoder for each in rounds])
        figures |= {
            f"{clip_name}_p50": percentile([each.playable for each in rounds], 0.5),
            f"{clip_name}_p99": percentile([each.playable for each in rounds], 0.99),
            f"{clip_name}_ratio": ratio,
            f"{clip_name}_beyond_encoder": median(
                [each.playable - each.encoder for each in rounds]
            ),
        }
        base[f"{clip_name}_p50"] = percentile([each.encoder for each in rounds], 0.5)
        bars.append(at_most(f"of the encoder alone, clip of {clip_name}", ratio, OVERHEAD))
    shortest = timed[clips[0].seconds]
    figures = {
        "p50": percentile([each.playable for each in shortest], 0.5),
        "p99": percentile([each.playable for each in shortest], 0.99),
        **figures,
    }
    return Result(
        name=NAME,
        what="upload complete to the first playable bytes of the first rung, 540x960",
        unit="s",
        figures=tidy(figures),
        baseline=Baseline(
            what="the encoder alone, the same clip and options, right before", figures=tidy(base)
        ),
        repeats=sum(clip.repeats for clip in clips),
        bars=tuple(bars),
        machine=here,
        notes=(
            f"p99 of so few uploads is the slowest; looked every {LOOK_S * 1000:g} ms",
            "the first rung plays when all rungs do: they are published together",
        ),
    )


def _clips(plan: Plan) -> list[Clip]:
    wanted = ((1.0, 1),) if plan.quick else ((5.0, 5), (15.0, 2))
    clips = []
    for number, (seconds, repeats) in enumerate(wanted):
        path = plan.folder / f"clip{number}.mp4"
        make_clip(path, seconds, seed=number)
        clips.append(Clip(seconds=seconds, repeats=repeats, path=path))
    return clips


def _round(plan: Plan, product: Product, person: Person, clip: Clip) -> Timed:
    encoder = asyncio.run(_encode_alone(plan, clip))
    video_id = upload(product, person, clip)
    began = time.perf_counter()
    product.call("POST", f"/upload/video/{video_id}/complete", person.token, status=202)
    until = began + PATIENCE_S
    status = ""
    while status != "ready":
        status = product.call("GET", f"/upload/video/{video_id}", person.token)["status"]
        if status in ("failed", "blocked", "deleted") or time.perf_counter() > until:
            raise Broken(f"an upload is {status}")
        if status != "ready":
            time.sleep(LOOK_S)
    ready = time.perf_counter() - began
    _play(product, person, video_id)
    return Timed(encoder=encoder, ready=ready, playable=time.perf_counter() - began)


def upload(product: Product, person: Person, clip: Clip) -> str:
    """Announce a clip and store it; its video's id.

    Raises:
        Broken: it was refused.
    """
    content = clip.path.read_bytes()
    opened = product.call(
        "POST",
        "/upload/video",
        person.token,
        body={
            "caption": "a clip #test",
            "size_bytes": len(content),
            "content_type": "video/mp4",
            "sha256": hashlib.sha256(content).hexdigest(),
            "upload_method": "PUT",
        },
        status=201,
    )
    way = opened["upload"]
    status, answer = product.send("PUT", way["url"], way["headers"], content)
    if not 200 <= status < 300:
        raise Broken(f"the store answered {status}: {answer[:500]!r}")
    return str(opened["video_id"])


def _play(product: Product, person: Person, video_id: str) -> None:
    media = product.call("GET", f"/video/{video_id}", person.token)["media"]
    rung = media["renditions"][0]
    first, last = rung["start"]
    address = media["base"] + rung["file"]
    status, start = product.send("GET", address, {"Range": f"bytes={first}-{last}"})
    if status != 206 or len(start) != last - first + 1 or b"moof" not in start:
        raise Broken(f"the first rung does not play: {status}, {len(start)} bytes")


async def _encode_alone(plan: Plan, clip: Clip) -> float:
    settings = WorkerSettings()
    request = EncodeRequest(
        size_bytes=clip.path.stat().st_size,
        sha256=hashlib.sha256(clip.path.read_bytes()).hexdigest(),
        limits=settings.limits,
        bounds=settings.bounds,
        threads=settings.threads,
    )
    with tempfile.TemporaryDirectory(dir=plan.folder) as scratch, clip.path.open("rb") as source:
        began = time.perf_counter()
        verdict = await SubprocessRunner().run(request, source, Path(scratch), lambda _: None)
        took = time.perf_counter() - began
    if not isinstance(verdict, Encoded):
        raise Broken(f"the encoder alone says {verdict}")
    return took
