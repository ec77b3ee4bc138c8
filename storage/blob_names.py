"""What may be the name of a blob, wherever blobs lie: safe as a path, as a key of S3 and within an address."""

import re

from sharding.errors import InvalidRequest

#: The longest name, in characters.
MAX_NAME_CHARS = 512

#: Types that the ending of a name tells.
CONTENT_TYPES = {
    "mp4": "video/mp4",
    "m3u8": "application/vnd.apple.mpegurl",
    "jpg": "image/jpeg",
    "webp": "image/webp",
}

_STEP = re.compile(r"[A-Za-z0-9._-]{1,128}")
_PREFIX = re.compile(r"[A-Za-z0-9._/-]*")
_UNKNOWN_TYPE = "application/octet-stream"


def checked_name(name: str) -> str:
    """`name`, which is one of a blob: steps of letters, digits, `.`, `_` and `-`, none hidden.

    Raises:
        InvalidRequest: it is not.
    """
    steps = name.split("/")
    if len(name) > MAX_NAME_CHARS or not all(_STEP.fullmatch(step) for step in steps):
        raise InvalidRequest("This is no name of a blob.", context=repr(name))
    if any(step.startswith(".") for step in steps):
        raise InvalidRequest("A step of a blob's name starts with a dot.", context=repr(name))
    return name


def checked_prefix(prefix: str) -> str:
    """`prefix`, which begins names of blobs.

    Raises:
        InvalidRequest: it does not.
    """
    if not _PREFIX.fullmatch(prefix) or ".." in prefix.split("/"):
        raise InvalidRequest("This is no prefix of a blob's name.", context=repr(prefix))
    return prefix


def told_type(name: str) -> str:
    """The type that a name's ending tells."""
    return CONTENT_TYPES.get(name.rpartition(".")[2], _UNKNOWN_TYPE)
