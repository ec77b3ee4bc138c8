"""What parent and child say to each other: one request in, lines of JSON out.

The child decodes hostile bytes, so the parent reads its lines as it would a stranger's: bounded in
length and number, decoded into these types or not at all, and every file name checked.
"""

import msgspec

from actors.media import EncodedMedia, MediaFailure, MediaLimits


class ChildBounds(msgspec.Struct, frozen=True, kw_only=True):
    """What a child may use; enforced by the kernel, not by the child's good will."""

    cpu_s: int = 600
    memory_bytes: int = 3 * 1024**3
    file_bytes: int = 256 * 1024**2
    #: Added to the process's niceness, so that serving is not starved by encoding.
    nice: int = 10


class EncodeRequest(msgspec.Struct, frozen=True, kw_only=True, tag="encode"):
    """Turn the clip on standard input into a ladder, in the current directory."""

    size_bytes: int
    #: Lower-case hex; None where the client declared nothing.
    sha256: str | None = None
    limits: MediaLimits = msgspec.field(default_factory=MediaLimits)
    bounds: ChildBounds = msgspec.field(default_factory=ChildBounds)
    #: Threads of the decoder and of each encoder.
    threads: int = 2


class StillRequest(msgspec.Struct, frozen=True, kw_only=True, tag="still"):
    """Turn the picture on standard input into a square JPEG, `still.jpg` in the current directory."""

    side: int
    max_pixels: int
    bounds: ChildBounds = msgspec.field(default_factory=ChildBounds)


ChildRequest = EncodeRequest | StillRequest


class Progress(msgspec.Struct, frozen=True, kw_only=True, tag="progress"):
    """How far the child is, 0 to 1."""

    value: float


class Encoded(msgspec.Struct, frozen=True, kw_only=True, tag="encoded"):
    """The ladder is complete in the scratch folder; `files` are all of it."""

    media: EncodedMedia
    files: tuple[str, ...]


class StillEncoded(msgspec.Struct, frozen=True, kw_only=True, tag="still"):
    """The picture is complete."""

    file: str


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """The child's verdict; also what the parent makes of a child that dies without one."""

    failure: MediaFailure


ChildMessage = Progress | Encoded | StillEncoded | Failed

#: Only these names can leave a scratch folder, each with the type it is stored under.
CONTENT_TYPES = {
    "mp4": "video/mp4",
    "m3u8": "application/vnd.apple.mpegurl",
    "jpg": "image/jpeg",
    "webp": "image/webp",
}
