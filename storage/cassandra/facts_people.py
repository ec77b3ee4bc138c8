"""`CassandraPeopleFacts`: accounts and who is tied to whom.

Everything here is decided by (sign-ins, blocks, who may see what), or shown to whoever has just changed it, so it
is read at LOCAL_QUORUM; only the sweep is not, which comes by again.
"""

from collections.abc import Sequence

from actors.records import Account, Profile, UserTally
from actors.rows import CountsRow, FollowRow
from storage.cassandra.buckets import FAN, chunks, day_of, distinct, fan_of
from storage.cassandra.reading import NEWEST, as_marks, counts_of, found_by_day, pages
from storage.cassandra.session import Cassandra
from storage.cassandra.statements import Call, Level, Statement
from storage.cassandra.tables import CREDENTIALS, SESSIONS, USERS

_FANS = as_marks(range(FAN))
_USERS = Statement(Level.FRESH, f"SELECT {USERS.select} FROM users WHERE user_id IN ?")
_USER = Statement(Level.FRESH, f"SELECT {USERS.select} FROM users WHERE user_id = ?")
_CREDENTIAL = Statement(
    Level.FRESH, f"SELECT {CREDENTIALS.select} FROM credentials WHERE user_id = ?"
)
_SESSIONS = Statement(
    Level.FRESH,
    f"SELECT {SESSIONS.select} FROM sessions WHERE user_id = ? AND family_id > ? LIMIT ?",
)
_FOLLOWING = Statement(
    Level.FRESH,
    "SELECT followee_id, following FROM following WHERE follower_id = ? AND followee_id > ? LIMIT ?",
)
_AMONG = Statement(
    Level.FRESH,
    "SELECT follower_id, following FROM followers"
    " WHERE followee_id = ? AND fan IN ? AND follower_id IN ?",
)
_BLOCKS = Statement(
    Level.FRESH,
    "SELECT blocked_id, blocked FROM blocks WHERE blocker_id = ? AND blocked_id > ? LIMIT ?",
)
_BLOCKED_BY = Statement(
    Level.FRESH,
    "SELECT blocker_id, blocked FROM blocked_by WHERE blocked_id = ? AND blocker_id > ? LIMIT ?",
)
_EVERYONE = Statement(
    Level.NEAR,
    f"SELECT user_id FROM users_by_day WHERE day = ? AND fan IN ({_FANS})"
    " AND user_id > ? ORDER BY user_id LIMIT ?",
)

#: For each direction of a follow: newest first, some of them as they are now, and how many there are.
_BY_TIME = {
    "following": Statement(
        Level.FRESH,
        "SELECT at_ms, followee_id FROM following_by_time"
        " WHERE follower_id = ? AND (at_ms, followee_id) < (?, ?) LIMIT ?",
    ),
    "followers": Statement(
        Level.FRESH,
        f"SELECT at_ms, follower_id FROM followers_by_time WHERE followee_id = ? AND fan IN ({_FANS})"
        " AND (at_ms, follower_id) < (?, ?) ORDER BY at_ms DESC, follower_id DESC LIMIT ?",
    ),
}
_NOW = {
    "following": Statement(
        Level.FRESH,
        "SELECT at_ms, followee_id, following FROM following"
        " WHERE follower_id = ? AND followee_id IN ?",
    ),
    "followers": Statement(
        Level.FRESH,
        "SELECT at_ms, follower_id, following FROM followers"
        f" WHERE followee_id = ? AND fan IN ({_FANS}) AND follower_id IN ?",
    ),
}
_FOLLOWEES = Statement(Level.COUNT, "SELECT sum(following) FROM following WHERE follower_id = ?")
_FOLLOWERS = Statement(
    Level.COUNT,
    f"SELECT sum(following) FROM followers WHERE followee_id = ? AND fan IN ({_FANS})",
)
_AUTHORED = Statement(
    Level.FRESH,
    "SELECT video_id, removed, status FROM videos_by_author"
    " WHERE author_id = ? AND video_id < ? LIMIT ?",
)
#: How many like a video.
LIKES = Statement(
    Level.COUNT, f"SELECT sum(liked) FROM likes_by_video WHERE video_id = ? AND fan IN ({_FANS})"
)


