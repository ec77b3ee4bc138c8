"""The following feed: everything that those whom one follows published, newest first, and nothing missing.

The inbox holds the newest of it. It is a cache of facts: read from them when the user first asks, kept up
by `VideoArrived` while the actor is awake, thrown away whenever it could be wrong. Below its end, and for
authors with too many followers to push to, pages are pulled from facts. Who is followed and what is visible
is checked when a page is cut, so an unfollow, a block or a removal shows at once.
"""

from bisect import insort

from actors.answers import ReasonSource
from actors.cards import Card
from actors.events import VideoArrived
from actors.messages import GetFeed
from actors.turn import Turn
from actors.user import feed, sockets
from actors.user.state import User

_NAME = "following"
#: Above every place in time.
_TOP = (1 << 62, 1 << 62)
#: Arrivals that are kept while the inbox is being read.
_EARLY = 64


def page(user: User, message: GetFeed, turn: Turn) -> bytes:
    """A page of the following feed."""
    before = _TOP
    if message.cursor is not None:
        published_ms, video_id = user.world.cursors.open(user.id, _NAME, message.cursor, 2)
        before = (published_ms, video_id)
    follows = user.known_following(turn)
    hidden = user.hidden(turn)
    key = (0, *before)
    shown = user.pages.get(key) if message.cursor is not None else None
    limit = message.limit
    items: list[tuple[Card, ReasonSource]] = []
    if shown is not None:
        cards = user.world.library.cards.entries(turn, shown[:-2])
        chosen = [cards[each] for each in shown[:-2] if each in cards]
        end = (shown[-2], shown[-1])
    else:
        chosen, end = _cut(user, turn, follows, before, limit)
    items = [
        (card, "following")
        for card in chosen
        if card.author_id in follows and card.author_id not in hidden
    ]
    user.likes_of(turn, tuple(card.video_id for card, _ in items))
    if shown is None and message.cursor is not None:
        feed.remember(user, key, (*(card.video_id for card in chosen), *end), turn)
    token = user.world.cursors.sign(user.id, _NAME, end) if end > (0, 0) else None
    # A new chain starts at the top, which is another place every time.
    place = before if message.cursor is not None else (turn.now_ms, 0)
    request = feed.req_id(user, 1, *place)
    return feed.glue(user, items, token, request, turn.now_ms)


def _cut(
    user: User, turn: Turn, follows: set[int], before: tuple[int, int], limit: int
) -> tuple[list[Card], tuple[int, int]]:
    """Visible cards below `before`, and the place of the last that was looked at; (0, 0) at the end."""
    chosen: list[Card] = []
    place = before
    while len(chosen) < limit:
        entries, last = _below(user, turn, follows, place, limit)
        cards = user.world.library.cards.entries(turn, [video_id for _, video_id in entries])
        for entry in entries:
            if len(chosen) == limit:
                return chosen, place
            place = entry
            card = cards.get(entry[1])
            if card is not None and card.author_id in follows:
                chosen.append(card)
        if last:
            return chosen, (0, 0)
    return chosen, place


def _below(
    user: User, turn: Turn, follows: set[int], before: tuple[int, int], limit: int
) -> tuple[list[tuple[int, int]], bool]:
    """The next places below `before`, newest first, and whether there are no more after them."""
    authors = tuple(sorted(follows))
    if not authors:
        return [], True
    inbox = _inbox(user, turn, authors)
    bound = user.world.feed.inbox
    whole = len(inbox) < bound
    found = [entry for entry in inbox if entry < before]
    loud = tuple(author for author in authors if author in user.world.library.loud)
    if loud:
        pulled = turn.fetched(
            ("loud", before),
            lambda: user.world.videos.by_authors(loud, before=before, limit=bound),
        )
        places = {(each.published_ms, each.video_id) for each in pulled}
        # Below the end of a full inbox there may be videos of others that only the facts know.
        merged = set(found) | {each for each in places if whole or each >= inbox[-1]}
        found = sorted(merged, reverse=True)
    if found and (whole or len(found) > limit):
        # The last places of a full inbox are left to the facts, which know what lies below.
        return (found, True) if whole else (found[:limit], False)
    if whole and not found:
        return [], True
    pulled = turn.fetched(
        ("below", before),
        lambda: user.world.videos.by_authors(authors, before=before, limit=limit * 2),
    )
    return [(each.published_ms, each.video_id) for each in pulled], len(pulled) < limit * 2


def _inbox(user: User, turn: Turn, authors: tuple[int, ...]) -> list[tuple[int, int]]:
    """The newest places, newest first; read from facts when it is not there."""
    if user.inbox is None:
        bound = user.world.feed.inbox
        found = turn.fetched(
            ("inbox", authors),
            lambda: user.world.videos.by_authors(authors, before=None, limit=bound),
        )
        if user.inbox is None:
            user.inbox = [(each.published_ms, each.video_id) for each in found]
            for early in user.early:
                _insert(user, early)
            user.early = []
    return user.inbox


def arrived(user: User, event: VideoArrived, turn: Turn) -> None:
    """A followed author published; open websockets hear of it at once."""
    if user.following is not None and event.author_id not in user.following:
        return
    if user.inbox is None:
        # It may be being read from facts right now, by a reader that came too early to see this.
        user.early = [*user.early, event][-_EARLY:]
    else:
        _insert(user, event)
    if user.sockets:
        sockets.announce(user, turn, "feed.new", {"tab": "following", "count": 1})


def _insert(user: User, event: VideoArrived) -> None:
    inbox = user.inbox
    entry = (event.published_ms, event.video_id)
    if inbox is None or entry in inbox:
        return
    insort(inbox, entry, key=lambda each: (-each[0], -each[1]))
    del inbox[user.world.feed.inbox :]


def forget_inbox(user: User) -> None:
    """Have the inbox read again: whom the user follows has changed."""
    user.inbox = None
