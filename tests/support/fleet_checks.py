"""What a fleet must have kept, beside what the simulation's checker asks: pure functions over a history.

A like is a register for each person and video. It is linearizable when its writes and the looks at it can be put
into one order, each between its sending and its answer, in which every look finds what was last written. A write
without an answer may take effect at any time after its sending, or never.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from msgspec import structs

from tests.support.checker import (
    comment_lists_are_the_facts,
    comments_are_there_once,
    counts_are_sizes_of_facts,
    follows_and_blocks_are_what_was_answered,
    likes_are_what_was_answered,
    no_upload_is_stuck,
    others_are_notified,
    viewers_see_their_own_likes,
)
from tests.support.fleet_member import Log, Member
from tests.support.history import History, Readout

#: Checks of the simulation that hold for a fleet as they are.
_SHARED = (
    likes_are_what_was_answered,
    viewers_see_their_own_likes,
    follows_and_blocks_are_what_was_answered,
    comments_are_there_once,
    comment_lists_are_the_facts,
    counts_are_sizes_of_facts,
    no_upload_is_stuck,
)
#: How long after a comment was acked a resync may still be about it, in seconds: a lost websocket is held for lost,
#: and comes back, within that.
LATE_S = 15.0
#: How long what was acked may be on its way to whoever is notified of it, in seconds.
ON_ITS_WAY_S = 5.0
_NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Touch:
    """One write of, or look at, a register."""

    sent: float
    #: Infinite where no answer came: then it may also never have taken effect.
    done: float
    value: bool
    is_write: bool

    def __str__(self) -> str:
        what = "set" if self.is_write else "saw"
        return f"{what} {self.value} {self.sent:.3f}..{self.done:.3f}"


def misplaced(touches: Iterable[Touch], start: bool = False) -> Touch | None:
    """A touch that fits into no order, the one at which the longest order ends; None where all fit."""
    ops = sorted(touches, key=lambda op: (op.sent, op.done))
    must = sum(1 << at for at, op in enumerate(ops) if op.done < _NEVER)
    stack, known = [(0, start)], {(0, start)}
    longest = 0
    while stack:
        done, value = stack.pop()
        done = _with_looks(ops, done, value)
        if done & must == must:
            return None
        if (done & must).bit_count() > (longest & must).bit_count():
            longest = done
        limit = _limit(ops, done)
        for at, op in enumerate(ops):
            if op.sent > limit:
                break
            if done >> at & 1 or not op.is_write:
                continue
            after = (done | 1 << at, op.value)
            # One without an answer that changes nothing may as well not have happened.
            if after not in known and (op.done < _NEVER or op.value is not value):
                known.add(after)
                stack.append(after)
    left = [op for at, op in enumerate(ops) if not longest >> at & 1 and op.done < _NEVER]
    return min(left, key=lambda op: op.done)


def _with_looks(ops: Sequence[Touch], done: int, value: bool) -> int:
    """`done`, and every look that may come now and finds `value`: waiting would not help any of them."""
    while True:
        limit, before = _limit(ops, done), done
        for at, op in enumerate(ops):
            if op.sent > limit:
                break
            if not op.is_write and op.value is value:
                done |= 1 << at
        if done == before:
            return done


def _limit(ops: Sequence[Touch], done: int) -> float:
    """The first answer among what has no place yet: nothing sent later may come before it."""
    return min(
        (op.done for at, op in enumerate(ops) if not done >> at & 1),
        default=_NEVER,
    )


def registers(log: Log) -> dict[tuple[int, int], list[Touch]]:
    """What was done to each like, by (user, video)."""
    found: dict[tuple[int, int], list[Touch]] = defaultdict(list)
    for op in log.history.ops:
        if op.kind == "like" and op.outcome != "refused":
            done = op.done if op.outcome == "ok" else _NEVER
            found[op.user, op.target].append(Touch(op.sent, done, op.value, True))
    for look in log.looks:
        found[look.user, look.video].append(Touch(look.sent, look.done, look.liked, False))
    return found


def likes_are_linearizable(log: Log, readout: Readout) -> Iterator[str]:
    """For each person and video there is an order, and it ends with the fact."""
    for (user, video), touches in sorted(registers(log).items()):
        end = max(touch.sent for touch in touches) + 1e6
        told = [*touches, Touch(end, end + 1, (user, video) in readout.likes, False)]
        wrong = misplaced(told)
        if wrong is not None:
            near = [
                str(each)
                for each in sorted(told, key=lambda each: each.sent)
                if abs(each.sent - wrong.sent) < 10 or each.done == _NEVER
            ]
            yield f"like of {video} by {user}: {wrong} fits nowhere in {near}"


def uploads_are_there_once(log: Log, readout: Readout, captions: dict[int, str]) -> Iterator[str]:
    """An answered upload plays, once; an unknown one is there at most once."""
    times = Counter(captions.values())
    for op in log.history.ops:
        if op.kind != "upload":
            continue
        if times[op.text] > 1:
            yield f"upload {op.text!r} is there {times[op.text]} times"
        if op.outcome == "ok":
            video = readout.videos.get(op.made)
            if video is None or video.status != "ready":
                yield f"upload {op.made} {op.text!r} is {video.status if video else 'not there'}"
            elif captions[op.made] != op.text:
                yield f"upload {op.made} is {captions[op.made]!r}, not {op.text!r}"


def sockets_missed_nothing(
    members: Sequence[Member], replays: dict[int, tuple[list[int], bool]]
) -> Iterator[str]:
    """What a socket saw is what is sent to one that goes on from the same number, in order, once."""
    for member in members:
        for later, earlier in member.disorder:
            yield f"user {member.user} was sent event {later} after event {earlier}"
        numbers, must_resync = replays[member.user]
        missed = set(numbers) - set(member.saw)
        if missed and not must_resync:
            yield f"user {member.user} was never sent events {sorted(missed)} after {member.start}"


def comments_are_told_of(
    log: Log, members: Sequence[Member], authors: dict[int, int]
) -> Iterator[str]:
    """A websocket told of each answered comment under a video of one's own, or to read the screen again."""
    by_user = {each.user: each for each in members}
    for op in log.history.ops:
        author = by_user.get(authors.get(op.target, 0)) if op.kind == "comment" else None
        if author is None or op.outcome != "ok" or op.user == author.user:
            continue
        if op.sent < author.since:
            continue
        excused = any(op.sent <= at <= op.done + LATE_S for at in author.resyncs)
        if op.made not in author.told_of and not excused:
            yield f"user {author.user} was not told of comment {op.made} (op {op.number})"


