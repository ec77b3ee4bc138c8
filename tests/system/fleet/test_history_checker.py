"""The checker of fleet histories can fail: each kind of broken promise, forged, is found."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, permutations
from random import Random

import pytest

from tests.support.fleet_checks import Touch, fleet_complaints, misplaced
from tests.support.fleet_faults import Window, longest_outage_s, row_of
from tests.support.fleet_member import Log, Look, Member, hear, verdict
from tests.support.history import (
    Counts,
    History,
    Op,
    ReadComment,
    ReadNote,
    Readout,
    ReadUser,
    ReadVideo,
)
from tests.support.people import People, Person

AUTHOR, FAN, VIDEO, COMMENT = 1, 2, 10, 20
INF = float("inf")


class Forged:
    """An honest run: an upload, a comment, a like that is taken back and given again; then it is tampered with."""

    def __init__(self) -> None:
        ops = [
            Op(number=1, user=AUTHOR, kind="upload", text="clip", sent=0, done=1, made=VIDEO),
            Op(number=2, user=AUTHOR, kind="complete", target=VIDEO, sent=0, done=1),
            Op(number=3, user=FAN, kind="comment", target=VIDEO, text="hi", sent=2, done=3),
            Op(number=4, user=FAN, kind="like", target=VIDEO, sent=4, done=5),
            Op(number=5, user=FAN, kind="like", target=VIDEO, value=False, sent=6, done=7),
            Op(number=6, user=FAN, kind="like", target=VIDEO, sent=8, done=9),
        ]
        for op in ops:
            op.outcome = "ok"
        ops[2].made = COMMENT
        self.log = Log(history=History(seed=0, one_clock=False, ops=ops))
        self.log.looks = [Look(FAN, VIDEO, True, 5.1, 5.2), Look(FAN, VIDEO, False, 7.1, 7.2)]
        self.log.acks = [(op.done, op.user) for op in ops]
        people = People(None, "")  # type: ignore[arg-type]
        self.members = [
            Member(person=Person(people, "a"), user=AUTHOR, start=0, saw=[1, 2], since=0.0),
            Member(person=Person(people, "b"), user=FAN, start=0),
        ]
        self.members[0].told_of = {COMMENT}
        sizes = Counts(likes=1, comments=1)
        self.video = ReadVideo(
            video=VIDEO,
            author=AUTHOR,
            status="ready",
            published_ms=1,
            removed=False,
            row=sizes,
            tally=sizes,
            shown=sizes,
            listed=[COMMENT],
        )
        words = ReadComment(
            comment=COMMENT, video=VIDEO, user=FAN, parent=None, text="hi", visible=True
        )
        mine = Counts(videos=1, likes_received=1)
        notes = [
            ReadNote(group=f"like:{VIDEO}", actors=[FAN], count=1),
            ReadNote(group=f"comment:{COMMENT}", actors=[FAN], count=1),
        ]
        author = ReadUser(user=AUTHOR, row=mine, tally=mine, shown=mine, notes=notes)
        author.looked_at = [VIDEO]
        none = Counts()
        fan = ReadUser(user=FAN, row=none, tally=none, shown=none)
        fan.looked_at = fan.liked = [VIDEO]
        self.readout = Readout(
            videos={VIDEO: self.video},
            users={AUTHOR: author, FAN: fan},
            comments={COMMENT: words},
            likes={(FAN, VIDEO)},
        )
        self.captions = {VIDEO: "clip"}
        self.replays: dict[int, tuple[list[int], bool]] = {
            AUTHOR: ([1, 2], False),
            FAN: ([], False),
        }

    def op(self, number: int) -> Op:
        return self.log.history.ops[number - 1]

    def complaints(self) -> str:
        return "\n".join(
            fleet_complaints(self.log, self.members, self.readout, self.captions, self.replays)
        )


def test_an_honest_run_has_no_complaints():
    assert Forged().complaints() == ""


def test_a_lost_comment_is_found():
    run = Forged()
    run.readout.comments.clear()
    assert "was answered and is not there" in run.complaints()


def test_a_doubled_comment_is_found():
    run = Forged()
    again = ReadComment(comment=21, video=VIDEO, user=FAN, parent=None, text="hi", visible=True)
    run.readout.comments[21] = again
    assert "is there 2 times" in run.complaints()


def test_a_comment_that_was_certainly_not_executed_and_is_there_is_found():
    run = Forged()
    run.op(3).outcome = "refused"
    assert "is there though it was refused" in run.complaints()


def test_a_comment_without_an_answer_may_be_there_or_not():
    run = Forged()
    run.op(3).outcome, run.op(3).done = "unknown", INF
    assert run.complaints() == ""


def test_a_lost_like_is_found():
    run = Forged()
    run.readout.likes.clear()
    found = run.complaints()
    assert "likes_are_what_was_answered" in found
    assert "likes_are_linearizable" in found


def test_a_look_that_finds_what_was_overwritten_is_found():
    run = Forged()
    run.log.looks.append(Look(FAN, VIDEO, True, 7.3, 7.4))
    assert "likes_are_linearizable" in run.complaints()


def test_a_count_that_is_no_fact_is_found():
    run = Forged()
    run.video.row = run.video.shown = Counts(likes=2, comments=1)
    assert "counts_are_sizes_of_facts" in run.complaints()


def test_a_list_that_is_no_fact_is_found():
    run = Forged()
    run.video.listed = []
    assert "comment_lists_are_the_facts" in run.complaints()


def test_a_missed_event_is_found_and_a_resync_is_allowed():
    run = Forged()
    run.members[0].saw = [1]
    assert "was never sent events [2]" in run.complaints()
    run.replays[AUTHOR] = ([], True)
    assert run.complaints() == ""


def test_an_event_that_came_twice_is_found():
    run = Forged()
    for number in (3, 3):
        hear(run.members[0], {"op": "event", "seq": number, "type": "x", "data": {}}, 0, 1.0)
    assert "was sent event 3 after event 3" in run.complaints()


def test_a_comment_that_no_socket_told_of_is_found_unless_it_had_to_resync_then():
    run = Forged()
    run.members[0].told_of.clear()
    run.members[0].resyncs = [100.0, 1.0]
    assert "was not told of comment" in run.complaints()
    run.members[0].resyncs = [4.0]
    assert run.complaints() == ""


@pytest.mark.parametrize("status", ["uploaded", "processing", "failed"])
def test_a_stuck_upload_is_found(status: str):
    run = Forged()
    run.video.status = status
    assert "uploads_are_there_once" in run.complaints()


def test_a_doubled_upload_is_found():
    run = Forged()
    run.captions[11] = "clip"
    assert "'clip' is there 2 times" in run.complaints()


def test_a_repeat_after_a_wipe_is_allowed_for_what_was_under_way_and_nothing_else():
    run = Forged()
    again = ReadComment(comment=21, video=VIDEO, user=FAN, parent=None, text="hi", visible=True)
    run.readout.comments[21] = again
    run.video.listed.append(21)
    run.captions[11] = "clip"
    run.log.wipes = [(2.5, 2.6)]
    found = run.complaints()
    assert "'clip' is there 2 times" in found
    assert "'hi'" not in found

    run.log.wipes.append((0.5, 0.6))
    run.readout.videos[11] = run.video
    run.captions[11] = "clip"
    assert run.complaints() == ""


def test_somebody_who_was_not_notified_is_found_unless_redis_was_wiped_meanwhile():
    run = Forged()
    run.readout.users[AUTHOR].notes.pop()
    assert "was not told of comment" in run.complaints()
    run.log.wipes = [(5.0, 5.1)]
    assert run.complaints() == ""


def test_a_follow_that_was_lost_is_found():
    run = Forged()
    op = Op(number=7, user=FAN, kind="follow", target=AUTHOR, sent=9, done=10, outcome="ok")
    run.log.history.ops.append(op)
    assert "follows_and_blocks_are_what_was_answered" in run.complaints()


def _write(sent: float, done: float, value: bool) -> Touch:
    return Touch(sent, done, value, True)


def _look(sent: float, done: float, value: bool) -> Touch:
    return Touch(sent, done, value, False)


def test_a_look_beside_a_write_may_find_either():
    for value in (True, False):
        assert misplaced([_write(0, 10, True), _look(1, 2, value)]) is None


def test_two_looks_may_not_go_back_behind_a_write():
    found = misplaced([_write(0, 10, True), _look(1, 2, True), _look(3, 4, False)])
    assert found == _look(3, 4, False)


def test_a_write_without_an_answer_may_come_late_or_never_but_only_once():
    lost = _write(0, INF, True)
    assert misplaced([lost, _look(5, 6, False)]) is None
    assert misplaced([lost, _look(5, 6, True)]) is None
    again = [lost, _look(1, 2, True), _write(3, 4, False), _look(5, 6, True)]
    assert misplaced(again) is not None
    late = [lost, _write(3, 4, False), _look(5, 6, True)]
    assert misplaced(late) is None


def test_what_a_real_register_does_always_fits():
    dice = Random(1)
    for _ in range(200):
        assert misplaced(_register_run(dice)) is None


def test_lies_of_a_register_are_found_where_trying_every_order_finds_them():
    dice, lies = Random(2), 0
    for _ in range(400):
        touches = _register_run(dice, calls=3)[:6]
        looks = [at for at, each in enumerate(touches) if not each.is_write]
        if looks:
            at = dice.choice(looks)
            lie = touches[at]
            touches[at] = Touch(lie.sent, lie.done, not lie.value, False)
        fits = any(_is_an_order(order) for order in _orders(touches))
        assert (misplaced(touches) is None) == fits, list(map(str, touches))
        lies += not fits
    assert lies > 100


def _orders(touches: list[Touch]) -> Iterator[tuple[Touch, ...]]:
    """Every order of what was answered and of any of the rest."""
    sure = [each for each in touches if each.done < INF]
    rest = [each for each in touches if each.done == INF]
    for count in range(len(rest) + 1):
        for some in combinations(rest, count):
            yield from permutations([*sure, *some])


def _is_an_order(order: tuple[Touch, ...]) -> bool:
    value = False
    for at, touch in enumerate(order):
        if any(later.done < touch.sent for later in order[at + 1 :]):
            return False
        if touch.is_write:
            value = touch.value
        elif touch.value is not value:
            return False
    return True


def _register_run(dice: Random, calls: int = 9) -> list[Touch]:
    """Three clients at a register that acts at one moment of each call; some answers are lost."""
    moments = []
    for _ in range(3):
        now = 0.0
        for _ in range(dice.randrange(2, calls)):
            sent = now + dice.random()
            acts = sent + dice.random()
            now = acts + dice.random()
            moments.append((acts, sent, now, dice.random() < 0.6, dice.random() < 0.5))
    value, touches = False, []
    for _, sent, done, is_write, wish in sorted(moments):
        if is_write:
            value = wish
            lost = dice.random() < 0.2
            touches.append(_write(sent, INF if lost else done, wish))
        else:
            touches.append(_look(sent, done, value))
    return touches


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (200, {}, "acked"),
        (201, {"comment_id": "1"}, "acked"),
        (503, {"code": "unavailable", "executed": False}, "refused"),
        (503, {"code": "unavailable"}, "unknown"),
        (504, {"code": "deadline_exceeded"}, "unknown"),
        (500, {"code": "internal"}, "unknown"),
        (409, {"code": "in_progress"}, "unknown"),
        (404, {"code": "not_found"}, "refused"),
        (429, {"code": "rate_limited", "executed": False}, "refused"),
        (502, None, "unknown"),
    ],
)
def test_an_answer_says_one_of_three_things(status: int, body: object, says: str):
    assert verdict(status, body) == says


def test_a_socket_goes_on_from_where_it_was_told_to():
    member = Forged().members[1]
    hear(member, {"op": "welcome", "seq": 5, "resumed": False}, None, 1.0)
    assert (member.start, member.saw) == (5, [])
    hear(member, {"op": "event", "seq": 6, "type": "user.followed", "data": {}}, None, 1.0)
    hear(member, {"op": "event", "type": "upload.progress", "data": {}}, None, 1.0)
    hear(member, {"op": "welcome", "seq": 6, "resumed": True}, 6, 1.0)
    assert (member.start, member.saw, member.resyncs) == (5, [6], [])
    hear(member, {"op": "resync", "seq": 9}, 6, 1.0)
    assert (member.start, member.saw, member.resyncs) == (9, [], [1.0])


def test_a_row_tells_what_a_fault_cost():
    run = Forged()
    run.op(3).outcome = "refused"
    run.op(5).outcome = "unknown"

    row = row_of(Window("kill it", 0.0, 10.0, 2.0, 0), run.log)

    assert (row.ops, row.acked, row.refused, row.unknown) == (5, 3, 1, 1)
    # The author had nothing acked after the first second.
    assert longest_outage_s(run.log, (0.0, 10.0)) == 9.0
