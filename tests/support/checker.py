"""Compares what clients were told with what can be read afterwards.

Every check is a pure function of a history and a readout and yields complaints; none knows how the system
works, only what it promises. Likes, follows and blocks are registers: the value at the end must be one that
some order of the operations leaves, in which each takes effect between its sending and its answer, and one
without an answer at any time after its sending, or never.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

from tests.support.history import History, Op, Readout

Check = Callable[[History, Readout], Iterator[str]]

#: Actors that a notification names at most.
_NAMED = 3


def complaints(history: History, readout: Readout) -> list[str]:
    """Everything that is wrong; nothing if the run kept every promise."""
    found = list(history.complaints)
    for check in CHECKS:
        found += [f"{check.__name__}: {text}" for text in check(history, readout)]
    return found


def possible_ends(ops: Iterable[Op], start: bool = False) -> set[bool]:
    """The values that a register can have after `ops`."""
    told = list(ops)
    ends = set()
    for value in (True, False):
        # The last one to take effect wrote it: nothing answered may have been sent after its answer.
        done = [op.done for op in told if op.value is value and op.outcome != "refused"]
        if value is start:
            done.append(-1.0)
        against = [op.sent for op in told if op.value is not value and op.outcome == "ok"]
        if done and not any(sent > max(done) for sent in against):
            ends.add(value)
    return ends


def _registers(history: History, kind: str) -> dict[tuple[int, int], list[Op]]:
    found: dict[tuple[int, int], list[Op]] = defaultdict(list)
    for op in history.ops:
        if op.kind == kind and op.outcome != "refused":
            found[op.user, op.comment or op.target].append(op)
    return found


def likes_are_what_was_answered(history: History, readout: Readout) -> Iterator[str]:
    """Likes of videos and of comments end as the last answer said."""
    for kind, stands in (("like", readout.likes), ("like_comment", readout.comment_likes)):
        registers = _registers(history, kind)
        for pair, ops in sorted(registers.items()):
            if (pair in stands) not in possible_ends(ops):
                yield f"{kind} {pair} is {pair in stands}, but {_told(ops)}"
        for pair in sorted(stands - registers.keys()):
            yield f"{kind} {pair} stands though nobody asked for it"


def viewers_see_their_own_likes(history: History, readout: Readout) -> Iterator[str]:
    """`viewer.liked` is the fact."""
    for user in readout.users.values():
        facts = {video for who, video in readout.likes if who == user.user}
        wrong = (facts & set(user.looked_at)) ^ set(user.liked)
        if wrong:
            yield f"user {user.user} is told otherwise than facts about likes of {sorted(wrong)}"


def follows_and_blocks_are_what_was_answered(history: History, readout: Readout) -> Iterator[str]:
    """As for likes; a block ends follows both ways, on the other side a little later."""
    blocks = _registers(history, "block")
    follows = _registers(history, "follow")
    for pair, ops in sorted(blocks.items()):
        if (pair in readout.blocks) not in possible_ends(ops):
            yield f"block {pair} is {pair in readout.blocks}, but {_told(ops)}"
        for op in ops:
            if op.value:
                one, other = pair
                end = Op(number=op.number, user=0, kind="follow", value=False, sent=op.sent)
                follows[one, other].append(end)
                follows[other, one].append(end)
    for pair, ops in sorted(follows.items()):
        stands = pair in readout.follows
        if stands not in possible_ends(ops):
            yield f"follow {pair} is {stands}, but {_told(ops)}"
        if stands and (pair in readout.blocks or pair[::-1] in readout.blocks):
            yield f"follow {pair} stands across a block"
    for pair in sorted(readout.follows - follows.keys()):
        yield f"follow {pair} stands though nobody asked for it"


def comments_are_there_once(history: History, readout: Readout) -> Iterator[str]:
    """An answered comment is there once, a refused one is not, one without answer at most once."""
    by_text: dict[str, list[int]] = defaultdict(list)
    for comment in readout.comments.values():
        by_text[comment.text].append(comment.comment)
    asked = {op.text: op for op in history.ops if op.kind == "comment"}
    for text, ids in sorted(by_text.items()):
        if text not in asked:
            yield f"comment {text!r} was never written"
        elif len(ids) > 1:
            yield f"comment {text!r} is there {len(ids)} times"
        elif asked[text].outcome == "refused":
            yield f"comment {text!r} is there though it was refused ({asked[text].code})"
    removals: dict[int, list[Op]] = defaultdict(list)
    for op in history.ops:
        if op.kind == "uncomment" and op.outcome != "refused":
            removals[op.comment].append(op)
    for text, op in sorted(asked.items()):
        if op.outcome != "ok":
            continue
        found = readout.comments.get(op.made)
        if found is None or found.text != text:
            yield f"comment {op.made} {text!r} was answered and is not there"
            continue
        ends = {found.comment, found.parent or found.comment}
        if any(each.outcome == "ok" for end in ends for each in removals[end]):
            if found.visible:
                yield f"comment {op.made} was removed and is there"
        elif not found.visible and not any(removals[end] for end in ends):
            yield f"comment {op.made} {text!r} is gone though nobody removed it"


def comment_lists_are_the_facts(history: History, readout: Readout) -> Iterator[str]:
    """What a video's author is shown is what is visible, less whom a block hides."""
    for video in readout.videos.values():
        if not video.plays:
            continue
        hidden = {b for a, b in readout.blocks if a == video.author}
        hidden |= {a for a, b in readout.blocks if b == video.author}
        expected = {
            each.comment
            for each in readout.comments.values()
            if each.video == video.video and each.visible and each.user not in hidden
            and (each.parent is None or readout.comments[each.parent].user not in hidden)
        }  # fmt: skip
        if sorted(video.listed) != sorted(expected):
            yield f"video {video.video} lists {sorted(video.listed)}, facts say {sorted(expected)}"


