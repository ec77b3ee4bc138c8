"""What is left of a closed account goes in steps, each one turn, until nothing is left.

A step tells the actor itself to go on, through the outbox: it survives a crash like any other event, and a
step that runs twice finds nothing more to do.
"""

from actors.events import AccountClosed, CommentRemoved, UserLeft, VideoLiked
from actors.rows import CommentRow, LikeRow
from actors.turn import Turn
from actors.user.people import unfollow
from actors.user.state import User
from actors.user.uploads import remove

#: Things that one step removes at most.
STEP = 50


def go_on(user: User, event: AccountClosed, turn: Turn) -> None:
    """Remove some of what is left, and say where to go on."""
    steps = (_videos, _likes, _comments, _following, _followers)
    if event.stage < len(steps):
        more = steps[event.stage](user, event, turn)
        turn.tell(user.id, more or AccountClosed(stage=event.stage + 1))


def _videos(user: User, event: AccountClosed, turn: Turn) -> AccountClosed | None:
    shown = turn.fetched(
        "shown",
        lambda: user.world.videos.by_authors((user.id,), before=event.before, limit=STEP),
    )
    records = turn.fetched(
        "records", lambda: user.world.videos.videos([each.video_id for each in shown])
    )
    waiting = turn.fetched(
        "waiting", lambda: user.world.videos.unfinished(user.id, before=None, limit=STEP)
    )
    for record in (*records, *waiting):
        if not record.video.removed:
            remove(turn, record.video)
    if len(shown) == STEP:
        return AccountClosed(stage=0, before=(shown[-1].published_ms, shown[-1].video_id))
    return AccountClosed(stage=0) if len(waiting) == STEP else None


def _likes(user: User, event: AccountClosed, turn: Turn) -> AccountClosed | None:
    rows = turn.fetched(
        "likes", lambda: user.world.deeds.likes(user.id, before=event.before, limit=STEP)
    )
    user.liked = None
    for row in rows:
        turn.write(LikeRow(user_id=user.id, video_id=row.video_id, liked=False, at_ms=turn.now_ms))
        turn.tell(row.video_id, VideoLiked(user_id=user.id, liked=False))
    if len(rows) < STEP:
        return None
    return AccountClosed(stage=event.stage, before=(rows[-1].at_ms, rows[-1].video_id))


def _comments(user: User, event: AccountClosed, turn: Turn) -> AccountClosed | None:
    rows = turn.fetched("comments", lambda: user.world.deeds.comments_of(user.id, STEP))
    for row in rows:
        turn.write(
            CommentRow(
                video_id=row.video_id,
                comment_id=row.comment_id,
                user_id=user.id,
                parent_id=row.parent_id,
                text="",
                removed=True,
            )
        )
        turn.tell(row.video_id, CommentRemoved(comment_id=row.comment_id, lost=1))
    return AccountClosed(stage=event.stage) if len(rows) == STEP else None


def _following(user: User, event: AccountClosed, turn: Turn) -> AccountClosed | None:
    for other in sorted(user.known_following(turn))[:STEP]:
        unfollow(user, turn, other)
    return AccountClosed(stage=event.stage) if user.following else None


def _followers(user: User, event: AccountClosed, turn: Turn) -> AccountClosed | None:
    rows = turn.fetched(
        "followers",
        lambda: user.world.people.follows(
            user.id, direction="followers", before=event.before, limit=STEP
        ),
    )
    for row in rows:
        # One each: to unfollow, a follower has to fetch, which those told together could not do alone.
        turn.tell(row.follower_id, UserLeft(user_id=user.id))
    if len(rows) < STEP:
        return None
    return AccountClosed(stage=event.stage, before=(rows[-1].at_ms, rows[-1].follower_id))
