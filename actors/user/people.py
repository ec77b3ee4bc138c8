"""Other people: profiles, following, blocking, and lists of them."""

import msgspec

from actors import answers
from actors.cards import author_answer
from actors.events import FollowSettled, UserBlocked, UserFollowed
from actors.messages import BlockUser, FollowUser, GetUser, ListFollows, ListUserVideos
from actors.records import Profile
from actors.rows import BlockRow, FollowRow, JournalRow
from actors.turn import Turn
from actors.user.account import own_profile, user_counts
from actors.user.following import forget_inbox
from actors.user.likes import videos_page
from actors.user.limits import spend
from actors.user.state import User
from sharding.errors import Conflict, NotFound, Unprocessable


def person(user: User, turn: Turn, user_id: int) -> Profile:
    """The profile of someone whom the user may see.

    Raises:
        NotFound: there is none, or they block the user.
    """
    profile = user.world.library.profiles.entries(turn, (user_id,)).get(user_id)
    user.hidden(turn)
    if profile is None or user_id in (user.blocked_by or ()):
        raise NotFound()
    return profile


def get_user(user: User, message: GetUser, turn: Turn) -> bytes:
    """A profile; whom one blocks oneself is shown as blocked, so that it can be undone."""
    if message.user_id == user.id:
        return answers.to_json(own_profile(user, turn))
    profile = person(user, turn, message.user_id)
    links = user.world.links
    author = author_answer(profile.user, links, links.expiry_ms(turn.now_ms))
    others = (message.user_id,)
    followed_by = turn.fetched(
        "follows me", lambda: user.world.people.follows_among(others, user.id)
    )
    return answers.to_json(
        answers.User(
            **msgspec.structs.asdict(author),
            bio=profile.user.bio,
            created_at=answers.at(profile.user.created_ms),
            counts=user_counts(profile.counts),
            viewer=user.viewer_of(turn, message.user_id, message.user_id in followed_by),
        )
    )


def follow_user(user: User, message: FollowUser, turn: Turn) -> bytes:
    """Follow someone, or no longer; the answer has their last known count with this change in it."""
    other = message.user_id
    if other == user.id:
        raise Unprocessable("Nobody can follow themselves.")
    profile = person(user, turn, other)
    if other in (user.blocks or ()):
        raise NotFound()
    follows = user.known_following(turn)
    followers = profile.counts.followers
    if (other in follows) is not message.following:
        if message.following and len(follows) >= user.world.feed.max_following:
            raise Conflict("Nobody can follow more people.")
        spend(user, turn, "follows", user.world.limits.follows_a_minute)
        _set_following(user, turn, other, message.following)
        if message.following:
            turn.write(
                JournalRow(
                    user_id=user.id,
                    entry_id=user.world.mint.mint(),
                    kind="follow",
                    other_id=other,
                )
            )
        followers = max(0, followers + (1 if message.following else -1))
    elif message.following:
        followers = max(1, followers)
    return answers.to_json(
        answers.Followed(
            user_id=str(other),
            follow="following" if message.following else "none",
            followers=followers,
        )
    )


def _set_following(user: User, turn: Turn, other: int, following: bool) -> None:
    assert user.following is not None
    (user.following.add if following else user.following.discard)(other)
    forget_inbox(user)
    turn.write(
        FollowRow(follower_id=user.id, followee_id=other, following=following, at_ms=turn.now_ms)
    )
    user.count(turn, following=1 if following else -1)
    turn.tell(other, UserFollowed(follower_id=user.id, following=following))
    if following:
        turn.tell(user.id, FollowSettled())


def unfollow(user: User, turn: Turn, other: int) -> None:
    """End a follow because something else ended it."""
    if other in user.known_following(turn):
        _set_following(user, turn, other, False)


def block_user(user: User, message: BlockUser, turn: Turn) -> bytes:
    """Block someone, or no longer; blocking ends follows both ways."""
    other = message.user_id
    if other == user.id:
        raise Unprocessable("Nobody can block themselves.")
    person(user, turn, other)
    user.known_following(turn)
    blocks = user.blocks
    assert blocks is not None
    if (other in blocks) is message.blocked:
        return b"{}"
    spend(user, turn, "edits", user.world.limits.edits_a_minute)
    (blocks.add if message.blocked else blocks.discard)(other)
    turn.write(BlockRow(blocker_id=user.id, blocked_id=other, blocked=message.blocked))
    turn.tell(other, UserBlocked(blocker_id=user.id, blocked=message.blocked))
    if message.blocked:
        unfollow(user, turn, other)
    return b"{}"


def blocked(user: User, event: UserBlocked, turn: Turn) -> None:
    """Someone blocks the user, or no longer."""
    user.hidden(turn)
    user.known_following(turn)
    assert user.blocked_by is not None
    if event.blocked:
        user.blocked_by.add(event.blocker_id)
        unfollow(user, turn, event.blocker_id)
    else:
        user.blocked_by.discard(event.blocker_id)


def list_follows(user: User, message: ListFollows, turn: Turn) -> bytes:
    """Who follows a user, or whom they follow, newest first."""
    if message.user_id != user.id:
        person(user, turn, message.user_id)
    name = f"{message.direction}/{message.user_id}"
    before: tuple[int, int] | None = None
    if message.cursor is not None:
        at_ms, other = user.world.cursors.open(user.id, name, message.cursor, 2)
        before = (at_ms, other)
    rows = turn.fetched(
        "page",
        lambda: user.world.people.follows(
            message.user_id, direction=message.direction, before=before, limit=message.limit + 1
        ),
    )
    more, rows = len(rows) > message.limit, rows[: message.limit]
    incoming = message.direction == "followers"
    others = [row.follower_id if incoming else row.followee_id for row in rows]
    token = None
    if more:
        token = user.world.cursors.sign(user.id, name, (rows[-1].at_ms, others[-1]))
    profiles = user.world.library.profiles.entries(turn, others)
    mine = turn.fetched(
        "my followers",
        lambda: user.world.people.follows_among(others, user.id),
    )
    hidden = user.hidden(turn)
    links = user.world.links
    expires_ms = links.expiry_ms(turn.now_ms)
    items = tuple(
        answers.Person(
            **msgspec.structs.asdict(author_answer(profiles[other].user, links, expires_ms)),
            viewer=user.viewer_of(turn, other, other in mine),
        )
        for other in others
        if other in profiles and other not in hidden
    )
    return answers.to_json(answers.People(items=items, next_cursor=token))


def list_user_videos(user: User, message: ListUserVideos, turn: Turn) -> bytes:
    """A user's videos that play, newest first."""
    if message.user_id != user.id:
        person(user, turn, message.user_id)
        if message.user_id in (user.blocks or ()):
            raise NotFound()
    name = f"videos/{message.user_id}"
    before: tuple[int, int] | None = None
    if message.cursor is not None:
        published_ms, video_id = user.world.cursors.open(user.id, name, message.cursor, 2)
        before = (published_ms, video_id)
    found = turn.fetched(
        "page",
        lambda: user.world.videos.by_authors(
            (message.user_id,), before=before, limit=message.limit + 1
        ),
    )
    more, found = len(found) > message.limit, found[: message.limit]
    token = None
    if more:
        place = (found[-1].published_ms, found[-1].video_id)
        token = user.world.cursors.sign(user.id, name, place)
    return videos_page(user, turn, [each.video_id for each in found], token)
