"""Every check of the simulation's checker can fail; shown on one good history and a fault for each."""

from __future__ import annotations

from copy import deepcopy

import pytest

from tests.support import checker
from tests.support.checker import CHECKS, complaints, possible_ends
from tests.support.history import (
    Counts,
    History,
    Op,
    ReadComment,
    ReadEntry,
    ReadNote,
    Readout,
    ReadUser,
    ReadVideo,
)

ANN, BOB, VIDEO, FIRST, SECOND = 1, 2, 10, 20, 21


def ok(kind, user=BOB, sent=0.0, **fields):
    return Op(number=0, user=user, kind=kind, sent=sent, done=sent + 1, outcome="ok", **fields)


def good():
    """Bob likes, shares, views and twice comments on Ann's video, and follows her."""
    history = History(
        seed=0,
        ops=[
            ok("upload", ANN, made=VIDEO),
            ok("complete", ANN, target=VIDEO),
            ok("like", target=VIDEO, sent=2.0),
            ok("share", target=VIDEO, sent=4.0),
            ok("view", target=VIDEO, text="v1"),
            ok("comment", target=VIDEO, text="one", made=FIRST, sent=6.0),
            ok("comment", target=VIDEO, text="two", made=SECOND, sent=8.0),
            ok("follow", target=ANN, sent=10.0),
        ],
        owners=[(3, 7, "n1")],
        commits=[(3, 7)],
    )
    sizes = Counts(likes=1, comments=2, shares=1, views=1)
    ann = Counts(followers=1, videos=1, likes_received=1)
    bob = Counts(following=1)
    readout = Readout(
        videos={
            VIDEO: ReadVideo(
                video=VIDEO, author=ANN, status="ready", published_ms=5, removed=False,
                row=sizes, tally=sizes, shown=sizes, listed=[SECOND, FIRST],
            )
        },
        users={
            ANN: ReadUser(
                user=ANN, row=ann, tally=ann, shown=ann, shown_to_others=ann, looked_at=[VIDEO],
                events=[5, 6], socket_from=4, socket_saw=[5, 6],
                notes=[
                    ReadNote(group=group, actors=[BOB], count=1)
                    for group in ("like:10", "comment:20", "comment:21", "follow:1")
                ],
            ),
            BOB: ReadUser(
                user=BOB, row=bob, tally=bob, shown=bob, looked_at=[VIDEO], liked=[VIDEO],
                following_feed=[VIDEO],
                activity=[
                    ReadEntry(kind="follow", at="5", user=ANN),
                    ReadEntry(kind="comment", at="4", video=VIDEO, comment=SECOND),
                    ReadEntry(kind="comment", at="3", video=VIDEO, comment=FIRST),
                    ReadEntry(kind="share", at="2", video=VIDEO),
                    ReadEntry(kind="like", at="1", video=VIDEO),
                ],
            ),
        },
        comments={
            each: ReadComment(
                comment=each, video=VIDEO, user=BOB, parent=None, text=text, visible=True
            )
            for each, text in ((FIRST, "one"), (SECOND, "two"))
        },
        likes={(BOB, VIDEO)},
        follows={(BOB, ANN)},
        shares=[(BOB, VIDEO)],
    )  # fmt: skip
    return history, readout


def test_a_good_history_is_good():
    assert complaints(*good()) == []


def exchange(one, other):
    one.comment, other.comment = other.comment, one.comment


