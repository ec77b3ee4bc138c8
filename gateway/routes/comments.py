"""Comments under videos."""

from actors.answers import Comment, CommentLiked, Comments
from actors.messages import DeleteComment, LikeComment, ListComments, PostComment
from gateway.bodies import CommentBody, NoBody
from gateway.queries import CommentsQuery
from gateway.route import Call, Route, asks, does
from sharding.errors import Forbidden, Gone, InvalidCursor, NotFound


def _list(call: Call) -> ListComments:
    query = call.query(CommentsQuery)
    return ListComments(
        video_id=call.id("video_id"),
        parent_id=query.parent_id,
        cursor=query.cursor,
        limit=query.limit,
    )


def _post(call: Call) -> PostComment:
    body = call.body(CommentBody)
    return PostComment(video_id=call.id("video_id"), text=body.text, parent_id=body.parent_id)


def _like(call: Call) -> LikeComment:
    return LikeComment(
        video_id=call.id("video_id"),
        comment_id=call.id("comment_id"),
        liked=call.route.method == "POST",
    )


ROUTES = (
    Route(
        method="GET",
        path="/video/{video_id}/comments",
        summary="Comments under a video, newest first",
        handle=asks(_list),
        query=CommentsQuery,
        answer=Comments,
        refuses=(NotFound, InvalidCursor, Gone),
    ),
    Route(
        method="POST",
        path="/video/{video_id}/comments",
        summary="Say something under a video",
        handle=asks(_post),
        body=CommentBody,
        answer=Comment,
        status=201,
        keyed=True,
        refuses=(NotFound, Forbidden),
    ),
    Route(
        method="DELETE",
        path="/video/{video_id}/comments/{comment_id}",
        summary="Remove a comment",
        handle=does(
            lambda call: DeleteComment(
                video_id=call.id("video_id"), comment_id=call.id("comment_id")
            )
        ),
        body=NoBody,
        status=204,
        refuses=(NotFound, Forbidden),
    ),
    *(
        Route(
            method=method,
            path="/video/{video_id}/comments/{comment_id}/like",
            summary=summary,
            handle=asks(_like),
            body=NoBody,
            answer=CommentLiked,
            keyed=method == "POST",
            refuses=(NotFound,),
        )
        for method, summary in (("POST", "Like a comment"), ("DELETE", "No longer like a comment"))
    ),
)