def shares_and_views_are_counted_once(history: History, readout: Readout) -> Iterator[str]:
    """At least what was answered, at most what was asked."""
    stored = Counter(readout.shares)
    asked: Counter[tuple[int, int]] = Counter()
    answered: Counter[tuple[int, int]] = Counter()
    seen: dict[int, set[tuple[int, str]]] = defaultdict(set)
    sure: dict[int, set[tuple[int, str]]] = defaultdict(set)
    for op in history.ops:
        if op.outcome == "refused":
            continue
        if op.kind == "share":
            asked[op.user, op.target] += 1
            answered[op.user, op.target] += op.outcome == "ok"
        if op.kind == "view":
            names = {(op.user, each) for each in op.text.split()}
            seen[op.target] |= names
            if op.outcome == "ok" and not op.code:
                sure[op.target] |= names
    for pair in sorted(asked | stored):
        if not answered[pair] <= stored[pair] <= asked[pair]:
            yield f"shares {pair}: {stored[pair]}, not {answered[pair]}..{asked[pair]}"
    for video in readout.videos.values():
        low, high = len(sure[video.video]), len(seen[video.video])
        if not low <= video.row.views <= high:
            yield f"video {video.video} has {video.row.views} views, not {low}..{high}"


def counts_are_sizes_of_facts(history: History, readout: Readout) -> Iterator[str]:
    """Rows, answers and tallies agree."""
    for video in readout.videos.values():
        if video.row != video.tally:
            yield f"video {video.video}: row {video.row}, facts {video.tally}"
        if video.shown is not None and video.shown != video.row:
            yield f"video {video.video}: shown {video.shown}, row {video.row}"
    for user in readout.users.values():
        if user.row != user.tally:
            yield f"user {user.user}: row {user.row}, facts {user.tally}"
        if user.shown != user.row:
            yield f"user {user.user}: shown {user.shown}, row {user.row}"
        if user.shown_to_others is not None and user.shown_to_others != user.row:
            yield f"user {user.user}: others see {user.shown_to_others}, row {user.row}"


