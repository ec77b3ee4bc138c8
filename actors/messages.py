"""What may be asked of a user's actor: every call of API.md, as a frozen struct.

Commands are imperative and change something; queries begin with Get, List or Find. `Message[R]` says what
the answer is: `bytes` are finished JSON that the gateway sends as it is; a struct is something that the
gateway still has to sign, verify or attach.
"""

from typing import ClassVar, Generic, Literal, TypeVar

import msgspec

from actors.replies import Attached, CredentialFound, Granted, Uploads, UploadTicket
from actors.rows import ActivityKind

R = TypeVar("R", covariant=True)


class Message(msgspec.Struct, Generic[R], frozen=True, kw_only=True, tag=True):
    """Base of everything that can be asked."""

    #: A command runs after those before it and under an op id; a query runs at once beside them.
    COMMAND: ClassVar[bool] = False
    #: Whether it is for someone without a live session: registration and sign-in themselves.
    OPEN: ClassVar[bool] = False


class Command(Message[R], Generic[R], frozen=True, kw_only=True):
    """Base of everything that changes something."""

    COMMAND = True


# Accounts. The gateway hashes passwords and claims names; all else of an account is its user's actor.


class Register(Command[Granted], frozen=True, kw_only=True):
    """Make the account. Answered the same when it is repeated for the same family."""

    OPEN = True
    username: str
    display_name: str
    password_hash: str
    family_id: int


class FindCredential(Message[CredentialFound], frozen=True, kw_only=True):
    """What to verify a password against. Unauthenticated where there is no such account."""

    OPEN = True


class OpenSession(Command[Granted], frozen=True, kw_only=True):
    """Sign in, after the password was verified against that version."""

    OPEN = True
    credential_version: int
    family_id: int


class RefreshSession(Command[Granted], frozen=True, kw_only=True):
    """Go from refresh token `number` to its successor."""

    OPEN = True
    family_id: int
    number: int


class EndSession(Command[bytes], frozen=True, kw_only=True):
    """Sign out; also for a session that is not there."""

    OPEN = True
    family_id: int


class ChangePassword(Command[bytes], frozen=True, kw_only=True):
    """Replace the credential and end all other sessions."""

    credential_version: int
    password_hash: str


class DeleteAccount(Command[bytes], frozen=True, kw_only=True):
    """End the account; its content goes within a day."""

    credential_version: int


# Uploads.


class GetUploadLimits(Message[bytes], frozen=True, kw_only=True):
    """What may be uploaded now."""


class CreateUpload(Command[UploadTicket], frozen=True, kw_only=True):
    """Announce a file."""

    caption: str
    size_bytes: int
    content_type: str
    sha256: str | None = None
    #: JSON text.
    metadata: str | None = None
    method: Literal["POST", "PUT"] = "POST"


class CompleteUpload(Command[bytes], frozen=True, kw_only=True):
    """The file is in the store; `stored_bytes` is None when the store has none."""

    video_id: int
    stored_bytes: int | None


class NoticeStored(Command[bytes], frozen=True, kw_only=True):
    """A sweep found the file of an upload that nobody completed."""

    OPEN = True
    video_id: int
    stored_bytes: int


class GetUpload(Message[UploadTicket], frozen=True, kw_only=True):
    """How an upload goes; only its author sees it."""

    video_id: int


class ListUploads(Message[Uploads], frozen=True, kw_only=True):
    """One's own unfinished and failed uploads, newest first."""

    cursor: str | None = None
    limit: int = 20


# Feeds and videos.


class GetFeed(Message[bytes], frozen=True, kw_only=True):
    """A page of a feed."""

    tab: Literal["foryou", "following"] = "foryou"
    cursor: str | None = None
    limit: int = 10


class GetVideo(Message[bytes], frozen=True, kw_only=True):
    """One video."""

    video_id: int


class GetVideos(Message[bytes], frozen=True, kw_only=True):
    """Several videos, for renewing a cached feed."""

    video_ids: tuple[int, ...]
    #: What was asked for but is no id at all; named among the missing.
    unknown: tuple[str, ...] = ()


class EditVideo(Command[bytes], frozen=True, kw_only=True):
    """Change a caption."""

    video_id: int
    caption: str


class DeleteVideo(Command[bytes], frozen=True, kw_only=True):
    """Remove a video of one's own, in any status."""

    video_id: int


class LikeVideo(Command[bytes], frozen=True, kw_only=True):
    """Like a video, or no longer."""

    video_id: int
    liked: bool


