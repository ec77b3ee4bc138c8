"""The bodies of requests: what each call takes, and nothing else.

Unknown members are refused, so that a misspelt one is told and none can reach further than it was meant to.
"""

from typing import Annotated, Any, Literal

import msgspec

from gateway.fields import (
    Bio,
    Caption,
    CommentText,
    ContentType,
    DisplayName,
    Id,
    LoginName,
    NewPassword,
    Opaque,
    ReportText,
    Secret,
    Sha256,
    ShortWord,
    Size,
    Username,
    Whole,
)

#: At most this many entries in one report of views over HTTP, and over a websocket.
MAX_VIEWS = 100
MAX_SOCKET_VIEWS = 50
MAX_METADATA_BYTES = 2_048


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of bodies."""


class NoBody(Body, frozen=True, kw_only=True):
    """Nothing, or an empty object."""


class Acting(Body, frozen=True, kw_only=True):
    """Whoever acts may be named; it must be the token's user."""

    user_id: Id | None = None


class RegisterBody(Body, frozen=True, kw_only=True):
    username: Username
    password: NewPassword
    display_name: DisplayName | None = None


class LoginBody(Body, frozen=True, kw_only=True):
    username: LoginName
    password: Secret


class RefreshBody(Body, frozen=True, kw_only=True):
    refresh_token: Opaque


class PasswordBody(Body, frozen=True, kw_only=True):
    old: Secret
    new: NewPassword


class DeleteAccountBody(Body, frozen=True, kw_only=True):
    password: Secret


class UploadBody(Acting, frozen=True, kw_only=True):
    caption: Caption
    size_bytes: Size
    content_type: ContentType
    sha256: Sha256 | None = None
    metadata: dict[str, Any] | None = None
    upload_method: Literal["POST", "PUT"] = "POST"


class CaptionBody(Body, frozen=True, kw_only=True):
    caption: Caption


class CommentBody(Body, frozen=True, kw_only=True):
    text: CommentText
    parent_id: Id | None = None


class ShareBody(Body, frozen=True, kw_only=True):
    channel: ShortWord | None = None


class ViewsBody(Body, frozen=True, kw_only=True):
    """Entries are read one by one, so that an unusable one never spoils the batch."""

    views: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MAX_VIEWS)]


class ViewEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One viewing. What is unknown in it is ignored: a batch may come from a newer app."""

    view_id: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern="^[!-~]+$")]
    video_id: Id
    watched_ms: Annotated[int, msgspec.Meta(ge=0, le=86_400_000)]
    req_id: Annotated[str, msgspec.Meta(max_length=64, pattern="^[!-~]*$")] | None = None
    position: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None
    ago_ms: Annotated[int, msgspec.Meta(ge=0, le=7 * 86_400_000)] = 0
    completed: bool = False


class ProfileBody(Body, frozen=True, kw_only=True):
    display_name: DisplayName | None = None
    bio: Bio | None = None


class FollowBody(Body, frozen=True, kw_only=True):
    follower_id: Id | None = None
    followee_id: Id | None = None


class ReportBody(Body, frozen=True, kw_only=True):
    target_kind: Literal["video", "comment", "user"]
    target_id: Id
    reason: ShortWord
    text: ReportText | None = None


class ReadBody(Body, frozen=True, kw_only=True):
    up_to_seq: Whole
