"""Asks the product, call by call, whether it still says what it confirmed.

Counts may lag by seconds (API.md), so the whole is asked again until it agrees or the time for that is
over. What is found then is a fault of the product, with what was expected and what `GET` said.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ops.demo.client import Person
from ops.demo.ledger import Range
from ops.demo.play import Play

#: Pause between two rounds, in seconds.
ROUND_EVERY_S = 1.0
#: Rounds without a difference after which counts are quiet.
QUIET_ROUNDS = 2


@dataclass(slots=True)
class Findings:
    """What one round found."""

    faults: list[str] = field(default_factory=list)
    #: Differences that the product does not promise to avoid.
    notes: list[str] = field(default_factory=list)
    #: What `GET` said, summed over the demo's own videos and people.
    sums: Counter[str] = field(default_factory=Counter)

    def count(
        self, whose: str, what: str, said: int, expected: Range, *, exact: bool = True
    ) -> None:
        """Compare one count."""
        self.sums[what] += said
        if said not in expected:
            found = f"{whose} has {said} {what}, {expected} were confirmed"
            (self.faults if exact else self.notes).append(found)

    def same(self, whose: str, what: str, said: set[str], expected: set[str]) -> None:
        """Compare one list, order aside."""
        self.within(whose, what, said, at_least=expected, at_most=expected)

    def within(
        self, whose: str, what: str, said: set[str], *, at_least: set[str], at_most: set[str]
    ) -> None:
        """Compare one list with what must and what may be in it."""
        if lost := at_least - said:
            self.faults.append(f"{whose}: {len(lost)} of {what} are missing, e.g. {min(lost)}")
        if extra := said - at_most:
            self.faults.append(f"{whose}: {len(extra)} of {what} are too many, e.g. {min(extra)}")


async def audit(play: Play, *, settle_s: float) -> Findings:
    """The findings once two rounds in a row had no faults, or of the last round before `settle_s` are over.

    Two, because what is done twice shows later than what is done once.

    Raises:
        Refused, GaveUp: the product does not answer, so nothing can be said about it.
    """
    clock = play.wire.clock
    until = clock.monotonic() + settle_s
    play.screen.act("Comparing with what GET says")
    quiet = 0
    while True:
        findings = await _round(play)
        quiet = 0 if findings.faults or findings.notes else quiet + 1
        if quiet == QUIET_ROUNDS or clock.monotonic() >= until:
            return findings
        await clock.sleep(ROUND_EVERY_S)


async def _round(play: Play) -> Findings:
    findings = Findings()
    for person in play.people:
        await _look_at_person(play, person, findings)
    if play.people:
        await _look_at_videos(play, play.people[0], findings)
    return findings


async def _look_at_videos(play: Play, viewer: Person, findings: Findings) -> None:
    ledger = play.ledger
    for upload in play.ready:
        video_id, name = upload.video_id, f"{upload.clip.name} ({upload.video_id})"
        seen = await viewer.call("GET", f"/video/{video_id}")
        counts = seen["counts"]
        findings.count(name, "likes", counts["likes"], ledger.likes.on(video_id))
        findings.count(name, "comments", counts["comments"], ledger.comments_on(video_id))
        findings.count(name, "shares", counts["shares"], ledger.shares.on(video_id))
        # Views are soft state for a second: a crash may cost some, and says so in the promises.
        views = ledger.views.on(video_id)
        findings.count(name, "views", counts["views"], views, exact=play.wire.weather.calm)
        liked = video_id in ledger.likes.holding(viewer.user_id)
        if seen["viewer"]["liked"] != liked and not ledger.likes.doubtful(viewer.user_id, video_id):
            findings.faults.append(f"{name}: {viewer.name} likes it: {liked}, but it says not so")
        await _look_at_comments(play, viewer, upload.video_id, name, findings)


async def _look_at_comments(
    play: Play, viewer: Person, video_id: str, name: str, findings: Findings
) -> None:
    ledger = play.ledger
    shown = await viewer.pages(f"/video/{video_id}/comments")
    for parent in [each for each in shown if each["replies"]]:
        path = f"/video/{video_id}/comments?parent_id={parent['comment_id']}"
        shown = shown + await viewer.pages(path)
    said = {each["comment_id"] for each in shown}
    must = {each.comment_id for each in ledger.visible(video_id)}
    gone = ledger.removed & said
    if gone:
        findings.faults.append(f"{name} shows {len(gone)} comments that were removed")
    if must - said:
        findings.faults.append(f"{name}: {len(must - said)} of its comments are missing")
    for each in shown:
        expected = ledger.comment_likes.on(each["comment_id"])
        findings.count(f"a comment of {name}", "likes of comments", each["likes"], expected)


async def _look_at_person(play: Play, person: Person, findings: Findings) -> None:
    ledger, me, name = play.ledger, person.user_id, person.name
    mine = [each for each in play.uploads if each.author is person]
    ready = {each.video_id for each in mine if each.status == "ready"}
    said = await person.call("GET", "/user/me")
    counts = said["counts"]
    received = Range(0, 0)
    for video_id in ready:
        received = received + ledger.likes.on(video_id)
    findings.count(name, "followers", counts["followers"], ledger.follows.on(me))
    findings.count(name, "following", counts["following"], ledger.follows.of(me))
    findings.count(name, "videos", counts["videos"], Range(len(ready), len(ready)))
    findings.count(name, "likes received", counts["likes_received"], received)

    findings.same(name, "their videos", await _ids(person, f"/user/{me}/videos"), ready)
    unfinished = {each.video_id for each in mine if each.video_id} - ready
    findings.same(name, "unfinished uploads", await _ids(person, "/upload/video"), unfinished)
    for each in mine:
        if each.video_id:
            now = await person.call("GET", f"/upload/video/{each.video_id}")
            if now["status"] != each.status and each.final:
                findings.faults.append(f"{each.clip.name} was {each.status}, is {now['status']}")
    await _look_at_ties(play, person, findings)
    await _look_at_activity(play, person, findings)


async def _look_at_ties(play: Play, person: Person, findings: Findings) -> None:
    ledger, me, name = play.ledger, person.user_id, person.name
    for what, ties, path, key in (
        ("likes", ledger.likes, "/user/me/likes", "video_id"),
        ("follows", ledger.follows, f"/user/{me}/following", "user_id"),
    ):
        said = await _ids(person, path, key)
        findings.within(
            name,
            f"their {what}",
            said,
            at_least=ties.holding(me),
            at_most=_may_hold(play, what, me),
        )
    followed = ledger.follows.holding(me)
    if any(ledger.follows.doubtful(me, each) for each in ledger.follows.held(me)):
        return
    feed = await person.pages("/feed?tab=following")
    theirs = {each.video_id for each in play.ready if each.author.user_id in followed}
    findings.same(name, "their following feed", {each["video_id"] for each in feed}, theirs)
    times = [each["published_at"] for each in feed]
    if times != sorted(times, reverse=True):
        findings.faults.append(f"the following feed of {name} is not newest first")


async def _look_at_activity(play: Play, person: Person, findings: Findings) -> None:
    ledger, me = play.ledger, person.user_id
    entries = await person.pages(f"/user/{me}/activity")
    said = {_entry(each) for each in entries}
    shared = ledger.shared_by.get(me, Counter())
    comments = [each for each in ledger.comments.values() if each.user_id == me]
    must = {f"like {each}" for each in ledger.likes.holding(me)}
    must |= {f"follow {each}" for each in ledger.follows.holding(me)}
    must |= {f"comment {each.comment_id}" for each in comments if _stays(play, each.comment_id)}
    must |= {f"share {each}" for each in shared}
    if missing := must - said:
        findings.faults.append(
            f"{person.name}: {len(missing)} deeds are not in their activity, e.g. {min(missing)}"
        )
    times = [each["at"] for each in entries]
    if times != sorted(times, reverse=True):
        findings.faults.append(f"the activity of {person.name} is not newest first")


def _entry(entry: dict[str, Any]) -> str:
    names = {"like": "video_id", "follow": "user_id", "comment": "comment_id", "share": "video_id"}
    return f"{entry['kind']} {entry.get(names.get(entry['kind'], ''), '')}"


def _stays(play: Play, comment_id: str) -> bool:
    return comment_id not in play.ledger.removed | play.ledger.removal_in_doubt


def _may_hold(play: Play, what: str, who: str) -> set[str]:
    ties = play.ledger.likes if what == "likes" else play.ledger.follows
    return ties.holding(who) | {each for each in ties.held(who) if ties.doubtful(who, each)}


async def _ids(person: Person, path: str, key: str = "video_id") -> set[str]:
    return {each[key] for each in await person.pages(path)}