def activity_is_in_order(history: History, readout: Readout) -> Iterator[str]:
    """Newest first; every answered deed once, and nothing that was not done."""
    for user in readout.users.values():
        for newer, older in pairwise(user.activity):
            if older.at > newer.at:
                yield f"activity of {user.user}: {older} comes after {newer}"
        shown = Counter(
            (each.kind, each.comment or each.video or each.user) for each in user.activity
        )
        own = [op for op in history.ops if op.user == user.user and op.outcome != "refused"]
        low: Counter[tuple[str, int | None]] = Counter()
        high: Counter[tuple[str, int | None]] = Counter()
        loose = 0
        for op in own:
            if op.kind == "comment" and op.outcome == "ok":
                low["comment", op.made] += 1
                high["comment", op.made] += 1
            elif op.kind == "comment":
                loose += 1
            elif op.kind == "share":
                low["share", op.target] += op.outcome == "ok"
                high["share", op.target] += 1
            elif op.kind in ("like", "follow") and op.value:
                # A second like of what is liked is no deed: one at least, if one was answered.
                low[op.kind, op.target] |= op.outcome == "ok"
                high[op.kind, op.target] += 1
        for what in sorted(low, key=str):
            if shown[what] < low[what]:
                yield f"activity of {user.user} shows {what} {shown[what]} times, not {low[what]}"
        for what in sorted(shown, key=str):
            if what[0] == "comment" and what not in high:
                loose -= 1
            elif shown[what] > high[what]:
                yield f"activity of {user.user} shows {what} {shown[what]} times, not {high[what]}"
        if loose < 0:
            yield f"activity of {user.user} shows {-loose} comments that were never written"
        if history.one_clock:
            yield from _answers_in_order(user.user, own, [each.comment for each in user.activity])


def _answers_in_order(user: int, own: list[Op], shown: list[int | None]) -> Iterator[str]:
    place = {comment: at for at, comment in enumerate(shown) if comment is not None}
    written = sorted(
        (op for op in own if op.kind == "comment" and op.made in place), key=lambda op: op.sent
    )
    for at, earlier in enumerate(written):
        for later in written[at + 1 :]:
            if earlier.done < later.sent and place[earlier.made] < place[later.made]:
                yield f"activity of {user}: comment {later.made} before {earlier.made}"


def repeats_are_answered_the_same(history: History, readout: Readout) -> Iterator[str]:
    """One key, one answer."""
    for op in history.ops:
        if op.changed_answer:
            yield f"op {op.number} ({op.kind}) was answered otherwise: {op.changed_answer}"


def others_are_notified(history: History, readout: Readout) -> Iterator[str]:
    """Who was liked, answered or followed is told, unless a block stood between them."""
    blocked = {frozenset((op.user, op.target)) for op in history.ops if op.kind == "block"}
    expected: dict[tuple[int, str], set[int]] = defaultdict(set)
    for op in history.ops:
        if op.outcome != "ok" or not op.value:
            continue
        video = readout.videos.get(op.target)
        if op.kind == "like" and video is not None and video.plays:
            expected[video.author, f"like:{op.target}"].add(op.user)
        elif op.kind == "comment" and video is not None and video.plays:
            expected[video.author, f"comment:{op.made}"].add(op.user)
        elif op.kind == "follow":
            expected[op.target, "follow:"].add(op.user)
    for (owner, group), actors in sorted(expected.items()):
        actors = {each for each in actors - {owner} if frozenset((each, owner)) not in blocked}
        notes = [each for each in readout.users[owner].notes if each.group.startswith(group)]
        named = {actor for note in notes for actor in note.actors}
        if actors and not notes:
            yield f"user {owner} was not told of {group} by {sorted(actors)}"
        elif not actors <= named and len(named) < _NAMED:
            yield f"user {owner} was told of {group} by {sorted(named)}, not by {sorted(actors)}"


