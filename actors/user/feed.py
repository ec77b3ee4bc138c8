"""The for-you feed and the page that both feeds are glued into.

A page is cut from the playlist, in plain sync code, from cards that are in memory: nothing is decoded,
built or awaited. What may have to wait (choosing more, reading cards or likes) is fetched when the playlist
runs low, and the longer playlist is committed before its first page leaves.

Where a chain stands is in the cursor: (generation, place). An id counts as seen when a later page followed
it or when a view was reported; seen ids are written behind.
"""

from collections.abc import Awaitable, Callable
from functools import partial

from actors.answers import ReasonSource
from actors.cards import Card
from actors.messages import GetFeed
from actors.ranking import Chosen, Viewer
from actors.turn import Turn
from actors.user import following
from actors.user.playlist import Playlist
from actors.user.state import User
from sharding.errors import Gone

#: A playlist older than this is chosen anew for a new chain, if the shelf has changed, in milliseconds.
REFRESH_MS = 20_000
#: Pages that are remembered by their cursor, over both tabs.
PAGES = 6
#: Pages of older videos that are looked through for unseen ones.
_OLDER_PAGES = 20
#: Ids before the last page whose page may be asked for again.
_SHOWN = 100
_FORYOU = "foryou"


def get_feed(user: User, message: GetFeed, turn: Turn) -> bytes:
    """A page of either feed."""
    if message.tab == "following":
        return following.page(user, message, turn)
    if not user.awake:
        _wake(user, turn)
    cursor = message.cursor
    if cursor is None:
        playlist, place = _new_chain(user, message.limit, turn)
        key: tuple[int, ...] = ()
    else:
        generation, place = user.world.cursors.open(user.id, _FORYOU, cursor, 2)
        playlist = _of_generation(user, generation, place)
        key = (generation, place)
    shown = user.pages.get(key)
    if shown is None:
        if key and len(playlist) - place < message.limit + user.world.feed.low_water:
            _read_cards(user, playlist, place, message.limit, turn)
            _extend(user, playlist, turn)
        items, end = _cut(user, playlist, place, message.limit, turn)
        if key:
            _follow(user, playlist, place, turn)
            remember(user, key, (*(card.video_id for card, _ in items), end), turn)
    else:
        end = shown[-1]
        items = _again(user, playlist, shown[:-1], turn)
    token, request = _named(user, playlist, place, end)
    return glue(user, items, token if end < len(playlist) else None, request, turn.now_ms)


def _named(user: User, playlist: Playlist, place: int, end: int) -> tuple[str, str]:
    """The cursor to the page after this one, and the name of this one."""
    last = playlist.last_page
    if last is None or last[:2] != (place, end):
        token = user.world.cursors.sign(user.id, _FORYOU, (playlist.generation, end))
        last = (place, end, token, req_id(user, 0, playlist.generation, place))
        playlist.last_page = last
    return last[2:]


def _wake(user: User, turn: Turn) -> None:
    """Read what pages say and hide for this viewer: a playlist outlives the memory that it was cut with."""
    user.hidden(turn)
    user.unwanted(turn)
    user.known_following(turn)
    user.likes_of(
        turn,
        tuple(
            video_id
            for each in (user.playlist, user.previous)
            for video_id in each.ids[max(0, each.followed - _SHOWN) :]
        ),
    )
    user.awake = True


def _of_generation(user: User, generation: int, place: int) -> Playlist:
    for playlist in (user.playlist, user.previous):
        if playlist.generation == generation and generation and place <= len(playlist):
            return playlist
    raise Gone("This chain is too old; start a new one.")


def _new_chain(user: User, limit: int, turn: Turn) -> tuple[Playlist, int]:
    """The playlist and the place where a new chain starts."""
    playlist = user.playlist
    shelf = user.world.library.shelf
    ahead = len(playlist) - playlist.followed - len(playlist.viewed)
    changed = playlist.version != shelf.version
    stale = changed and (
        playlist.again or turn.now_ms - playlist.filled_ms > REFRESH_MS or ahead < limit
    )
    if ahead > 0 and not stale:
        return playlist, playlist.followed
    fresh = _begin(user, turn)
    if len(fresh) or not len(playlist):
        return fresh, 0
    return playlist, playlist.followed