def without_allowed_repeats(log: Log, readout: Readout, captions: dict[int, str]) -> None:
    """Take out what a repeat made a second time because Redis was wiped between it and the first try.

    That much is allowed (ops/docs/promises.md), for comments and uploads that were under way then, and no more.
    """
    for op in log.history.ops:
        if not any(op.sent <= until and op.done >= since for since, until in log.wipes):
            continue
        if op.kind == "comment":
            ids = [each.comment for each in readout.comments.values() if each.text == op.text]
            for repeat in _but_one(ids, op.made):
                video = readout.videos[readout.comments.pop(repeat).video]
                video.listed = [each for each in video.listed if each != repeat]
        elif op.kind == "upload":
            ids = [video for video, caption in captions.items() if caption == op.text]
            for repeat in _but_one(ids, op.made):
                del captions[repeat], readout.videos[repeat]


def _not_wiped(log: Log) -> History:
    """The history without what was on its way to others when Redis was wiped."""
    return structs.replace(
        log.history,
        ops=[
            op
            for op in log.history.ops
            if not any(
                op.sent <= until and op.done + ON_ITS_WAY_S >= since for since, until in log.wipes
            )
        ],
    )


def _but_one(ids: list[int], kept: int) -> list[int]:
    return [each for each in ids if each != (kept if kept in ids else ids[0])]


def fleet_complaints(
    log: Log,
    members: Sequence[Member],
    readout: Readout,
    captions: dict[int, str],
    replays: dict[int, tuple[list[int], bool]],
) -> list[str]:
    """Everything that is wrong; nothing if the run kept every promise."""
    without_allowed_repeats(log, readout, captions)
    found = list(log.history.complaints)
    for check in _SHARED:
        found += [f"{check.__name__}: {text}" for text in check(log.history, readout)]
    authors = {video.video: video.author for video in readout.videos.values()}
    for name, told in (
        ("likes_are_linearizable", likes_are_linearizable(log, readout)),
        ("uploads_are_there_once", uploads_are_there_once(log, readout, captions)),
        ("sockets_missed_nothing", sockets_missed_nothing(members, replays)),
        ("others_are_notified", others_are_notified(_not_wiped(log), readout)),
        ("comments_are_told_of", comments_are_told_of(log, members, authors)),
    ):
        found += [f"{name}: {text}" for text in told]
    return found
