"""Choosing: everybody gets a full page, no author fills it, and taste moves what comes first."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.events import Counted
from actors.ranking import LOOK_AHEAD, ROW, SAME_AUTHOR, ShelfRanker, Viewer
from actors.shelf import HALF_LIFE_H, Shelf, Shelved
from actors.taste import DISLIKE, LIKE, LONG_VIEW, REMEMBERED, SKIP, Taste, weight_of_view

ME = 999
HOUR_MS = 3_600_000


def shelved(video_id, author_id=1, tags=(), published_ms=None):
    return Shelved(
        video_id=video_id,
        author_id=author_id,
        published_ms=video_id if published_ms is None else published_ms,
        tags=tags,
        heated_ms=0,
    )


def shelf_of(authors, capacity=10_000):
    """One video of each of these authors, in this order."""
    shelf = Shelf(capacity)
    for number, author in enumerate(authors, start=1):
        shelf.add(shelved(number, author))
    return shelf


def choose(shelf, count=50, seen=(), hidden=(), taste=None, now_ms=0):
    viewer = Viewer(user_id=ME, taste=taste or Taste(), hidden=hidden)
    return ShelfRanker(shelf).choose(viewer, seen, count, now_ms)


authors = st.lists(st.integers(1, 8), min_size=0, max_size=60)


@settings(max_examples=60, deadline=None)
@given(authors, st.integers(1, 40), st.sets(st.integers(1, 60)), st.sets(st.integers(1, 8)))
def test_everything_that_may_be_chosen_is_until_there_is_enough(whose, count, seen, hidden):
    chosen = [each.video_id for each in choose(shelf_of(whose), count, seen, hidden)]
    possible = {
        number
        for number, author in enumerate(whose, start=1)
        if number not in seen and author not in hidden
    }
    assert len(chosen) == len(set(chosen)) == min(count, len(possible))
    assert set(chosen) <= possible


@settings(max_examples=60, deadline=None)
@given(authors)
def test_no_author_has_three_of_ten_while_others_are_left(whose):
    shelf = shelf_of(whose)
    order = [shelf.get(each.video_id).author_id for each in choose(shelf, 60)]
    for at in range(len(order)):
        recent = Counter(order[max(0, at - ROW + 1) : at])
        if recent[order[at]] >= SAME_AUTHOR:
            left = set(order[at:][:LOOK_AHEAD])
            assert all(recent[author] >= SAME_AUTHOR for author in left)


@pytest.mark.parametrize("others", [5, 6, 20])
def test_with_five_authors_no_page_of_ten_has_three_of_one(others):
    shelf = shelf_of([n % others for n in range(200)])
    order = [shelf.get(each.video_id).author_id for each in choose(shelf, 100)]
    for at in range(0, 100, 10):
        assert max(Counter(order[at : at + 10]).values()) <= 2


def test_ones_own_come_when_nothing_else_is_left():
    order = choose(shelf_of([ME, ME, ME, 1, 2, 1, 1, 1]))
    own = [each.video_id <= 3 for each in order]
    assert own == [False] * 5 + [True] * 3


def test_taste_is_mixed_in_and_said():
    shelf = Shelf(1_000)
    for number in range(1, 101):
        shelf.add(shelved(number, number, ("cats",) if number % 10 == 0 else ("dogs",)))
    taste = Taste()
    taste.note(("cats",), 12_345, LIKE)
    page = choose(shelf, 10, taste=taste)
    affine = [each.video_id for each in page if each.source == "affinity"]
    assert len(affine) >= 3
    assert all(each % 10 == 0 for each in affine)
    assert {each.source for each in page} == {"affinity", "trending", "fresh"}
    assert {each.source for each in choose(shelf, 10)} == {"trending", "fresh"}


def test_what_is_hot_comes_first_and_cools():
    shelf = shelf_of(range(1, 101))
    shelf.count(Counted(video_id=7, likes=10, comments=0, shares=0, views=0), HOUR_MS)
    assert shelf.trending(HOUR_MS)[0] == 7
    video = shelf.get(7)
    assert video.heat_at(HOUR_MS * (1 + int(HALF_LIFE_H))) == pytest.approx(video.heat / 2)


def test_the_same_counts_again_warm_nothing():
    shelf = shelf_of([1])
    counted = Counted(video_id=1, likes=3, comments=1, shares=1, views=9)
    shelf.count(counted, 0)
    heat = shelf.get(1).heat
    shelf.count(counted, 0)
    assert shelf.get(1).heat == heat > 0


def test_a_lower_count_cools_nothing_below_zero():
    shelf = shelf_of([1])
    shelf.count(Counted(video_id=1, likes=3, comments=0, shares=0, views=0), 0)
    shelf.count(Counted(video_id=1, likes=0, comments=0, shares=0, views=0), 0)
    assert shelf.get(1).heat == 12


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 12), st.integers(1, 30)), max_size=40),
    st.integers(1, 6),
)
def test_a_shelf_holds_the_newest_and_finds_them_by_time_author_and_tag(steps, capacity):
    shelf, model = Shelf(capacity), {}
    for add, video_id, published_ms in steps:
        if add and video_id not in model:
            model[video_id] = published_ms
            shelf.add(shelved(video_id, video_id % 3, (f"t{video_id % 2}",), published_ms))
            if len(model) > capacity:
                del model[min(model, key=lambda each: (model[each], each))]
        elif not add:
            model.pop(video_id, None)
            shelf.remove(video_id)
    newest = sorted(model, key=lambda each: (model[each], each), reverse=True)
    assert list(shelf.fresh()) == newest
    assert len(shelf) == len(model)
    for author in range(3):
        assert set(shelf.by(author)) == {each for each in model if each % 3 == author}
    for tag in range(2):
        assert set(shelf.tagged(f"t{tag}")) == {each for each in model if each % 2 == tag}


def test_taste_remembers_the_strongest_and_fades():
    taste = Taste()
    taste.note(("cats",), 1, LIKE)
    first = taste.tags["cats"]
    for number in range(REMEMBERED * 2):
        taste.note((f"t{number}",), 100 + number, LONG_VIEW)
    assert len(taste.tags) == len(taste.authors) == REMEMBERED
    taste.note(("cats",), 1, SKIP)
    assert taste.tags.get("cats", 0) < first


def test_what_is_refused_does_not_lead():
    taste = Taste()
    taste.note(("cats",), 1, LIKE)
    taste.note(("dogs",), 2, DISLIKE)
    assert taste.leading_tags(8) == ["cats"]
    assert taste.leading_authors(8) == [1]


@pytest.mark.parametrize(
    ("watched_ms", "completed", "weight"),
    [(0, False, SKIP), (1_999, False, SKIP), (2_000, False, 0.0), (8_000, False, LONG_VIEW),
     (100, True, LONG_VIEW)],
)  # fmt: skip
def test_a_view_says_so_much(watched_ms, completed, weight):
    assert weight_of_view(watched_ms, completed, 10.0) == weight


def test_a_clip_shorter_than_a_skip_can_be_watched_to_its_end():
    assert weight_of_view(900, False, 1.0) == LONG_VIEW
