"""Views: what was watched, counted once, learned from, and not shown again.

A view is named by its client and counted once in a day, over HTTP and websocket together. Names are kept as
64-bit fingerprints, the last some thousand of them: a bound, and a chance of one in 10^16 to miss a view.
"""

from hashlib import blake2b

from actors import answers
from actors.cards import Card
from actors.events import VideoViewed
from actors.messages import GetVideo, GetVideos, ReportViews
from actors.taste import weight_of_view
from actors.turn import Turn
from actors.user.feed import mark_seen
from actors.user.likes import video_json, visible
from actors.user.limits import spend
from actors.user.state import User, dump


def report_views(user: User, message: ReportViews, turn: Turn) -> bytes:
    """Count each usable view once; the batch never fails for one of them."""
    cards = user.world.library.cards.entries(turn, [view.video_id for view in message.views])
    hidden = user.hidden(turn)
    spend(user, turn, "views", user.world.limits.view_batches_a_minute)
    known = set(user.viewed)
    counted: dict[int, int] = {}
    dropped = message.unusable
    for view in message.views:
        card = cards.get(view.video_id)
        if card is None or card.author_id in hidden or view.watched_ms < 0:
            dropped += 1
            continue
        mark = _fingerprint(view.view_id)
        if mark in known:
            continue
        known.add(mark)
        user.viewed.append(mark)
        counted[view.video_id] = counted.get(view.video_id, 0) + 1
        weight = weight_of_view(view.watched_ms, view.completed, card.duration_s)
        user.taste.note(card.tags, card.author_id, weight)
        mark_seen(user, view.video_id)
    if counted:
        excess = len(user.viewed) - user.world.feed.view_fingerprints
        if excess > 0:
            del user.viewed[:excess]
        turn.put("views", dump(user, "views"))
        turn.soft.update(("taste", "seen", "playlist"))
        for video_id, views in counted.items():
            turn.tell(video_id, VideoViewed(views=views))
    accepted = len(message.views) + message.unusable - dropped
    return answers.to_json(answers.ViewsAccepted(accepted=accepted, dropped=dropped))


def get_video(user: User, message: GetVideo, turn: Turn) -> bytes:
    """One video."""
    card = visible(user, turn, message.video_id)
    liked = user.likes_of(turn, (message.video_id,))
    return video_json(user, turn, card, message.video_id in liked)


def get_videos(user: User, message: GetVideos, turn: Turn) -> bytes:
    """Several videos, and which of them are not there."""
    cards = user.world.library.cards.entries(turn, message.video_ids)
    hidden = user.hidden(turn)
    shown: dict[int, Card] = {
        video_id: card for video_id, card in cards.items() if card.author_id not in hidden
    }
    liked = user.likes_of(turn, tuple(shown))
    items = [
        video_json(user, turn, shown[each], each in liked)
        for each in message.video_ids
        if each in shown
    ]
    missing = [str(each) for each in message.video_ids if each not in shown]
    tail = answers.to_json([*missing, *message.unknown])
    return b'{"items":[' + b",".join(items) + b'],"missing":' + tail + b"}"


def _fingerprint(view_id: str) -> int:
    return int.from_bytes(blake2b(view_id.encode(), digest_size=8).digest(), "big")
