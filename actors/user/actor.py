"""The user's actor as the runtime sees it: one table from messages to handlers, one from events."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, ClassVar

import msgspec

from actors import messages as m
from actors.actor import Kind, Loader
from actors.events import (
    AccountClosed,
    AnyEvent,
    CommentNoticed,
    EncodingProgressed,
    FollowSettled,
    LikeNoticed,
    UserBlocked,
    UserFollowed,
    UserLeft,
    VideoArrived,
    VideoTurned,
)
from actors.records import UserTally
from actors.turn import Turn
from actors.user import (
    account,
    activity,
    closing,
    comments,
    feed,
    following,
    likes,
    notifications,
    people,
    sockets,
    uploads,
    views,
)
from actors.user.state import User, dump
from actors.world import World

Handler = Callable[[User, Any, Turn], Any]

HANDLERS: Mapping[type[m.Message[Any]], Handler] = {
    m.Register: account.register,
    m.FindCredential: account.find_credential,
    m.OpenSession: account.open_session,
    m.RefreshSession: account.refresh_session,
    m.EndSession: account.end_session,
    m.ChangePassword: account.change_password,
    m.DeleteAccount: account.delete_account,
    m.EditProfile: account.edit_profile,
    m.SetAvatar: account.set_avatar,
    m.GetUploadLimits: uploads.get_upload_limits,
    m.CreateUpload: uploads.create_upload,
    m.CompleteUpload: uploads.complete_upload,
    m.NoticeStored: uploads.complete_upload,
    m.GetUpload: uploads.get_upload,
    m.ListUploads: uploads.list_uploads,
    m.EditVideo: uploads.edit_video,
    m.DeleteVideo: uploads.delete_video,
    m.GetFeed: feed.get_feed,
    m.GetVideo: views.get_video,
    m.GetVideos: views.get_videos,
    m.ReportViews: views.report_views,
    m.LikeVideo: likes.like_video,
    m.ListLikes: likes.list_likes,
    m.ShareVideo: likes.share_video,
    m.MarkNotInterested: likes.not_interested,
    m.SubmitReport: likes.submit_report,
    m.ListComments: comments.list_comments,
    m.PostComment: comments.post_comment,
    m.DeleteComment: comments.delete_comment,
    m.LikeComment: comments.like_comment,
    m.GetUser: people.get_user,
    m.FollowUser: people.follow_user,
    m.BlockUser: people.block_user,
    m.ListFollows: people.list_follows,
    m.ListUserVideos: people.list_user_videos,
    m.ListActivity: activity.list_activity,
    m.ListNotifications: notifications.list_notifications,
    m.ReadNotifications: notifications.read_notifications,
    m.AttachSocket: sockets.attach,
    m.DetachSocket: sockets.detach,
}

HEARERS: Mapping[type, Callable[[User, Any, Turn], None]] = {
    VideoTurned: uploads.turned,
    EncodingProgressed: uploads.progressed,
    VideoArrived: following.arrived,
    LikeNoticed: notifications.like_noticed,
    CommentNoticed: notifications.comment_noticed,
    UserFollowed: notifications.followed,
    UserBlocked: people.blocked,
    FollowSettled: lambda user, event, turn: following.forget_inbox(user),
    AccountClosed: closing.go_on,
    UserLeft: lambda user, event, turn: people.unfollow(user, turn, event.user_id),
}


class UserActor:
    """Fills `actors.actor.Actor`."""

    __slots__ = ("user",)

    KIND: ClassVar[Kind] = "user"

    def __init__(self, user: User) -> None:
        self.user = user

    @property
    def heard(self) -> int:
        """How many events it has heard."""
        return self.user.heard

    @property
    def suspect(self) -> bool:
        """Whether a fact was counted whose event may still be on its way."""
        return self.user.suspect

    def ask(self, message: m.Message[Any], turn: Turn, session: int) -> Any:
        """Answer on behalf of a session that is alive, or of nobody where the message allows it."""
        kind = type(message)
        if not kind.OPEN:
            sockets.require_session(self.user, session)
            turn.session = session
        return HANDLERS[kind](self.user, message, turn)

    def hear(self, event: AnyEvent, turn: Turn) -> None:
        """Take note of an event; what is meant for someone who never was is for nobody."""
        if self.user.account is not None:
            HEARERS[type(event)](self.user, event, turn)
        self.user.heard += 1

    def tick(self, turn: Turn) -> None:
        """Let out what was held back."""
        notifications.likes_due(self.user, turn)

    def dump(self, part: str) -> bytes | None:
        """One part of the state as it is stored."""
        return dump(self.user, part)

    def count(self, tally: UserTally, turn: Turn) -> int:
        """Set the counts to the sizes of the facts."""
        counts = self.user.counts
        right = msgspec.structs.replace(counts, **msgspec.structs.asdict(tally))
        off = sum(
            abs(int(getattr(right, name)) - int(getattr(counts, name)))
            for name in tally.__struct_fields__
        )
        if off:
            self.user.set_counts(turn, right)
        else:
            # In any case: it may be the row that is wrong, and this actor that is right.
            turn.write(right)
        if bool(off) != self.user.suspect:
            # A fact may have been counted whose event is still on its way: it must fit once more.
            self.user.suspect = bool(off)
            turn.put("suspect", b"1" if off else None)
        return off

    @property
    def restless(self) -> bool:
        """Whether likes wait for their second to pass."""
        return bool(self.user.marks.pending)

    @property
    def connections(self) -> Collection[str]:
        """The websockets of this user."""
        return self.user.sockets.keys()

    def __repr__(self) -> str:
        return f"<UserActor {self.user.id} sessions={len(self.user.sessions)}>"


def user_loader(world: World) -> Loader:
    """Makes users' actors from their parts and their account."""

    async def load(user_id: int, parts: Mapping[str, bytes]) -> UserActor:
        user = User(user_id, world, await world.people.account(user_id), parts)
        if user.account is not None and "counts" not in parts:
            # The state was lost; the counts were also written as facts.
            for profile in await world.people.profiles((user_id,)):
                user.counts = profile.counts
        return UserActor(user)

    return load
