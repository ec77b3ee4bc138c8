"""Every call asks its actor exactly one thing, and sends what comes back."""

from actors import messages as m
from gateway.routes import ROUTES
from tests.integration.gateway.stand_in import COMMENT, ME, OTHER, SESSION, VIDEO

VIEW = {"view_id": "a", "video_id": str(VIDEO), "watched_ms": 5}

#: Call, path, body, message, status.
CALLS = [
    ("GET", "/upload/limits", None, m.GetUploadLimits(), 200),
    (
        "POST",
        "/upload/video",
        {
            "caption": " hi ",
            "size_bytes": 10,
            "content_type": "video/mp4",
            "metadata": {"a": 1},
            "upload_method": "PUT",
            "user_id": str(ME),
        },
        m.CreateUpload(
            caption="hi",
            size_bytes=10,
            content_type="video/mp4",
            metadata='{"a":1}',
            method="PUT",
        ),
        201,
    ),
    ("GET", "/upload/video", None, m.ListUploads(), 200),
    ("GET", f"/upload/video/{VIDEO}", None, m.GetUpload(video_id=VIDEO), 200),
    (
        "POST",
        f"/upload/video/{VIDEO}/complete",
        None,
        m.CompleteUpload(video_id=VIDEO, stored_bytes=None),
        202,
    ),
    ("GET", "/feed", None, m.GetFeed(), 200),
    (
        "GET",
        f"/feed?tab=following&limit=5&cursor=abc&user_id={ME}",
        None,
        m.GetFeed(tab="following", limit=5, cursor="abc"),
        200,
    ),
    ("GET", "/videos?ids=3,x,1", None, m.GetVideos(video_ids=(3, 1), unknown=("x",)), 200),
    ("GET", f"/video/{VIDEO}", None, m.GetVideo(video_id=VIDEO), 200),
    (
        "PATCH",
        f"/video/{VIDEO}",
        {"caption": "new"},
        m.EditVideo(video_id=VIDEO, caption="new"),
        200,
    ),
    ("DELETE", f"/video/{VIDEO}", None, m.DeleteVideo(video_id=VIDEO), 204),
    ("POST", f"/video/{VIDEO}/like", None, m.LikeVideo(video_id=VIDEO, liked=True), 200),
    (
        "DELETE",
        f"/video/{VIDEO}/like",
        {"user_id": str(ME)},
        m.LikeVideo(video_id=VIDEO, liked=False),
        200,
    ),
    (
        "POST",
        f"/video/{VIDEO}/share",
        {"channel": "sms"},
        m.ShareVideo(video_id=VIDEO, channel="sms"),
        200,
    ),
    ("POST", f"/video/{VIDEO}/not-interested", None, m.MarkNotInterested(video_id=VIDEO), 204),
    (
        "POST",
        "/views",
        {"views": [VIEW, {}]},
        m.ReportViews(
            views=(m.View(view_id="a", video_id=VIDEO, watched_ms=5),),
            unusable=1,
        ),
        202,
    ),
    (
        "GET",
        f"/video/{VIDEO}/comments?parent_id={COMMENT}",
        None,
        m.ListComments(video_id=VIDEO, parent_id=COMMENT),
        200,
    ),
    (
        "POST",
        f"/video/{VIDEO}/comments",
        {"text": "well\nsaid", "parent_id": str(COMMENT)},
        m.PostComment(video_id=VIDEO, text="well\nsaid", parent_id=COMMENT),
        201,
    ),
    (
        "DELETE",
        f"/video/{VIDEO}/comments/{COMMENT}",
        None,
        m.DeleteComment(video_id=VIDEO, comment_id=COMMENT),
        204,
    ),
    (
        "POST",
        f"/video/{VIDEO}/comments/{COMMENT}/like",
        None,
        m.LikeComment(video_id=VIDEO, comment_id=COMMENT, liked=True),
        200,
    ),
    (
        "DELETE",
        f"/video/{VIDEO}/comments/{COMMENT}/like",
        None,
        m.LikeComment(video_id=VIDEO, comment_id=COMMENT, liked=False),
        200,
    ),
    ("GET", "/user/me", None, m.GetUser(user_id=ME), 200),
    ("GET", f"/user/{OTHER}", None, m.GetUser(user_id=OTHER), 200),
    ("GET", "/user/@bob", None, m.GetUser(user_id=OTHER), 200),
    ("GET", "/user/%40bob", None, m.GetUser(user_id=OTHER), 200),
    ("PATCH", "/user/me", {"bio": "hi"}, m.EditProfile(display_name=None, bio="hi"), 200),
    ("DELETE", "/user/me/avatar", None, m.SetAvatar(name=None), 204),
    (
        "POST",
        f"/user/{OTHER}/follow",
        {"follower_id": str(ME), "followee_id": str(OTHER)},
        m.FollowUser(user_id=OTHER, following=True),
        200,
    ),
    ("DELETE", "/user/@bob/follow", None, m.FollowUser(user_id=OTHER, following=False), 200),
    ("POST", f"/user/{OTHER}/block", None, m.BlockUser(user_id=OTHER, blocked=True), 204),
    ("DELETE", f"/user/{OTHER}/block", None, m.BlockUser(user_id=OTHER, blocked=False), 204),
    (
        "GET",
        f"/user/{OTHER}/followers",
        None,
        m.ListFollows(user_id=OTHER, direction="followers"),
        200,
    ),
    (
        "GET",
        "/user/me/following?limit=3",
        None,
        m.ListFollows(user_id=ME, direction="following", limit=3),
        200,
    ),
    (
        "GET",
        f"/user/{OTHER}/videos?cursor=c",
        None,
        m.ListUserVideos(user_id=OTHER, cursor="c"),
        200,
    ),
    ("GET", "/user/me/likes", None, m.ListLikes(), 200),
    (
        "GET",
        "/user/me/activity?kind=like,share",
        None,
        m.ListActivity(kinds=("like", "share")),
        200,
    ),
    (
        "POST",
        "/reports",
        {"target_kind": "video", "target_id": str(VIDEO), "reason": "spam"},
        m.SubmitReport(target_kind="video", target_id=VIDEO, reason="spam"),
        202,
    ),
    ("GET", "/notifications", None, m.ListNotifications(), 200),
    ("POST", "/notifications/read", {"up_to_seq": 9}, m.ReadNotifications(up_to_seq=9), 204),
]

