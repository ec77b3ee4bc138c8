"""One demo from the first registration to the last comparison, as a report. Bounded: nothing here hangs."""

import asyncio
import random
import string
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from actors.ports.clock import Clock
from actors.tasks import TaskSet
from ops.demo import story
from ops.demo.audit import Findings, audit
from ops.demo.client import GaveUp, Patience, Person, Refused, Wire
from ops.demo.expectations import Expectation
from ops.demo.ledger import Range
from ops.demo.manners import try_in_vain
from ops.demo.play import Play, Screen
from ops.demo.report import ClipEnd, Compared, Report
from ops.demo.uploads import Upload, Way

#: Connections to the server at most.
CONNECTIONS = 32
#: Ways of uploading, in turn: most by the signed form, as apps do.
WAYS: tuple[Way, ...] = ("post", "put", "post", "direct", "post", "put")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a demo is to do."""

    clips: Sequence[Path]
    users: int = 8
    seed: int = 1
    #: Time for everything, in seconds; four fifths of it at most for uploads.
    timeout_s: float = 900.0
    #: Time for counts to become quiet, in seconds.
    settle_s: float = 45.0
    #: By file name; what is not named here may end in any way.
    expected: dict[str, Expectation] = field(default_factory=dict)
    patience: Patience = field(default_factory=Patience)


async def run_demo(
    plan: Plan, find_url: Callable[[], str], *, clock: Clock, entropy: int, screen: Screen
) -> Report:
    """Play the whole story and say how it went.

    `entropy` makes names and keys of this run differ from those of any other; choices depend on the seed
    alone. Faults are in the report, not raised.
    """
    began = clock.monotonic()
    alarms: list[str] = []
    async with AsyncExitStack() as stack:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS)
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        wire = Wire(http, find_url, clock, random.Random(f"{plan.seed} {entropy}"), plan.patience)
        play = Play(wire=wire, dice=random.Random(plan.seed), screen=screen)
        _cast(play, plan)
        tasks = TaskSet(lambda name, error: alarms.append(f"{name} ended: {error!r}"))
        stack.push_async_callback(tasks.close)
        findings = Findings()
        try:
            async with asyncio.timeout(plan.timeout_s):
                until = began + 0.8 * plan.timeout_s
                findings = await _play(play, plan, stack, tasks, until)
        except TimeoutError:
            play.faults.append(f"not everything was done within {plan.timeout_s:.0f} s")
        except (Refused, GaveUp) as trouble:
            play.faults.append(str(trouble))
        play.faults += alarms
        return _report(play, plan, findings, find_url(), clock.monotonic() - began)


def _cast(play: Play, plan: Plan) -> None:
    letters = string.ascii_lowercase + string.digits
    run = "".join(play.wire.dice.choices(letters, k=6))
    for number in range(plan.users):
        dice = random.Random(f"{plan.seed} {number}")
        password = f"{play.wire.dice.getrandbits(96):024x}"
        play.people.append(Person(play.wire, f"demo_{run}_{number}", password, dice))
    for number, clip in enumerate(plan.clips):
        author = play.people[number % plan.users]
        caption = f"{clip.stem} #{number}"
        play.uploads.append(
            Upload(clip=clip, author=author, way=WAYS[number % len(WAYS)], caption=caption)
        )


async def _play(
    play: Play, plan: Plan, stack: AsyncExitStack, tasks: TaskSet, until: float
) -> Findings:
    await story.register(play)
    await play.connect(stack, tasks)
    await story.upload(play)
    await story.wait_for_uploads(play, until)
    for upload in play.uploads:
        if not upload.final:
            play.faults.append(f"{upload.clip.name} hangs: it is {upload.status}")
        play.faults += [f"{upload.clip.name}: {each}" for each in upload.complaints]
        play.notes += [f"{upload.clip.name}: {each}" for each in upload.notes]
    await story.follow(play)
    await story.scroll(play)
    await story.like(play)
    await story.comment(play)
    await story.share(play)
    await story.change_minds(play)
    await try_in_vain(play)
    findings = await audit(play, settle_s=plan.settle_s)
    for live in play.lives.values():
        play.faults += [f"websocket of {live.person.name}: {each}" for each in live.complaints]
    return findings


def _report(play: Play, plan: Plan, findings: Findings, url: str, elapsed_s: float) -> Report:
    clips = tuple(_clip_end(upload, plan.expected) for upload in play.uploads)
    faults = [*play.faults, *findings.faults]
    faults += [f"{clip.clip} {clip.complaint}" for clip in clips if clip.complaint]
    ledger, events = play.ledger, Counter[str]()
    for live in play.lives.values():
        events += live.events
    visible = [said for each in play.ready for said in ledger.visible(each.video_id)]
    comment_likes = Range(0, 0)
    for said in visible:
        comment_likes = comment_likes + ledger.comment_likes.on(said.comment_id)
    confirmed = {
        "likes": str(ledger.likes.total()),
        "comments": str(len(visible)),
        "shares": str(ledger.shares.total()),
        "views": str(ledger.views.total()),
        "followers": str(ledger.follows.total()),
        "following": str(ledger.follows.total()),
        "videos": str(len(play.ready)),
        "likes received": str(ledger.likes.total()),
        "likes of comments": str(comment_likes),
    }
    weather = play.wire.weather
    return Report(
        url=url,
        seed=plan.seed,
        users=len(play.people),
        elapsed_s=elapsed_s,
        clips=clips,
        done=dict(play.done),
        counts=tuple(
            Compared(what=what, confirmed=value, said=findings.sums[what])
            for what, value in confirmed.items()
        ),
        refused=dict(weather.refused),
        later=dict(weather.later),
        lost=weather.lost,
        events=dict(events),
        notes=(*play.notes, *findings.notes),
        faults=tuple(faults),
    )


def _clip_end(upload: Upload, expected: dict[str, Expectation]) -> ClipEnd:
    expectation = expected.get(upload.clip.name)
    complaint = expectation.complaint(upload.status, upload.code) if expectation else None
    return ClipEnd(
        clip=upload.clip.name,
        author=upload.author.name,
        way=upload.way,
        video_id=upload.video_id,
        status=upload.status,
        code=upload.code,
        renditions=upload.renditions,
        complaint=complaint,
    )