def _begin(user: User, turn: Turn) -> Playlist:
    """A new generation: what was not seen, else what was seen longest ago."""
    feed = user.world.feed
    seen = set(user.seen) | user.playlist.viewed
    chosen = _choose(user, seen, feed.refill, turn) or _older(user, seen, feed.refill, turn)
    fresh = Playlist(max(user.playlist.generation + 1, turn.now_ms), turn.now_ms)
    fresh.version = user.world.library.shelf.version
    if not chosen:
        hidden = user.unwanted(turn)
        order = [each for each in user.seen if each not in hidden]
        cards = user.world.library.cards.entries(turn, order[: feed.refill])
        chosen = [(each, "again") for each in order[: feed.refill] if each in cards]
    user.likes_of(turn, tuple(each for each, _ in chosen))
    for video_id, source in chosen:
        fresh.extend(video_id, source)
    if chosen or len(user.playlist):
        user.previous, user.playlist = user.playlist, fresh
        turn.put("playlist", fresh.encode())
        turn.put("previous", user.previous.encode())
    return fresh


def _extend(user: User, playlist: Playlist, turn: Turn) -> None:
    """Add to the end of the present generation what is neither seen nor in it."""
    feed = user.world.feed
    version = user.world.library.shelf.version
    tried = playlist.version == version and turn.now_ms - playlist.filled_ms < REFRESH_MS
    if playlist is not user.playlist or playlist.again or tried:
        return
    count = min(feed.refill, feed.playlist - len(playlist))
    chosen = _choose(user, set(user.seen) | set(playlist.ids), count, turn)
    user.likes_of(turn, tuple(each for each, _ in chosen))
    playlist.filled_ms, playlist.version = turn.now_ms, version
    if chosen:
        for video_id, source in chosen:
            playlist.extend(video_id, source)
        turn.put("playlist", playlist.encode())


def _choose(user: User, seen: set[int], count: int, turn: Turn) -> list[tuple[int, ReasonSource]]:
    """The ranker's choice, of which each has a card that the user may see."""
    unwanted = user.unwanted(turn)
    viewer = Viewer(user_id=user.id, taste=user.taste, hidden=user.hidden(turn))
    user.known_following(turn)
    chosen = turn.fetched(
        ("chosen", count),
        _at_once(lambda: user.world.ranker.choose(viewer, seen | unwanted, count, turn.now_ms)),
    )
    cards = user.world.library.cards.entries(turn, [each.video_id for each in chosen])
    return [(each.video_id, each.source) for each in chosen if each.video_id in cards]


def _older(user: User, seen: set[int], count: int, turn: Turn) -> list[tuple[int, ReasonSource]]:
    """Unseen videos that were published before those on a full shelf, newest first."""
    shelf = user.world.library.shelf
    before = shelf.oldest
    if before is None or not shelf.full:
        return []
    for _ in range(_OLDER_PAGES):
        place = before
        found = turn.fetched(
            ("older", place), partial(user.world.videos.recent, count, before=place)
        )
        unseen = [each.video_id for each in found if each.video_id not in seen]
        cards = user.world.library.cards.entries(turn, unseen)
        hidden = user.hidden(turn) | user.unwanted(turn)
        shown = [each for each in unseen if each in cards and cards[each].author_id not in hidden]
        if shown or len(found) < count:
            return [(each, "fresh") for each in shown]
        before = (found[-1].published_ms, found[-1].video_id)
    return []


def _follow(user: User, playlist: Playlist, place: int, turn: Turn) -> None:
    """All before `place` counts as seen from now on."""
    if place <= playlist.followed:
        return
    passed = playlist.ids[playlist.followed : place]
    if playlist.again:
        again = set(passed)
        kept = [each for each in user.seen if each not in again]
        del user.seen[:]
        user.seen.extend(kept)
        user.seen.extend(passed)
    else:
        user.seen.extend(each for each in passed if each not in playlist.viewed)
    playlist.viewed.difference_update(passed)
    playlist.followed = place
    trim_seen(user)
    turn.soft.update(("seen", "playlist"))