#: What needs more than one question; told by test_accounts, test_uploads and test_sockets.
TOLD_ELSEWHERE = {
    "POST /auth/register",
    "POST /auth/login",
    "POST /auth/refresh",
    "POST /auth/logout",
    "POST /auth/password",
    "POST /user/me/avatar",
    "DELETE /user/me",
    "POST /ws/ticket",
}
ASK_NOBODY = {
    "GET /.well-known/jwks.json",
    "GET /healthz",
    "GET /readyz",
    "GET /openapi.json",
    "GET /asyncapi.json",
}


async def test_every_call_asks_its_one_message(gateway):
    for method, path, body, message, status in CALLS:
        gateway.node.asked.clear()
        answered, answer, headers = await gateway.call(method, path, json=body)
        assert (answered, gateway.node.last) == (status, message), (method, path, answer)
        ((user_id, _, caller),) = gateway.node.asked
        assert (user_id, caller.session) == (ME, SESSION)
        assert bool(caller.op_id) is message.COMMAND
        assert caller.deadline > gateway.edge.clock.monotonic()
        assert headers["Cache-Control"] == "private, no-store"
        assert headers["X-Request-Id"] == caller.request_id


def test_every_call_of_the_table_is_told_here():
    told = {(method, template(method, path)) for method, path, *_ in CALLS}
    names = {route.name for route in ROUTES} - TOLD_ELSEWHERE - ASK_NOBODY
    assert {" ".join(each) for each in told} == names


def template(method, path):
    """The route that a path of the table belongs to."""
    steps = path.partition("?")[0].split("/")
    fixed_first = sorted(ROUTES, key=lambda route: len(route.parameters))
    for route in fixed_first:
        wanted = route.path.split("/")
        if route.method != method:
            continue
        if len(wanted) == len(steps) and all(
            want == step or want.startswith("{") for want, step in zip(wanted, steps, strict=True)
        ):
            return route.path
    raise LookupError(path)


async def test_an_answer_is_sent_as_it_comes(gateway):
    gateway.node.replies[m.GetVideo] = b'{"video_id" : "5"}'
    async with gateway.client.get(
        f"{gateway.url}/video/{VIDEO}", headers=gateway.bearer()
    ) as answer:
        assert await answer.read() == b'{"video_id" : "5"}'


async def test_a_warm_feed_is_not_waited_for(gateway):
    gateway.node.warm = b'{"items":[]}'
    status, page, headers = await gateway.call("GET", "/feed", headers={"X-Request-Id": "mine-1"})
    assert (status, page) == (200, {"items": []})
    assert gateway.node.asked == []
    assert headers["X-Request-Id"] == "mine-1"
    assert headers["Cache-Control"] == "private, no-store"


async def test_a_key_names_the_command_for_ever_and_only_for_its_own_path(gateway):
    async def op(path, key, body=None):
        headers = {"Idempotency-Key": key} if key else {}
        await gateway.call("POST", path, json=body, headers=headers)
        return gateway.node.asked[-1][2]

    first = await op("/video/5/share", "k")
    again = await op("/video/5/share", "k")
    assert first.keyed
    assert (first.op_id, first.digest) == (again.op_id, again.digest)
    other_body = await op("/video/5/share", "k", {"channel": "sms"})
    assert other_body.op_id == first.op_id
    assert other_body.digest != first.digest
    others = [await op("/video/6/share", "k"), await op("/video/5/like", "k")]
    others += [await op("/video/5/share", "l"), await op("/video/5/share", None)]
    others += [await op("/video/5/share", None)]
    assert len({first.op_id, *(each.op_id for each in others)}) == 6
    assert not others[-1].keyed


async def test_a_request_id_that_is_not_sane_is_replaced(gateway):
    for given in ("x" * 65, "a b", "a\u00e9", ""):
        _, _, headers = await gateway.call("GET", "/healthz", headers={"X-Request-Id": given})
        assert headers["X-Request-Id"] != given


async def test_head_and_options_are_answered_sensibly(gateway):
    gateway.node.warm = b'{"items":[]}'
    status, body, headers = await gateway.call("HEAD", "/feed")
    assert (status, body, headers["Content-Length"]) == (200, b"", "12")
    status, _, headers = await gateway.call("OPTIONS", "/video/5")
    assert (status, headers["Allow"]) == (204, "DELETE, GET, HEAD, OPTIONS, PATCH")


async def test_readiness_is_told_for_each_dependency(gateway):
    async def holds():
        return True

    async def breaks():
        raise OSError

    gateway.checks.update(store=holds)
    assert (await gateway.call("GET", "/readyz"))[:2] == (
        200,
        {"ready": True, "checks": {"store": True}},
    )
    gateway.checks.update(bus=breaks)
    status, told, _ = await gateway.call("GET", "/readyz")
    assert (status, told) == (503, {"ready": False, "checks": {"store": True, "bus": False}})
