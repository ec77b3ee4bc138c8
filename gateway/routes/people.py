"""People: profiles, pictures, follows, blocks."""

from hashlib import blake2b

from actors.answers import Followed, People, User, Videos
from actors.media import avatar_name
from actors.messages import (
    BlockUser,
    DeleteAccount,
    EditProfile,
    FollowUser,
    GetUser,
    ListFollows,
    ListLikes,
    ListUserVideos,
    SetAvatar,
)
from gateway.answer import Answer, empty
from gateway.bodies import DeleteAccountBody, FollowBody, NoBody, ProfileBody
from gateway.decoding import media_type
from gateway.queries import PageQuery
from gateway.route import Call, Route, asks, does, wrong_field
from gateway.routes.auth import proven
from gateway.streams import read_capped
from sharding.errors import (
    Conflict,
    Forbidden,
    Gone,
    InvalidCursor,
    NotFound,
    TooLarge,
    Unavailable,
    Unprocessable,
    UnsupportedMedia,
)

PICTURES = ("image/jpeg", "image/png", "image/webp")


async def set_avatar(call: Call) -> Answer:
    """Take a picture, re-encode it, keep it, show it."""
    request, deps = call.request, call.edge.deps
    if media_type(request.headers.getone("content-type", None)) not in PICTURES:
        raise UnsupportedMedia("Send a JPEG, PNG or WebP picture.")
    if deps.blobs is None:
        raise Unavailable("Pictures are not taken here.", executed=False)
    data = await read_capped(request, call.edge.settings.max_avatar_bytes)
    picture = await deps.encode_avatar(data)
    name = avatar_name(call.who.user_id, deps.ids.mint())
    writer = await deps.blobs.create(name, max_bytes=len(picture), content_type="image/jpeg")
    try:
        await writer.write(picture)
        await writer.commit()
    finally:
        await writer.abort()
    # What was sent tells a repeat from another picture; the name is new each time.
    digest = blake2b(data, digest_size=16).digest()
    return call.json(await call.ask(SetAvatar(name=name), digest=digest))


async def delete_account(call: Call) -> Answer:
    """End the account, once the password proves that its owner asks."""
    version = await proven(call, call.body(DeleteAccountBody).password)
    await call.ask(DeleteAccount(credential_version=version))
    return empty(202)


def _edit(call: Call) -> EditProfile:
    body = call.body(ProfileBody)
    return EditProfile(display_name=body.display_name, bio=body.bio)


def _follow(call: Call) -> FollowUser:
    body = call.body(FollowBody)
    call.acting(body.follower_id)
    if body.followee_id is not None and body.followee_id != call.person:
        raise wrong_field("followee_id", "differs")
    return FollowUser(user_id=call.person, following=call.route.method == "POST")


def _followers(call: Call) -> ListFollows:
    query = call.query(PageQuery)
    return ListFollows(
        user_id=call.person,
        direction="followers" if call.route.path.endswith("/followers") else "following",
        cursor=query.cursor,
        limit=query.limit,
    )


def _videos(call: Call) -> ListUserVideos:
    query = call.query(PageQuery)
    return ListUserVideos(user_id=call.person, cursor=query.cursor, limit=query.limit)


def _likes(call: Call) -> ListLikes:
    query = call.query(PageQuery)
    return ListLikes(cursor=query.cursor, limit=query.limit)


ROUTES = (
    Route(
        method="GET",
        path="/user/{user_id}",
        summary="A profile, by id, `me` or `@username`",
        handle=asks(lambda call: GetUser(user_id=call.person)),
        answer=User,
        refuses=(NotFound,),
    ),
    # Said apart, because Sanic's router stops at the fixed step and never tries `{user_id}`.
    Route(
        method="GET",
        path="/user/me",
        summary="One's own profile",
        handle=asks(lambda call: GetUser(user_id=call.who.user_id)),
        answer=User,
    ),
    Route(
        method="PATCH",
        path="/user/me",
        summary="Change one's name or bio",
        handle=asks(_edit),
        body=ProfileBody,
        answer=User,
    ),
    Route(
        method="POST",
        path="/user/me/avatar",
        summary="Show a picture of oneself",
        handle=set_avatar,
        answer=User,
        keyed=True,
        streams=PICTURES,
        refuses=(TooLarge, UnsupportedMedia, Unprocessable),
    ),
    Route(
        method="DELETE",
        path="/user/me/avatar",
        summary="Show no picture of oneself",
        handle=does(lambda call: SetAvatar(name=None)),
        body=NoBody,
        status=204,
    ),
    Route(
        method="DELETE",
        path="/user/me",
        summary="Delete one's account",
        handle=delete_account,
        body=DeleteAccountBody,
        status=202,
        refuses=(Forbidden, Conflict),
    ),
    *(
        Route(
            method=method,
            path="/user/{user_id}/follow",
            summary=summary,
            handle=asks(_follow),
            body=FollowBody,
            answer=Followed,
            keyed=method == "POST",
            refuses=(NotFound, Forbidden, Unprocessable),
        )
        for method, summary in (("POST", "Follow someone"), ("DELETE", "No longer follow someone"))
    ),
    *(
        Route(
            method=method,
            path="/user/{user_id}/block",
            summary=summary,
            handle=does(
                lambda call: BlockUser(user_id=call.person, blocked=call.route.method == "POST")
            ),
            body=NoBody,
            status=204,
            keyed=method == "POST",
            refuses=(NotFound, Unprocessable),
        )
        for method, summary in (("POST", "Block someone"), ("DELETE", "No longer block someone"))
    ),
    *(
        Route(
            method="GET",
            path=f"/user/{{user_id}}/{direction}",
            summary=summary,
            handle=asks(_followers),
            query=PageQuery,
            answer=People,
            refuses=(NotFound, InvalidCursor, Gone),
        )
        for direction, summary in (
            ("followers", "Who follows someone"),
            ("following", "Whom someone follows"),
        )
    ),
    Route(
        method="GET",
        path="/user/{user_id}/videos",
        summary="Videos of someone, newest first",
        handle=asks(_videos),
        query=PageQuery,
        answer=Videos,
        refuses=(NotFound, InvalidCursor, Gone),
    ),
    Route(
        method="GET",
        path="/user/me/likes",
        summary="Videos that one likes, newest like first",
        handle=asks(_likes),
        query=PageQuery,
        answer=Videos,
        refuses=(InvalidCursor, Gone),
    ),
)