def no_upload_is_stuck(history: History, readout: Readout) -> Iterator[str]:
    """What was completed ends, one way or the other; what was answered exists."""
    for op in history.ops:
        if op.outcome != "ok" or op.kind not in ("upload", "complete", "delete_video"):
            continue
        video = readout.videos.get(op.made or op.target)
        if video is None:
            yield f"video {op.made or op.target} was announced and is not there"
        elif op.kind == "complete" and video.status not in ("ready", "failed", "deleted"):
            yield f"video {video.video} was completed and is {video.status}"
        elif op.kind == "delete_video" and not video.removed:
            yield f"video {video.video} was deleted and is {video.status}"
    made = {op.made for op in history.ops if op.kind == "upload"}
    loose = sum(op.kind == "upload" and op.outcome == "unknown" for op in history.ops)
    if len(readout.videos.keys() - made) > loose:
        yield f"there are videos that nobody announced: {sorted(readout.videos.keys() - made)}"


def following_feeds_are_complete(history: History, readout: Readout) -> Iterator[str]:
    """Everything that plays of those whom one follows, newest first."""
    for user in readout.users.values():
        authors = {followee for follower, followee in readout.follows if follower == user.user}
        right = sorted(
            (video for video in readout.videos.values() if video.plays and video.author in authors),
            key=lambda video: (video.published_ms, video.video),
            reverse=True,
        )
        if user.following_feed != [video.video for video in right]:
            yield (
                f"following feed of {user.user} is {user.following_feed},"
                f" facts say {[video.video for video in right]}"
            )


def no_event_is_missed_in_silence(history: History, readout: Readout) -> Iterator[str]:
    """A websocket that goes on from a number sees every later event, once, in order."""
    for user in readout.users.values():
        if user.socket_from is None:
            continue
        missed = {each for each in user.events if each > user.socket_from} - set(user.socket_saw)
        if missed:
            yield f"user {user.user} was never sent events {sorted(missed)}"
        if any(later <= earlier for earlier, later in pairwise(user.socket_saw)):
            yield f"user {user.user} was sent events in the order {user.socket_saw}"


def ownership_only_grows(history: History, readout: Readout) -> Iterator[str]:
    """One owner an epoch; no commit of an older epoch after one of a newer."""
    owner_of: dict[tuple[int, int], str] = {}
    for shard, epoch, owner in history.owners:
        if owner_of.setdefault((shard, epoch), owner) != owner:
            yield f"epoch {epoch} of shard {shard}: {owner_of[shard, epoch]} and {owner}"
    newest: dict[int, int] = {}
    for shard, epoch in history.commits:
        if epoch < newest.get(shard, 0):
            yield f"shard {shard} took a commit of {epoch} after one of {newest[shard]}"
        newest[shard] = epoch


def nothing_is_left_over(history: History, readout: Readout) -> Iterator[str]:
    """No intent, event or job waits for ever, and no event is thought lost."""
    yield from readout.left
    if history.gaps:
        yield f"{history.gaps} events were thought lost"


def _told(ops: list[Op]) -> str:
    return ", ".join(
        f"{op.value} sent {op.sent:.3f} {op.outcome} {op.done:.3f}"
        for op in sorted(ops, key=lambda op: op.sent)
    )


CHECKS: tuple[Check, ...] = (
    likes_are_what_was_answered,
    viewers_see_their_own_likes,
    follows_and_blocks_are_what_was_answered,
    comments_are_there_once,
    comment_lists_are_the_facts,
    shares_and_views_are_counted_once,
    counts_are_sizes_of_facts,
    activity_is_in_order,
    repeats_are_answered_the_same,
    others_are_notified,
    no_upload_is_stuck,
    following_feeds_are_complete,
    no_event_is_missed_in_silence,
    ownership_only_grows,
    nothing_is_left_over,
)