def mark_seen(user: User, video_id: int) -> None:
    """A view was reported: in new chains it is not shown while others remain."""
    for playlist in (user.playlist, user.previous):
        if video_id in playlist.ids[playlist.followed :]:
            playlist.viewed.add(video_id)
    if video_id in user.seen:
        user.seen.remove(video_id)
    user.seen.append(video_id)
    trim_seen(user)


def trim_seen(user: User) -> None:
    """Forget what was seen longest ago, past the bound."""
    excess = len(user.seen) - user.world.feed.seen
    if excess > 0:
        del user.seen[:excess]


def _cut(
    user: User, playlist: Playlist, place: int, limit: int, turn: Turn
) -> tuple[list[tuple[Card, ReasonSource]], int]:
    """At most `limit` cards from `place` on, and the place after the last that was looked at."""
    peek, viewed, ids = user.world.library.cards.peek, playlist.viewed, playlist.ids
    picky = bool(user.blocks or user.blocked_by or user.not_interested)
    items: list[tuple[Card, ReasonSource]] = []
    for at in range(place, len(ids)):
        if len(items) == limit:
            return items, at
        video_id = ids[at]
        card = peek(video_id)
        if card is None:
            if not turn.changed:
                _read_cards(user, playlist, at, limit, turn)
            card = peek(video_id)
        if card is None or video_id in viewed or (picky and not _visible(user, card)):
            continue
        items.append((card, playlist.source(at)))
    return items, len(ids)


def _read_cards(user: User, playlist: Playlist, place: int, limit: int, turn: Turn) -> None:
    """Have the cards of the next pages in memory."""
    cards, ids = user.world.library.cards, playlist.ids[place : place + limit * 2]
    if not all(map(cards.knows, ids)):
        cards.entries(turn, ids)


def _again(
    user: User, playlist: Playlist, shown: tuple[int, ...], turn: Turn
) -> list[tuple[Card, ReasonSource]]:
    """The same ids once more, less what was removed."""
    cards = user.world.library.cards.entries(turn, shown)
    return [
        (card, playlist.source(playlist.ids.index(video_id)))
        for video_id in shown
        if (card := cards.get(video_id)) is not None and _visible(user, card)
    ]


def _visible(user: User, card: Card) -> bool:
    """Whether the user may and wants to see it, as far as is known without asking."""
    author = card.author_id
    return not (
        (user.blocks and author in user.blocks)
        or (user.blocked_by and author in user.blocked_by)
        or (user.not_interested and card.video_id in user.not_interested)
    )


def remember(user: User, key: tuple[int, ...], page: tuple[int, ...], turn: Turn) -> None:
    """Keep what a cursor gave, so that it gives it again."""
    user.pages[key] = page
    while len(user.pages) > PAGES:
        del user.pages[next(iter(user.pages))]
    turn.soft.add("pages")


def glue(
    user: User,
    items: list[tuple[Card, ReasonSource]],
    cursor: str | None,
    request: str,
    now_ms: int,
) -> bytes:
    """The page as JSON bytes: cards, and beside each what belongs to this viewer."""
    liked = user.liked.ids if user.liked is not None else ()
    follows = user.following or ()
    preload = user.world.feed.preload
    me = user.id
    page = b",".join(
        [
            card.item(
                now_ms,
                card.video_id in liked,
                card.author_id == me,
                card.author_id in follows,
                source,
                at < preload,
            )
            for at, (card, source) in enumerate(items)
        ]
    )
    tail = f'"{cursor}"' if cursor is not None else "null"
    end = f'],"next_cursor":{tail},"req_id":"{request}","preload":{min(preload, len(items))}}}'
    return b'{"items":[' + page + end.encode()


def req_id(user: User, tab: int, generation: int, place: int) -> str:
    """Names a page: the same for the same user, tab, generation and place."""
    return f"{user.id:x}.{tab}.{generation:x}.{place:x}"


def _at_once(choose: Callable[[], list[Chosen]]) -> Callable[[], Awaitable[list[Chosen]]]:
    """A choice as something to fetch: made off the path that never waits, and once a turn."""

    async def chosen() -> list[Chosen]:
        return choose()

    return chosen
