"""Comments: reading pages of them, writing, removing and liking them.

The commenter's actor writes the comment, the video's author's actor writes a removal: every cell has one
writer. Answers to answers hang on the comment that began the thread, so threads are one level deep.
"""

from collections.abc import Sequence

from actors import answers
from actors.cards import author_answer
from actors.events import CommentRemoved, VideoCommented
from actors.messages import DeleteComment, LikeComment, ListComments, PostComment
from actors.records import CommentRecord
from actors.rows import CommentLikeRow, CommentRemovalRow, CommentRow, JournalRow
from actors.turn import Turn
from actors.user.likes import visible
from actors.user.limits import spend
from actors.user.state import User
from sharding.errors import Forbidden, NotFound
from sharding.ids import minted_at_ms

#: Comments of which it is remembered whether they were liked last; the rows of earlier ones have landed.
_RECENT = 64


def list_comments(user: User, message: ListComments, turn: Turn) -> bytes:
    """Comments under a video, or answers to one of them, newest first."""
    visible(user, turn, message.video_id)
    name = f"comments/{message.video_id}/{message.parent_id or 0}"
    before = None
    if message.cursor is not None:
        (before,) = user.world.cursors.open(user.id, name, message.cursor, 1)
    if message.parent_id is not None:
        _comment(user, turn, message.video_id, message.parent_id)
    records = turn.fetched(
        "page",
        lambda: user.world.comments.page(
            message.video_id, message.parent_id, before=before, limit=message.limit + 1
        ),
    )
    more, records = len(records) > message.limit, records[: message.limit]
    token = None
    if more:
        token = user.world.cursors.sign(user.id, name, (records[-1].comment.comment_id,))
    items = shapes(user, turn, records)
    return answers.to_json(answers.Comments(items=items, next_cursor=token))


def shapes(user: User, turn: Turn, records: Sequence[CommentRecord]) -> tuple[answers.Comment, ...]:
    """Comments as the viewer sees them; those of people either blocks are left out."""
    hidden = user.hidden(turn)
    seen = [each for each in records if each.comment.user_id not in hidden]
    authors = user.world.library.profiles.entries(turn, [each.comment.user_id for each in seen])
    ids = tuple(each.comment.comment_id for each in seen)
    liked: set[int] = set()
    if ids:
        liked = set(
            turn.fetched(
                ("liked comments", ids),
                lambda: user.world.deeds.liked_comments_among(user.id, ids),
            )
        )
    links = user.world.links
    expires_ms = links.expiry_ms(turn.now_ms)
    return tuple(
        answers.Comment(
            comment_id=str(each.comment.comment_id),
            video_id=str(each.comment.video_id),
            parent_id=str(each.comment.parent_id) if each.comment.parent_id else None,
            author=author_answer(authors[each.comment.user_id].user, links, expires_ms),
            text=each.comment.text,
            created_at=answers.at(minted_at_ms(each.comment.comment_id)),
            likes=each.likes,
            replies=each.replies,
            viewer=answers.CommentViewer(
                liked=each.comment.comment_id in liked, own=each.comment.user_id == user.id
            ),
        )
        for each in seen
        if each.comment.user_id in authors
    )


def post_comment(user: User, message: PostComment, turn: Turn) -> bytes:
    """Say something under a video, or to someone who did."""
    assert user.account is not None
    visible(user, turn, message.video_id)
    parent_id, answered = message.parent_id, None
    if parent_id is not None:
        parent = _comment(user, turn, message.video_id, parent_id)
        answered = parent.comment.user_id
        parent_id = parent.comment.parent_id or parent_id
    spend(user, turn, "comments", user.world.limits.comments_a_minute)
    comment_id = user.world.mint.mint()
    row = CommentRow(
        video_id=message.video_id,
        comment_id=comment_id,
        user_id=user.id,
        parent_id=parent_id,
        text=message.text,
    )
    turn.write(
        row,
        JournalRow(
            user_id=user.id,
            entry_id=comment_id,
            kind="comment",
            video_id=message.video_id,
            comment_id=comment_id,
        ),
    )
    turn.tell(
        message.video_id,
        VideoCommented(
            comment_id=comment_id,
            user_id=user.id,
            text=message.text,
            parent_id=parent_id,
            parent_user_id=answered,
        ),
    )
    links = user.world.links
    return answers.to_json(
        answers.Comment(
            comment_id=str(comment_id),
            video_id=str(message.video_id),
            parent_id=str(parent_id) if parent_id else None,
            author=author_answer(user.account, links, links.expiry_ms(turn.now_ms)),
            text=message.text,
            created_at=answers.at(minted_at_ms(comment_id)),
            likes=0,
            replies=0,
            viewer=answers.CommentViewer(liked=False, own=True),
        )
    )


def delete_comment(user: User, message: DeleteComment, turn: Turn) -> bytes:
    """Remove a comment of one's own, or any under a video of one's own.

    Raises:
        NotFound: it is not there any more.
        Forbidden: neither it nor the video is theirs.
    """
    card = visible(user, turn, message.video_id)
    record = _comment(user, turn, message.video_id, message.comment_id)
    comment = record.comment
    if comment.user_id == user.id:
        turn.write(
            CommentRow(
                video_id=comment.video_id,
                comment_id=comment.comment_id,
                user_id=user.id,
                parent_id=comment.parent_id,
                text=comment.text,
                removed=True,
            )
        )
    elif card.author_id == user.id:
        turn.write(
            CommentRemovalRow(
                video_id=comment.video_id, comment_id=comment.comment_id, user_id=user.id
            )
        )
    else:
        raise Forbidden()
    turn.tell(
        message.video_id,
        CommentRemoved(comment_id=comment.comment_id, lost=1 + record.replies),
    )
    return b"{}"


def like_comment(user: User, message: LikeComment, turn: Turn) -> bytes:
    """Like a comment, or no longer."""
    visible(user, turn, message.video_id)
    record = _comment(user, turn, message.video_id, message.comment_id)
    ids = (message.comment_id,)
    likes_it = user.comment_likes.get(message.comment_id)
    if likes_it is None:
        likes_it = bool(
            turn.fetched(
                ("liked comments", ids),
                lambda: user.world.deeds.liked_comments_among(user.id, ids),
            )
        )
    likes = record.likes
    if likes_it is not message.liked:
        spend(user, turn, "likes", user.world.limits.likes_a_minute)
        user.comment_likes[message.comment_id] = message.liked
        while len(user.comment_likes) > _RECENT:
            del user.comment_likes[next(iter(user.comment_likes))]
        turn.write(
            CommentLikeRow(
                user_id=user.id,
                video_id=message.video_id,
                comment_id=message.comment_id,
                liked=message.liked,
            )
        )
        likes += 1 if message.liked else -1
    return answers.to_json(
        answers.CommentLiked(
            comment_id=str(message.comment_id), liked=message.liked, likes=max(0, likes)
        )
    )


def _comment(user: User, turn: Turn, video_id: int, comment_id: int) -> CommentRecord:
    """A comment that the user may see.

    Raises:
        NotFound: there is none.
    """
    record = turn.fetched(
        ("comment", comment_id), lambda: user.world.comments.comment(video_id, comment_id)
    )
    if record is None or record.comment.user_id in user.hidden(turn):
        raise NotFound()
    return record
