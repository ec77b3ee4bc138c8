"""What one did, what others did to one, and what one reports."""

from typing import cast

from actors.answers import Activities, Notifications
from actors.messages import ListActivity, ListNotifications, ReadNotifications, SubmitReport
from actors.rows import ActivityKind
from gateway.bodies import ReadBody, ReportBody
from gateway.queries import ActivityQuery, PageQuery
from gateway.route import Call, Route, asks, does
from sharding.errors import Forbidden, Gone, InvalidCursor, NotFound


def _activity(call: Call) -> ListActivity:
    query = call.query(ActivityQuery)
    call.acting(call.person)
    kinds = tuple(cast(ActivityKind, each) for each in query.kind.split(",")) if query.kind else ()
    return ListActivity(kinds=kinds, cursor=query.cursor, limit=query.limit)


def _report(call: Call) -> SubmitReport:
    body = call.body(ReportBody)
    return SubmitReport(
        target_kind=body.target_kind,
        target_id=body.target_id,
        reason=body.reason,
        text=body.text,
    )


def _notifications(call: Call) -> ListNotifications:
    query = call.query(PageQuery)
    return ListNotifications(cursor=query.cursor, limit=query.limit)


ROUTES = (
    Route(
        method="GET",
        path="/user/{user_id}/activity",
        summary="What one did, newest first",
        handle=asks(_activity),
        query=ActivityQuery,
        answer=Activities,
        refuses=(NotFound, Forbidden, InvalidCursor, Gone),
    ),
    Route(
        method="POST",
        path="/reports",
        summary="Report something for review",
        handle=does(_report),
        body=ReportBody,
        status=202,
        keyed=True,
        refuses=(NotFound,),
    ),
    Route(
        method="GET",
        path="/notifications",
        summary="What others did to one, newest first",
        handle=asks(_notifications),
        query=PageQuery,
        answer=Notifications,
        refuses=(InvalidCursor, Gone),
    ),
    Route(
        method="POST",
        path="/notifications/read",
        summary="Everything up to a number has been read",
        handle=does(lambda call: ReadNotifications(up_to_seq=call.body(ReadBody).up_to_seq)),
        body=ReadBody,
        status=204,
        keyed=True,
    ),
)