class ShareVideo(Command[bytes], frozen=True, kw_only=True):
    """Note that a video was shared."""

    video_id: int
    channel: str | None = None


class MarkNotInterested(Command[bytes], frozen=True, kw_only=True):
    """Do not show a video again."""

    video_id: int


class View(msgspec.Struct, frozen=True, kw_only=True):
    """One viewing as the client reports it."""

    view_id: str
    video_id: int
    req_id: str | None = None
    position: int | None = None
    ago_ms: int = 0
    watched_ms: int = 0
    completed: bool = False


class ReportViews(Command[bytes], frozen=True, kw_only=True):
    """What was watched. `unusable` entries were dropped before they got here."""

    views: tuple[View, ...]
    unusable: int = 0


# Comments.


class ListComments(Message[bytes], frozen=True, kw_only=True):
    """Comments under a video, or answers to one."""

    video_id: int
    parent_id: int | None = None
    cursor: str | None = None
    limit: int = 20


class PostComment(Command[bytes], frozen=True, kw_only=True):
    """Say something under a video."""

    video_id: int
    text: str
    parent_id: int | None = None


class DeleteComment(Command[bytes], frozen=True, kw_only=True):
    """Remove a comment of one's own, or any under a video of one's own."""

    video_id: int
    comment_id: int


class LikeComment(Command[bytes], frozen=True, kw_only=True):
    """Like a comment, or no longer."""

    video_id: int
    comment_id: int
    liked: bool


# People.


class GetUser(Message[bytes], frozen=True, kw_only=True):
    """A profile; one's own when `user_id` is the asker's."""

    user_id: int


class EditProfile(Command[bytes], frozen=True, kw_only=True):
    """Change one's name or bio; None leaves it."""

    display_name: str | None = None
    bio: str | None = None


class SetAvatar(Command[bytes], frozen=True, kw_only=True):
    """Show the picture stored under `name`, or none."""

    name: str | None


class FollowUser(Command[bytes], frozen=True, kw_only=True):
    """Follow someone, or no longer."""

    user_id: int
    following: bool


class BlockUser(Command[bytes], frozen=True, kw_only=True):
    """Block someone, or no longer."""

    user_id: int
    blocked: bool


class ListFollows(Message[bytes], frozen=True, kw_only=True):
    """Who follows a user, or whom they follow."""

    user_id: int
    direction: Literal["followers", "following"]
    cursor: str | None = None
    limit: int = 20


class ListUserVideos(Message[bytes], frozen=True, kw_only=True):
    """A user's videos, newest first."""

    user_id: int
    cursor: str | None = None
    limit: int = 20


class ListLikes(Message[bytes], frozen=True, kw_only=True):
    """The videos that one likes, newest like first."""

    cursor: str | None = None
    limit: int = 20


class ListActivity(Message[bytes], frozen=True, kw_only=True):
    """What one did, newest first; all kinds when none is named."""

    kinds: tuple[ActivityKind, ...] = ()
    cursor: str | None = None
    limit: int = 20


class SubmitReport(Command[bytes], frozen=True, kw_only=True):
    """Report something for review."""

    target_kind: Literal["video", "comment", "user"]
    target_id: int
    reason: str
    text: str | None = None


class ListNotifications(Message[bytes], frozen=True, kw_only=True):
    """What others did to one, newest first."""

    cursor: str | None = None
    limit: int = 20


class ReadNotifications(Command[bytes], frozen=True, kw_only=True):
    """Everything up to this number has been read."""

    up_to_seq: int


# Websockets.


class AttachSocket(Command[Attached], frozen=True, kw_only=True):
    """Send events to this connection from now on; `resume` is the last number that the client saw."""

    connection: str
    resume: int | None


class DetachSocket(Command[bytes], frozen=True, kw_only=True):
    """The connection is gone."""

    OPEN = True
    connection: str


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """On whose behalf, and how patiently, something is asked."""

    #: Family of the session; 0 only for messages that are OPEN.
    session: int = 0
    #: Names the command for ever: of (user, method, path, key), or made at the edge without a key.
    op_id: bytes = b""
    #: Whether the client gave a key, so that the answer is kept for a repeat.
    keyed: bool = False
    #: Digest of the request's body, for telling a repeat from a conflict.
    digest: bytes = b""
    #: When the asker stops waiting, on the clock's monotonic scale; 0 is never.
    deadline: float = 0.0
    request_id: str = ""
