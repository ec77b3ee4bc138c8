"""Likes, shares, what is not wanted, and reports: small deeds on a video."""

import msgspec

from actors import answers
from actors.cards import Card
from actors.events import VideoLiked, VideoShared
from actors.messages import LikeVideo, ListLikes, MarkNotInterested, ShareVideo, SubmitReport
from actors.rows import JournalRow, LikeRow, NotInterestedRow, ReportRow, ShareRow
from actors.taste import DISLIKE, LIKE, SHARE
from actors.turn import Turn
from actors.user.limits import spend
from actors.user.state import User
from sharding.errors import NotFound

#: For how long an answer about likes is repeated as it was, in milliseconds; by then the count has come.
_REPEAT_MS = 10_000
#: Answers that are remembered for it.
_ANSWERED = 64


def visible(user: User, turn: Turn, video_id: int) -> Card:
    """The card of a video that the user may see.

    Raises:
        NotFound: there is none, or either blocks the other.
    """
    card = user.world.library.cards.entries(turn, (video_id,)).get(video_id)
    if card is None or card.author_id in user.hidden(turn):
        raise NotFound()
    return card


def like_video(user: User, message: LikeVideo, turn: Turn) -> bytes:
    """Like a video, or no longer; the answer has the last known count with this change in it."""
    video_id, wanted = message.video_id, message.liked
    card = visible(user, turn, video_id)
    likes_it = video_id in user.likes_of(turn, (video_id,))
    likes = card.counts.likes
    if likes_it is wanted:
        said = user.answered.get(video_id)
        if said is not None and said[0] is wanted and turn.now_ms - said[2] < _REPEAT_MS:
            likes = said[1]
        return _liked(video_id, wanted, max(likes, int(wanted)))
    spend(user, turn, "likes", user.world.limits.likes_a_minute)
    liked = user.likes(turn)
    (liked.ids.add if wanted else liked.ids.discard)(video_id)
    turn.write(LikeRow(user_id=user.id, video_id=video_id, liked=wanted, at_ms=turn.now_ms))
    if wanted:
        turn.write(
            JournalRow(
                user_id=user.id, entry_id=user.world.mint.mint(), kind="like", video_id=video_id
            )
        )
        user.taste.note(card.tags, card.author_id, LIKE)
        turn.soft.add("taste")
    turn.tell(video_id, VideoLiked(user_id=user.id, liked=wanted))
    likes = max(0, likes + (1 if wanted else -1))
    user.answered[video_id] = (wanted, likes, turn.now_ms)
    while len(user.answered) > _ANSWERED:
        del user.answered[next(iter(user.answered))]
    user.forget_old_likes(liked)
    return _liked(video_id, wanted, likes)


def _liked(video_id: int, liked: bool, likes: int) -> bytes:
    return answers.to_json(answers.Liked(video_id=str(video_id), liked=liked, likes=likes))


def share_video(user: User, message: ShareVideo, turn: Turn) -> bytes:
    """Note a share; every one counts."""
    card = visible(user, turn, message.video_id)
    spend(user, turn, "shares", user.world.limits.shares_a_minute)
    share_id = user.world.mint.mint()
    turn.write(
        ShareRow(
            user_id=user.id,
            share_id=share_id,
            video_id=message.video_id,
            channel=message.channel,
        ),
        JournalRow(user_id=user.id, entry_id=share_id, kind="share", video_id=message.video_id),
    )
    turn.tell(message.video_id, VideoShared(user_id=user.id))
    user.taste.note(card.tags, card.author_id, SHARE)
    turn.soft.add("taste")
    return answers.to_json(
        answers.Shared(video_id=str(message.video_id), shares=card.counts.shares + 1)
    )


def not_interested(user: User, message: MarkNotInterested, turn: Turn) -> bytes:
    """Never show a video again, and others like it less."""
    card = visible(user, turn, message.video_id)
    unwanted = user.unwanted(turn)
    if message.video_id not in unwanted:
        spend(user, turn, "edits", user.world.limits.edits_a_minute)
        unwanted.add(message.video_id)
        turn.write(NotInterestedRow(user_id=user.id, video_id=message.video_id))
        user.taste.note(card.tags, card.author_id, DISLIKE)
        turn.soft.add("taste")
    return b"{}"


def submit_report(user: User, message: SubmitReport, turn: Turn) -> bytes:
    """Store a report for review."""
    if message.target_kind == "video":
        visible(user, turn, message.target_id)
    elif message.target_kind == "user":
        person = (message.target_id,)
        if not user.world.library.profiles.entries(turn, person):
            raise NotFound()
    spend(user, turn, "reports", user.world.limits.reports_a_minute)
    turn.write(
        ReportRow(
            user_id=user.id,
            report_id=user.world.mint.mint(),
            **msgspec.structs.asdict(message),
        )
    )
    return b"{}"


def list_likes(user: User, message: ListLikes, turn: Turn) -> bytes:
    """The videos that one likes and may still see, newest like first."""
    before: tuple[int, int] | None = None
    if message.cursor is not None:
        at_ms, video_id = user.world.cursors.open(user.id, "likes", message.cursor, 2)
        before = (at_ms, video_id)
    rows = turn.fetched(
        "page",
        lambda: user.world.deeds.likes(user.id, before=before, limit=message.limit + 1),
    )
    more, rows = len(rows) > message.limit, rows[: message.limit]
    token = None
    if more:
        token = user.world.cursors.sign(user.id, "likes", (rows[-1].at_ms, rows[-1].video_id))
    return videos_page(user, turn, [row.video_id for row in rows], token)


def videos_page(user: User, turn: Turn, video_ids: list[int], token: str | None) -> bytes:
    """A list of videos outside of feeds, as finished JSON."""
    cards = user.world.library.cards.entries(turn, video_ids)
    hidden = user.hidden(turn)
    shown = [cards[each] for each in video_ids if each in cards]
    liked = user.likes_of(turn, tuple(card.video_id for card in shown))
    items = [
        video_json(user, turn, card, card.video_id in liked)
        for card in shown
        if card.author_id not in hidden
    ]
    tail = f'"{token}"' if token else "null"
    return b'{"items":[' + b",".join(items) + f'],"next_cursor":{tail}}}'.encode()


def video_json(user: User, turn: Turn, card: Card, liked: bool) -> bytes:
    """One video as its viewer sees it."""
    return card.video(
        answers.VideoViewer(
            liked=liked,
            own=card.author_id == user.id,
            follow="following" if card.author_id in user.known_following(turn) else "none",
            can_comment=True,
        ),
        turn.now_ms,
    )
