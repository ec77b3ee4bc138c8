"""Videos and what one does with them."""

from actors.answers import Liked, Shared, Video, ViewsAccepted
from actors.messages import (
    DeleteVideo,
    EditVideo,
    GetVideo,
    LikeVideo,
    MarkNotInterested,
    ReportViews,
    ShareVideo,
)
from gateway.bodies import Acting, CaptionBody, NoBody, ShareBody, ViewsBody
from gateway.decoding import read_views
from gateway.route import Call, Route, asks, does
from sharding.errors import Forbidden, NotFound


def _like(call: Call) -> LikeVideo:
    call.acting(call.body(Acting).user_id)
    return LikeVideo(video_id=call.id("video_id"), liked=call.route.method == "POST")


def _views(call: Call) -> ReportViews:
    views, unusable = read_views(call.body(ViewsBody).views)
    return ReportViews(views=views, unusable=unusable)


ROUTES = (
    Route(
        method="GET",
        path="/video/{video_id}",
        summary="One video",
        handle=asks(lambda call: GetVideo(video_id=call.id("video_id"))),
        answer=Video,
        refuses=(NotFound,),
    ),
    Route(
        method="PATCH",
        path="/video/{video_id}",
        summary="Change the caption of a video of one's own",
        handle=asks(
            lambda call: EditVideo(
                video_id=call.id("video_id"), caption=call.body(CaptionBody).caption
            )
        ),
        body=CaptionBody,
        answer=Video,
        refuses=(NotFound, Forbidden),
    ),
    Route(
        method="DELETE",
        path="/video/{video_id}",
        summary="Remove a video of one's own",
        handle=does(lambda call: DeleteVideo(video_id=call.id("video_id"))),
        body=NoBody,
        status=204,
        refuses=(NotFound, Forbidden),
    ),
    *(
        Route(
            method=method,
            path="/video/{video_id}/like",
            summary=summary,
            handle=asks(_like),
            body=Acting,
            answer=Liked,
            keyed=method == "POST",
            refuses=(NotFound, Forbidden),
        )
        for method, summary in (("POST", "Like a video"), ("DELETE", "No longer like a video"))
    ),
    Route(
        method="POST",
        path="/video/{video_id}/share",
        summary="Note that a video was shared",
        handle=asks(
            lambda call: ShareVideo(
                video_id=call.id("video_id"), channel=call.body(ShareBody).channel
            )
        ),
        body=ShareBody,
        answer=Shared,
        keyed=True,
        refuses=(NotFound,),
    ),
    Route(
        method="POST",
        path="/video/{video_id}/not-interested",
        summary="Do not show a video again",
        handle=does(lambda call: MarkNotInterested(video_id=call.id("video_id"))),
        body=NoBody,
        status=204,
        keyed=True,
        refuses=(NotFound,),
    ),
    Route(
        method="POST",
        path="/views",
        summary="Report what was watched",
        handle=asks(_views),
        body=ViewsBody,
        answer=ViewsAccepted,
        status=202,
        keyed=True,
    ),
)
