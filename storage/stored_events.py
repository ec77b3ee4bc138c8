"""What an object store tells of its buckets: the JSON of S3 events, read into names and sizes.

The message is written by an engine of ours, but its subject is open to whoever may publish there, and each S3
server words it a little differently. So a record that is not what is looked for is passed over, never an
error: an event only hastens what the sweep of uploads finds anyway, and one strange message must not stop the
others. Events come at least once, late and in any order; whoever acts on them asks the store again.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote_plus

import msgspec

#: What `s3:ObjectCreated:Put`, `:Post`, `:Copy` and `:CompleteMultipartUpload` begin with; AWS leaves `s3:` out.
_CREATED = ("s3:ObjectCreated:", "ObjectCreated:")
#: More records than this are not read: servers send one, AWS "one or more".
MAX_RECORDS = 1000


class StoredObject(msgspec.Struct, frozen=True, kw_only=True):
    """An object that was stored, as its event tells."""

    #: The whole key, decoded.
    name: str
    size_bytes: int


class _Object(msgspec.Struct):
    key: str
    size: int = 0


class _S3(msgspec.Struct):
    object: _Object


class _Record(msgspec.Struct):
    event_name: str = msgspec.field(name="eventName")
    s3: _S3 = msgspec.field(name="s3")


class _Message(msgspec.Struct):
    records: list[Any] = msgspec.field(name="Records", default_factory=list)


def parse_stored(data: bytes) -> Sequence[StoredObject]:
    """The objects that a message says were stored, in its order; empty for a message of anything else.

    Keys are decoded as S3 encodes them: `%2F` is a slash and `+` a space. What the key means is for the
    caller to judge.
    """
    try:
        message = msgspec.json.decode(data, type=_Message)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ()
    found = (_stored(record) for record in message.records[:MAX_RECORDS])
    return tuple(each for each in found if each is not None)


def _stored(record: Any) -> StoredObject | None:
    try:
        read = msgspec.convert(record, _Record)
        name = unquote_plus(read.s3.object.key, errors="strict")
    except (msgspec.ValidationError, UnicodeDecodeError):
        return None
    size = read.s3.object.size
    if not read.event_name.startswith(_CREATED) or not name or size < 0:
        return None
    return StoredObject(name=name, size_bytes=size)
