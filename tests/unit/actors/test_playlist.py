"""The pieces of a feed: playlists, cards and hashtags."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors import answers
from actors.cards import Card, tags_of
from actors.events import Counted
from actors.media_links import MediaLinks
from actors.records import Profile, VideoRecord
from actors.rows import CountsRow
from actors.user.playlist import Playlist
from tests.contracts import make
from tests.unit.actors.stage import encoded

SOURCES = ["following", "trending", "fresh", "affinity", "again"]
NOW = 1_800_000_000_000


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.integers(1, 2**63 - 1), st.sampled_from(SOURCES)), max_size=30),
    st.sets(st.integers(1, 2**63 - 1), max_size=5),
    st.integers(0, 30),
)
def test_a_playlist_is_stored_and_read_as_it_was(entries, viewed, followed):
    playlist = Playlist(7, 1_234)
    for video_id, source in entries:
        playlist.extend(video_id, source)
    playlist.viewed, playlist.followed = viewed, followed
    again = Playlist.decode(playlist.encode())
    assert [again.source(at) for at in range(len(again))] == [source for _, source in entries]
    assert list(again.ids) == [video_id for video_id, _ in entries]
    assert (again.generation, again.filled_ms, again.followed) == (7, 1_234, followed)
    assert again.viewed == viewed


def test_without_a_playlist_there_is_an_empty_one_of_no_generation():
    assert (Playlist.decode(None).generation, len(Playlist.decode(None))) == (0, 0)


def test_a_playlist_knows_whether_it_repeats():
    playlist = Playlist(1)
    assert not playlist.again
    playlist.extend(5, "again")
    assert playlist.again


@pytest.mark.parametrize(
    ("caption", "tags"),
    [
        ("", ()),
        ("no tags", ()),
        ("#Cats and #dogs, #CATS!", ("cats", "dogs")),
        ("# ## #.", ()),
        ("mid#word", ()),
        ("#Straße #ÇA", ("strasse", "ça")),
        (" ".join(f"#t{n}" for n in range(20)), tuple(f"t{n}" for n in range(8))),
        ("#" + "x" * 300, ("x" * 40,)),
    ],
)
def test_hashtags_are_words_in_lower_case_each_once_and_few(caption, tags):
    assert tags_of(caption) == tags


@pytest.fixture
def card():
    record = VideoRecord(
        video=make.video(7, 1, caption='say "hi" #cats'),
        media=make.media_row(7, 1, published_ms=NOW, media=encoded()),
        counts=CountsRow(entity_id=7, likes=3),
    )
    author = Profile(user=make.user(1), counts=CountsRow(entity_id=1))
    return Card(record, author, MediaLinks("https://m", b"k" * 32), "https://kinora.example")


def shown(card, now_ms=NOW, **viewer):
    fields = {"liked": False, "own": False, "follow": "none", "can_comment": True, **viewer}
    data = card.video(answers.VideoViewer(**fields), now_ms)
    return msgspec.json.decode(data, type=answers.Video, strict=True)


def test_a_card_is_encoded_once_an_hour(card):
    assert card.body(NOW) is card.body(NOW + 1)
    assert card.body(NOW) is not card.body(NOW + 3_600_000)


@pytest.mark.parametrize("liked", [True, False])
@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("follow", ["none", "following"])
def test_a_card_says_what_its_viewer_did(card, liked, own, follow):
    viewer = shown(card, liked=liked, own=own, follow=follow).viewer
    assert (viewer.liked, viewer.own, viewer.follow) == (liked, own, follow)


def test_new_counts_are_on_the_next_page(card):
    assert shown(card).counts.likes == 3
    card.count(Counted(video_id=7, likes=4, comments=1, shares=2, views=9))
    assert shown(card).counts == answers.VideoCounts(likes=4, comments=1, shares=2, views=9)


def test_another_caption_makes_another_card(card):
    card.count(Counted(video_id=7, likes=9, comments=0, shares=0, views=0))
    other = card.captioned("new")
    assert (shown(other).caption, shown(card).caption) == ("new", 'say "hi" #cats')
    assert shown(other).counts == shown(card).counts


def test_times_are_written_with_milliseconds_in_utc():
    assert answers.at(0) == "1970-01-01T00:00:00.000Z"
    assert answers.at(NOW + 7) == "2027-01-15T08:00:00.007Z"
