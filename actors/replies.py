"""What an actor answers where the gateway has to do more than send: sign, verify or attach.

Every other answer is finished JSON, which goes out as it is.
"""

from typing import Literal

import msgspec

from actors.rows import VideoStatus


class Granted(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A session was opened or went on: the gateway signs an access token and refresh token `current`."""

    user_id: int
    family_id: int
    current: int
    expires_ms: int
    #: JSON of User; empty on refresh.
    user: bytes = b""


class CredentialFound(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a password is verified against."""

    password_hash: str
    version: int


class UploadTicket(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An upload as its author sees it; the gateway signs the way to the store while it is awaited."""

    video_id: int
    status: VideoStatus
    source: str
    size_bytes: int
    content_type: str
    sha256: str | None
    method: Literal["POST", "PUT"]
    progress: float = 0.0
    rungs: tuple[str, ...] = ()
    error_code: str | None = None
    error_title: str | None = None


class Uploads(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A page of unfinished uploads."""

    items: tuple[UploadTicket, ...]
    next_cursor: str | None


class Attached(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A websocket's place in its user's numbering, and the frames that it missed, in order."""

    seq: int
    resumed: bool
    missed: tuple[bytes, ...]
    #: What cannot be replayed: the client must read again and go on after `seq`.
    resync: bool


#: What answers a message: JSON, or a struct that the edge goes on with.
Reply = bytes | Granted | CredentialFound | UploadTicket | Uploads | Attached
