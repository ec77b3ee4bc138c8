"""What every `VideoFacts` promises (actors/ports/facts.py)."""

from __future__ import annotations

from actors.rows import CommentRemovalRow, CountsRow, ShareRow
from tests.contracts.make import comment, like, media_row, playing, stamped, video


def ids(found):
    return [getattr(each, "video_id", None) or each.video.video_id for each in found]


async def test_videos_are_found_in_whatever_status(facts):
    await facts.writer.write(
        stamped(
            *playing(1),
            video(2),
            video(3, removed=True),
            media_row(3, status="deleted"),
            CountsRow(entity_id=1, likes=5),
        )
    )
    records = {r.video.video_id: r for r in await facts.videos.videos([4, 3, 2, 1])}
    assert sorted(records) == [1, 2, 3]
    assert records[2].media is None
    assert (records[1].counts.likes, records[2].counts) == (5, CountsRow(entity_id=2))
    assert [records[n].plays for n in (1, 2, 3)] == [True, False, False]
    assert list(await facts.videos.videos([])) == []


async def test_videos_by_authors_are_one_list_newest_first(facts):
    await facts.writer.write(
        stamped(
            *playing(1, author_id=1, published_ms=10),
            *playing(2, author_id=2, published_ms=20),
            *playing(3, author_id=1, published_ms=20),
            *playing(4, author_id=3, published_ms=30),
            *playing(5, author_id=2, published_ms=40),
        )
    )
    page = await facts.videos.by_authors([1, 2], before=None, limit=2)
    assert ids(page) == [5, 3]
    assert (page[1].published_ms, page[1].author_id) == (20, 1)
    assert ids(await facts.videos.by_authors([1, 2], before=(20, 3), limit=9)) == [2, 1]
    assert list(await facts.videos.by_authors([], before=None, limit=9)) == []


async def test_lists_of_publications_hold_only_what_plays(facts):
    await facts.writer.write(
        stamped(
            *playing(1),
            video(2),
            video(3, removed=True),
            media_row(3),
            *playing(4, status="blocked"),
            *playing(5),
        )
    )
    assert ids(await facts.videos.by_authors([1], before=None, limit=9)) == [5, 1]
    assert ids(await facts.videos.recent(9)) == [5, 1]
    assert ids(await facts.videos.recent(1)) == [5]


async def test_what_stopped_playing_is_in_no_list(facts):
    await facts.writer.write(stamped(*playing(1), *playing(2), *playing(3), *playing(4)))
    await facts.writer.write(
        stamped(
            media_row(2, status="blocked"), video(3, removed=True), media_row(4, published_ms=9)
        )
    )
    assert [(each.published_ms, each.video_id) for each in await facts.videos.recent(9)] == [
        (9, 4),
        (1, 1),
    ]
    assert ids(await facts.videos.by_authors([1], before=None, limit=9)) == [4, 1]


async def test_recent_goes_back_over_days_without_any(facts, clock):
    day_ms = 86_400_000
    published = {n: clock.unix_ms() - n * 90 * day_ms for n in (1, 2, 3)}
    await facts.writer.write(
        stamped(*(row for n, at in published.items() for row in playing(n, published_ms=at)))
    )
    assert ids(await facts.videos.recent(9)) == [1, 2, 3]
    assert ids(await facts.videos.recent(9, before=(published[1], 1))) == [2, 3]


async def test_long_lists_are_whole(facts):
    numbers = range(1, 30)
    await facts.writer.write(
        stamped(*(row for n in numbers for row in playing(n, author_id=1 + n % 4)))
    )
    newest = list(numbers)[::-1]
    assert ids(await facts.videos.by_authors([1, 2, 3, 4], before=None, limit=20)) == newest[:20]
    assert ids(await facts.videos.recent(20)) == newest[:20]
    assert sorted(ids(await facts.videos.videos([*numbers, 99]))) == list(numbers)
    assert ids(await facts.videos.every_video(0, 20)) == list(numbers)[:20]


async def test_unfinished_uploads_are_those_that_neither_play_nor_were_removed(facts):
    await facts.writer.write(
        stamped(
            *playing(1),
            video(2),
            *playing(3, status="failed"),
            video(4, removed=True),
            *playing(5, status="deleted"),
            *playing(6, status="processing"),
            video(7, author_id=2),
        )
    )
    assert ids(await facts.videos.unfinished(1, before=None, limit=2)) == [6, 3]
    assert ids(await facts.videos.unfinished(1, before=3, limit=9)) == [2]


async def test_uploads_count_towards_the_day_even_when_removed(facts):
    await facts.writer.write(
        stamped(
            video(1, created_ms=99),
            video(2, created_ms=100),
            video(3, created_ms=101, removed=True),
            video(4, author_id=2, created_ms=101),
        )
    )
    assert await facts.videos.uploads_since(1, 100) == 2


async def test_a_tally_counts_likes_shares_and_visible_comments(facts):
    await facts.writer.write(
        stamped(
            like(1, 1),
            like(2, 1),
            like(3, 1, liked=False),
            like(1, 2),
            ShareRow(user_id=1, share_id=1, video_id=1, channel=None),
            ShareRow(user_id=1, share_id=2, video_id=1, channel="link"),
            comment(10),
            comment(11, parent_id=10),
            comment(12, parent_id=10, removed=True),
            comment(13),
            comment(14, parent_id=13),
            comment(15, parent_id=14),
            CommentRemovalRow(video_id=1, comment_id=13, user_id=1),
            comment(20, video_id=2),
        )
    )
    tally = await facts.videos.tally(1)
    assert (tally.likes, tally.comments, tally.shares) == (2, 2, 2)


async def test_a_sweep_over_videos_goes_upwards_and_leaves_nothing_out(facts):
    await facts.writer.write(stamped(video(3), video(1, removed=True), *playing(2)))
    assert ids(await facts.videos.every_video(0, 2)) == [1, 2]
    assert ids(await facts.videos.every_video(2, 9)) == [3]