class CassandraPeopleFacts:
    """Fills `actors.ports.facts.PeopleFacts`."""

    __slots__ = ("_cassandra", "_page")

    def __init__(self, cassandra: Cassandra) -> None:
        self._cassandra = cassandra
        self._page = cassandra.settings.page_rows

    async def account(self, user_id: int) -> Account | None:
        """A person's account; None until both its rows are there."""
        users, credentials, sessions = await self._cassandra.all(
            [
                Call(_USER, (user_id,)),
                Call(_CREDENTIAL, (user_id,)),
                Call(_SESSIONS, (user_id, -1, self._page)),
            ]
        )
        if not users or users[0][1] is None or not credentials:
            return None
        rows = [SESSIONS.row(values) for values in sessions]
        while len(sessions) == self._page:
            sessions = await self._cassandra.rows(
                _SESSIONS, user_id, rows[-1].family_id, self._page
            )
            rows += [SESSIONS.row(values) for values in sessions]
        return Account(
            user=USERS.row(users[0]),
            credential=CREDENTIALS.row(credentials[0]),
            sessions=tuple(row for row in rows if not row.ended),
        )

    async def profiles(self, user_ids: Sequence[int]) -> Sequence[Profile]:
        """People with their counts, zero where none were written."""
        ids = distinct(user_ids, len(user_ids))
        pieces = chunks(ids, self._cassandra.settings.ids_per_statement)
        found = await self._cassandra.all(Call(_USERS, (piece,)) for piece in pieces)
        users = [USERS.row(values) for rows in found for values in rows]
        counts = await counts_of(self._cassandra, [user.user_id for user in users])
        return [
            Profile(user=user, counts=counts.get(user.user_id) or CountsRow(entity_id=user.user_id))
            for user in users
        ]

    async def following(self, user_id: int, limit: int) -> Sequence[int]:
        """Whom a user follows."""
        return await self._living(_FOLLOWING, user_id, limit)

    async def follows(
        self, user_id: int, *, direction: str, before: tuple[int, int] | None, limit: int
    ) -> Sequence[FollowRow]:
        """Follows of or to a user, newest first.

        Raises:
            ValueError: `direction` is neither "following" nor "followers".
        """
        if direction not in _BY_TIME:
            raise ValueError(f"follows have no direction {direction!r}")

        async def page(cursor: tuple[int, int], size: int) -> list[tuple[int, int]]:
            found = await self._cassandra.rows(_BY_TIME[direction], user_id, *cursor, size)
            return [(at_ms, other) for at_ms, other in found]

        async def holding(listed: list[tuple[int, int]]) -> list[tuple[int, int]]:
            others = distinct((other for _, other in listed), len(listed))
            now = await self._cassandra.rows(_NOW[direction], user_id, others)
            valid = {(at_ms, other) for at_ms, other, following in now if following}
            return [each for each in listed if each in valid]

        def row(at_ms: int, other: int) -> FollowRow:
            pair = (user_id, other) if direction == "following" else (other, user_id)
            return FollowRow(follower_id=pair[0], followee_id=pair[1], following=True, at_ms=at_ms)

        found = await pages(page, holding, before or NEWEST, limit, self._page)
        return [row(*each) for each in found]

    async def follows_among(self, follower_ids: Sequence[int], user_id: int) -> Sequence[int]:
        """Those of `follower_ids` who follow `user_id`."""
        asked = distinct(follower_ids, len(follower_ids))
        found = await self._cassandra.all(
            Call(_AMONG, (user_id, distinct(map(fan_of, piece), FAN), piece))
            for piece in chunks(asked, self._page)
        )
        return [follower for rows in found for follower, following in rows if following]

    async def blocks(self, user_id: int) -> tuple[Sequence[int], Sequence[int]]:
        """Whom a user blocks, and who blocks them."""
        return (
            await self._living(_BLOCKS, user_id, None),
            await self._living(_BLOCKED_BY, user_id, None),
        )

    async def tally(self, user_id: int) -> UserTally:
        """Count the facts about a user; videos and their likes only while the video plays."""
        followers, following = await self._cassandra.all(
            [Call(_FOLLOWERS, (user_id,)), Call(_FOLLOWEES, (user_id,))]
        )
        videos = likes = 0
        before = NEWEST[0]
        while True:
            rows = await self._cassandra.rows(_AUTHORED, user_id, before, self._page)
            playing = [each for each, removed, status in rows if removed == 0 and status == "ready"]
            sums = await self._cassandra.all(Call(LIKES, (each,)) for each in playing)
            videos += len(playing)
            likes += sum(found[0][0] or 0 for found in sums)
            if len(rows) < self._page:
                break
            before = rows[-1][0]
        return UserTally(
            followers=followers[0][0] or 0,
            following=following[0][0] or 0,
            videos=videos,
            likes_received=likes,
        )

    async def everyone(self, after: int, limit: int) -> Sequence[int]:
        """Ids of all users above `after`, also of deleted ones."""
        found = await found_by_day(self._cassandra, "users", _EVERYONE, day_of(after), after, limit)
        return [user_id for (user_id,) in found]

    async def _living(self, statement: Statement, user_id: int, limit: int | None) -> list[int]:
        """The others whose state is 1, up to `limit`, in order of their ids."""
        living: list[int] = []
        after = -1
        while True:
            rows = await self._cassandra.rows(statement, user_id, after, self._page)
            living += [other for other, state in rows if state]
            if len(rows) < self._page or (limit is not None and len(living) >= limit):
                return living[:limit]
            after = rows[-1][0]

    def __repr__(self) -> str:
        return f"<CassandraPeopleFacts on {self._cassandra!r}>"
