"""`SqlitePeopleFacts`: accounts and who is tied to whom."""

import sqlite3
from collections.abc import Sequence

from actors.records import Account, Profile, UserTally
from actors.rows import CountsRow, FollowRow
from storage.embedded.database import Database
from storage.embedded.fact_tables import (
    COUNTS,
    CREDENTIALS,
    FOLLOWS,
    NEWEST,
    SESSIONS,
    USERS,
    marks,
)

#: For each direction of a follow, whose side is asked for and who is on the other one.
_SIDES = {
    "following": ("follower_id", "followee_id"),
    "followers": ("followee_id", "follower_id"),
}


class SqlitePeopleFacts:
    """Fills `actors.ports.facts.PeopleFacts`."""

    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def account(self, user_id: int) -> Account | None:
        """A person's account; None until both its rows are there."""

        def effect(connection: sqlite3.Connection) -> Account | None:
            users = USERS.find(connection, "WHERE user_id = ?", (user_id,))
            credentials = CREDENTIALS.find(connection, "WHERE user_id = ?", (user_id,))
            if not users or not credentials:
                return None
            sessions = SESSIONS.find(
                connection, "WHERE user_id = ? AND ended = 0 ORDER BY family_id", (user_id,)
            )
            return Account(user=users[0], credential=credentials[0], sessions=tuple(sessions))

        return await self._database.read(effect)

    async def profiles(self, user_ids: Sequence[int]) -> Sequence[Profile]:
        """People with their counts, zero where none were written."""

        def effect(connection: sqlite3.Connection) -> list[Profile]:
            users = USERS.find(connection, f"WHERE user_id IN ({marks(user_ids)})", user_ids)
            counts = {
                row.entity_id: row
                for row in COUNTS.find(
                    connection, f"WHERE entity_id IN ({marks(user_ids)})", user_ids
                )
            }
            return [
                Profile(
                    user=user, counts=counts.get(user.user_id) or CountsRow(entity_id=user.user_id)
                )
                for user in users
            ]

        return await self._database.read(effect)

    async def following(self, user_id: int, limit: int) -> Sequence[int]:
        """Whom a user follows."""

        def effect(connection: sqlite3.Connection) -> list[int]:
            found = connection.execute(
                'SELECT followee_id FROM follows WHERE follower_id = ? AND "following" = 1 LIMIT ?',
                (user_id, limit),
            )
            return [followee for (followee,) in found]

        return await self._database.read(effect)

    async def follows(
        self, user_id: int, *, direction: str, before: tuple[int, int] | None, limit: int
    ) -> Sequence[FollowRow]:
        """Follows of or to a user, newest first.

        Raises:
            ValueError: `direction` is neither "following" nor "followers".
        """
        if direction not in _SIDES:
            raise ValueError(f"follows have no direction {direction!r}")
        own, other = _SIDES[direction]
        at_ms, other_id = before or (NEWEST, NEWEST)
        return await self._database.read(
            lambda connection: FOLLOWS.find(
                connection,
                f'WHERE {own} = ? AND "following" = 1 AND (at_ms, {other}) < (?, ?)'
                f" ORDER BY at_ms DESC, {other} DESC LIMIT ?",
                (user_id, at_ms, other_id, limit),
            )
        )

    async def follows_among(self, follower_ids: Sequence[int], user_id: int) -> Sequence[int]:
        """Those of `follower_ids` who follow `user_id`."""
        marks = ",".join("?" * len(follower_ids))

        def effect(connection: sqlite3.Connection) -> list[int]:
            found = connection.execute(
                f"SELECT follower_id FROM follows WHERE follower_id IN ({marks})"
                ' AND followee_id = ? AND "following" = 1',
                (*follower_ids, user_id),
            )
            return [follower for (follower,) in found]

        return await self._database.read(effect)

    async def blocks(self, user_id: int) -> tuple[Sequence[int], Sequence[int]]:
        """Whom a user blocks, and who blocks them."""

        def effect(connection: sqlite3.Connection) -> tuple[list[int], list[int]]:
            blocked = connection.execute(
                "SELECT blocked_id FROM blocks WHERE blocker_id = ? AND blocked = 1", (user_id,)
            )
            blockers = connection.execute(
                "SELECT blocker_id FROM blocks WHERE blocked_id = ? AND blocked = 1", (user_id,)
            )
            return [each for (each,) in blocked], [each for (each,) in blockers]

        return await self._database.read(effect)

    async def tally(self, user_id: int) -> UserTally:
        """Count the facts about a user; videos and their likes only while the video plays."""

        def effect(connection: sqlite3.Connection) -> UserTally:
            followers, following, videos, likes_received = connection.execute(
                'SELECT (SELECT count(*) FROM follows WHERE followee_id = :user_id AND "following" = 1),'
                ' (SELECT count(*) FROM follows WHERE follower_id = :user_id AND "following" = 1),'
                " count(*), coalesce(sum((SELECT count(*) FROM likes"
                "  WHERE likes.video_id = video_media.video_id AND liked = 1)), 0)"
                " FROM video_media JOIN videos USING (video_id)"
                " WHERE video_media.author_id = :user_id AND status = 'ready' AND removed = 0",
                {"user_id": user_id},
            ).fetchone()
            return UserTally(
                followers=followers,
                following=following,
                videos=videos,
                likes_received=likes_received,
            )

        return await self._database.read(effect)

    async def everyone(self, after: int, limit: int) -> Sequence[int]:
        """Ids of all users above `after`, also of deleted ones."""

        def effect(connection: sqlite3.Connection) -> list[int]:
            found = connection.execute(
                "SELECT user_id FROM users WHERE user_id > ? ORDER BY user_id LIMIT ?",
                (after, limit),
            )
            return [user_id for (user_id,) in found]

        return await self._database.read(effect)

    def __repr__(self) -> str:
        return f"<SqlitePeopleFacts on {self._database!r}>"
