"""Notifications: what others did to the user, grouped, numbered with the websocket's events.

Things of one kind about one video are one notification that grows; growing raises its number, so that it
comes to the top and counts as unread again. Rows are facts; the numbering is the user's own.
"""

from actors import answers
from actors.cards import author_answer
from actors.events import CommentNoticed, LikeNoticed, UserFollowed
from actors.messages import ListNotifications, ReadNotifications
from actors.records import CommentRecord
from actors.rows import CommentRow, NotificationRow
from actors.turn import Turn
from actors.user import sockets
from actors.user.comments import shapes
from actors.user.state import User, dump

_DAY_MS = 86_400_000
#: An event about a video's likes goes out at most this often, in milliseconds (API.md: one a second).
LIKES_EVERY_MS = 1_000
#: Actors that a notification names.
_NAMED = 3
#: Groups that an actor holds in memory, far more than can be on their way at a time.
_HELD = 64
#: Notifications that are looked at for counting the unread ones.
_UNREAD_LOOK = 200


def like_noticed(user: User, event: LikeNoticed, turn: Turn) -> None:
    """Someone likes, or no longer likes, a video of the user."""
    if not event.liked:
        user.count(turn, likes_received=-1)
        return
    group = f"like:{event.video_id}"
    earlier = _earlier(user, turn, group)
    hidden = user.hidden(turn)
    # The event about it names who liked, and is made where nothing can be fetched.
    user.world.library.profiles.entries(turn, (event.user_id,))
    user.count(turn, likes_received=1)
    if event.user_id == user.id or event.user_id in hidden:
        return
    _note(user, turn, group, "like", event.user_id, earlier, count=event.likes,
          video_id=event.video_id)  # fmt: skip
    user.marks.pending[event.video_id] = (event.likes, event.user_id)
    turn.put("marks", dump(user, "marks"))


def likes_due(user: User, turn: Turn) -> None:
    """Let out the events about likes that were held back to be one a second."""
    profiles = user.world.library.profiles
    for video_id, (likes, liker) in list(user.marks.pending.items()):
        if turn.now_ms - user.sent_likes.get(video_id, 0) < LIKES_EVERY_MS:
            continue
        del user.marks.pending[video_id]
        user.sent_likes[video_id] = turn.now_ms
        profile = profiles.get(liker)
        links = user.world.links
        actor = (
            author_answer(profile.user, links, links.expiry_ms(turn.now_ms)) if profile else None
        )
        sockets.announce(
            user,
            turn,
            "video.liked",
            {"video_id": str(video_id), "likes": likes, "actor": actor},
        )
    for video_id, sent in list(user.sent_likes.items()):
        if turn.now_ms - sent >= LIKES_EVERY_MS:
            del user.sent_likes[video_id]


def comment_noticed(user: User, event: CommentNoticed, turn: Turn) -> None:
    """Someone wrote under a video of the user, or answered them."""
    if event.user_id == user.id or event.user_id in user.hidden(turn):
        return
    row = CommentRow(
        video_id=event.video_id,
        comment_id=event.comment_id,
        user_id=event.user_id,
        parent_id=event.parent_id,
        text=event.text,
    )
    shown = shapes(user, turn, (CommentRecord(comment=row, likes=0, replies=0),))
    _note(user, turn, f"comment:{event.comment_id}", "comment", event.user_id, None, count=1,
          video_id=event.video_id, comment_id=event.comment_id)  # fmt: skip
    if shown:
        sockets.announce(user, turn, "comment.created", shown[0])


def followed(user: User, event: UserFollowed, turn: Turn) -> None:
    """Someone follows the user, or no longer."""
    if not event.following:
        user.count(turn, followers=-1)
        return
    group = f"follow:{turn.now_ms // _DAY_MS}"
    earlier = _earlier(user, turn, group)
    profile = user.world.library.profiles.entries(turn, (event.follower_id,)).get(event.follower_id)
    user.count(turn, followers=1)
    count = (earlier.actor_count if earlier else 0) + 1
    _note(user, turn, group, "follow", event.follower_id, earlier, count=count)
    if profile is not None:
        links = user.world.links
        actor = author_answer(profile.user, links, links.expiry_ms(turn.now_ms))
        sockets.announce(user, turn, "user.followed", {"actor": actor})


def _earlier(user: User, turn: Turn, group: str) -> NotificationRow | None:
    # The last one of the group may be on its way still, and not to be read yet.
    return user.noted.get(group) or turn.fetched(
        ("notification", group), lambda: user.world.deeds.notification(user.id, group)
    )


def _note(
    user: User,
    turn: Turn,
    group: str,
    kind: str,
    actor: int,
    earlier: NotificationRow | None,
    *,
    count: int,
    video_id: int | None = None,
    comment_id: int | None = None,
) -> None:
    named = dict.fromkeys((actor, *(earlier.actor_ids if earlier else ())))
    row = NotificationRow(
        user_id=user.id,
        group=group,
        seq=sockets.next_seq(user, turn),
        kind=kind,
        at_ms=turn.now_ms,
        actor_ids=tuple(named)[:_NAMED],
        actor_count=max(count, len(tuple(named)[:_NAMED])),
        video_id=video_id,
        comment_id=comment_id,
    )
    turn.write(row)
    user.noted.pop(group, None)
    user.noted[group] = row
    while len(user.noted) > _HELD:
        del user.noted[next(iter(user.noted))]
    turn.put("marks", dump(user, "marks"))


def list_notifications(user: User, message: ListNotifications, turn: Turn) -> bytes:
    """What others did to the user, newest first, and how much of it is unread."""
    before = None
    if message.cursor is not None:
        (before,) = user.world.cursors.open(user.id, "notifications", message.cursor, 1)
    rows = turn.fetched(
        "page",
        lambda: user.world.deeds.notifications(user.id, before=before, limit=message.limit + 1),
    )
    newest = turn.fetched(
        "unread",
        lambda: user.world.deeds.notifications(user.id, before=None, limit=_UNREAD_LOOK),
    )
    more, rows = len(rows) > message.limit, rows[: message.limit]
    token = None
    if more:
        token = user.world.cursors.sign(user.id, "notifications", (rows[-1].seq,))
    profiles = user.world.library.profiles.entries(
        turn, [actor for row in rows for actor in row.actor_ids]
    )
    hidden = user.hidden(turn)
    links = user.world.links
    expires_ms = links.expiry_ms(turn.now_ms)
    items = tuple(
        answers.Notification(
            id=row.group,
            seq=row.seq,
            type=row.kind,
            at=answers.at(row.at_ms),
            actors=tuple(
                author_answer(profiles[actor].user, links, expires_ms)
                for actor in row.actor_ids
                if actor in profiles and actor not in hidden
            ),
            actor_count=row.actor_count,
            read=row.seq <= user.marks.read_seq,
            video_id=str(row.video_id) if row.video_id else None,
            comment_id=str(row.comment_id) if row.comment_id else None,
        )
        for row in rows
    )
    unread = sum(row.seq > user.marks.read_seq for row in newest)
    return answers.to_json(answers.Notifications(items=items, next_cursor=token, unread=unread))


def read_notifications(user: User, message: ReadNotifications, turn: Turn) -> bytes:
    """Everything up to a number was read; a lower one than before changes nothing."""
    up_to = min(message.up_to_seq, user.marks.seq)
    if up_to > user.marks.read_seq:
        user.marks.read_seq = up_to
        turn.put("marks", dump(user, "marks"))
    return b"{}"