FAULTS = [
    ("likes_are_what_was_answered", lambda h, r: r.likes.clear()),
    ("likes_are_what_was_answered", lambda h, r: r.likes.add((ANN, VIDEO))),
    ("likes_are_what_was_answered", lambda h, r: r.comment_likes.add((ANN, FIRST))),
    ("viewers_see_their_own_likes", lambda h, r: r.users[BOB].liked.clear()),
    ("follows_and_blocks_are_what_was_answered", lambda h, r: r.follows.clear()),
    ("follows_and_blocks_are_what_was_answered", lambda h, r: r.follows.add((ANN, BOB))),
    ("follows_and_blocks_are_what_was_answered", lambda h, r: r.blocks.add((ANN, BOB))),
    ("comments_are_there_once", lambda h, r: r.comments.pop(FIRST)),
    ("comments_are_there_once", lambda h, r: setattr(r.comments[FIRST], "visible", False)),
    ("comments_are_there_once", lambda h, r: setattr(r.comments[FIRST], "text", "two")),
    ("comments_are_there_once", lambda h, r: setattr(h.ops[5], "outcome", "refused")),
    ("comments_are_there_once", lambda h, r: h.ops.append(ok("uncomment", comment=FIRST))),
    ("comment_lists_are_the_facts", lambda h, r: r.videos[VIDEO].listed.pop()),
    ("shares_and_views_are_counted_once", lambda h, r: r.shares.append((BOB, VIDEO))),
    ("shares_and_views_are_counted_once", lambda h, r: r.shares.clear()),
    ("shares_and_views_are_counted_once", lambda h, r: h.ops.append(
        ok("view", target=VIDEO, text="v2"))),
    ("counts_are_sizes_of_facts", lambda h, r: setattr(r.videos[VIDEO], "tally", Counts())),
    ("counts_are_sizes_of_facts", lambda h, r: setattr(r.videos[VIDEO], "shown", Counts())),
    ("counts_are_sizes_of_facts", lambda h, r: setattr(r.users[ANN], "tally", Counts())),
    ("counts_are_sizes_of_facts", lambda h, r: setattr(r.users[ANN], "shown", Counts())),
    ("counts_are_sizes_of_facts", lambda h, r: setattr(r.users[ANN], "shown_to_others", Counts())),
    ("activity_is_in_order", lambda h, r: r.users[BOB].activity.reverse()),
    ("activity_is_in_order", lambda h, r: r.users[BOB].activity.pop()),
    ("activity_is_in_order", lambda h, r: r.users[BOB].activity.append(
        ReadEntry(kind="share", at="0", video=VIDEO))),
    ("activity_is_in_order", lambda h, r: r.users[BOB].activity.append(
        ReadEntry(kind="comment", at="0", video=VIDEO, comment=99))),
    ("activity_is_in_order", lambda h, r: exchange(*r.users[BOB].activity[1:3])),
    ("repeats_are_answered_the_same", lambda h, r: setattr(h.ops[2], "changed_answer", "x")),
    ("others_are_notified", lambda h, r: r.users[ANN].notes.pop()),
    ("others_are_notified", lambda h, r: r.users[ANN].notes[0].actors.clear()),
    ("no_upload_is_stuck", lambda h, r: setattr(r.videos[VIDEO], "status", "processing")),
    ("no_upload_is_stuck", lambda h, r: r.videos.clear()),
    ("no_upload_is_stuck", lambda h, r: setattr(h.ops[0], "made", VIDEO + 1)),
    ("no_upload_is_stuck", lambda h, r: h.ops.append(ok("delete_video", ANN, target=VIDEO))),
    ("following_feeds_are_complete", lambda h, r: r.users[BOB].following_feed.clear()),
    ("no_event_is_missed_in_silence", lambda h, r: r.users[ANN].socket_saw.pop()),
    ("no_event_is_missed_in_silence", lambda h, r: r.users[ANN].socket_saw.append(6)),
    ("ownership_only_grows", lambda h, r: h.owners.append((3, 7, "n2"))),
    ("ownership_only_grows", lambda h, r: h.commits.append((3, 6))),
    ("nothing_is_left_over", lambda h, r: r.left.append("1 intents are left")),
    ("nothing_is_left_over", lambda h, r: setattr(h, "gaps", 1)),
]  # fmt: skip


@pytest.mark.parametrize(("check", "fault"), FAULTS)
def test_a_fault_is_found(check, fault):
    history, readout = deepcopy(good())
    fault(history, readout)
    assert any(text.startswith(f"{check}:") for text in complaints(history, readout))


def test_every_check_has_a_fault_that_it_finds():
    assert {check.__name__ for check in CHECKS} == {name for name, _ in FAULTS}


def test_what_was_complained_of_at_once_is_passed_on():
    history, readout = good()
    history.complaints.append("1.000 s: no")
    assert complaints(history, readout) == ["1.000 s: no"]


def register(*steps):
    return [
        Op(number=0, user=0, kind="like", value=value, sent=sent, done=done, outcome=outcome)
        for value, sent, done, outcome in steps
    ]


@pytest.mark.parametrize(
    ("ops", "ends"),
    [
        (register(), {False}),
        (register((True, 0, 1, "ok")), {True}),
        (register((True, 0, 1, "ok"), (False, 2, 3, "ok")), {False}),
        (register((True, 0, 2, "ok"), (False, 1, 3, "ok")), {True, False}),
        (register((True, 0, float("inf"), "unknown")), {True, False}),
        (register((True, 0, float("inf"), "unknown"), (False, 5, 6, "ok")), {True, False}),
        (register((True, 0, 1, "refused")), {False}),
    ],
)
def test_a_register_ends_as_some_order_leaves_it(ops, ends):
    assert possible_ends(ops) == ends


def test_a_late_unknown_unlike_explains_a_lost_like_and_an_answered_one_does_not():
    ops = register((True, 0, 1, "ok"), (False, 2, float("inf"), "unknown"))
    assert possible_ends(ops) == {True, False}
    assert checker.possible_ends(ops[:1]) == {True}
