"""The query strings of calls, and how they are read.

Unknown parameters are ignored (proxies and analytics add theirs); a known one that is repeated, empty or wrong is
refused, because guessing what was meant would hide a client's mistake.
"""

import re
from typing import Annotated, Any, ClassVar, Literal, TypeVar, cast, get_args
from urllib.parse import parse_qsl

import msgspec

from actors.rows import ActivityKind
from gateway.fields import Id, Opaque, Text, dec_hook, plain
from sharding.errors import FieldError, InvalidCursor, InvalidRequest
from sharding.ids import parse_id

Q = TypeVar("Q", bound="Query")

MAX_IDS = 50
#: Printable words with commas between them: what is no id is told as missing, not refused.
IDS_PATTERN = r"^[!-+\--~]{1,64}(,[!-+\--~]{1,64}){0,49}$"
MAX_LIMIT = 50
#: Bytes that are no UTF-8 come out of `parse_qsl` as lone surrogates.
_UTF8 = re.compile("[^\ud800-\udfff]*")
_LIMIT = re.compile("[1-9][0-9]?")
_IDS = re.compile(IDS_PATTERN)


class Cursor(Opaque):
    """Where a list goes on; only its maker can read it."""

    MAX = 1_024


class Limit(Id):
    """How many at most."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> "Limit":
        if not isinstance(value, str) or not _LIMIT.fullmatch(value) or int(value) > MAX_LIMIT:
            raise ValueError("limit")
        return cls(value)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        return {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}


class Ids(Text):
    """Ids with commas between them; what is no id is answered as missing."""

    MAX = MAX_IDS * 65

    @classmethod
    def parse(cls, value: object) -> "Ids":
        if not isinstance(value, str) or not _IDS.fullmatch(value):
            raise ValueError("ids")
        return cls(value)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "pattern": IDS_PATTERN}


class Kinds(Text):
    """Kinds of activity with commas between them."""

    KNOWN: ClassVar[tuple[str, ...]] = get_args(ActivityKind)
    MAX = 100

    @classmethod
    def parse(cls, value: object) -> "Kinds":
        text = super().parse(value)
        if not set(text.split(",")) <= set(cls.KNOWN):
            raise ValueError("kind")
        return cls(text)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        one = "|".join(cls.KNOWN)
        return {"type": "string", "pattern": f"^({one})(,({one})){{0,9}}$"}


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Base of query strings."""


class NoQuery(Query, frozen=True, kw_only=True):
    """Nothing that is looked at."""


class FeedQuery(Query, frozen=True, kw_only=True):
    tab: Literal["foryou", "following"] = "foryou"
    cursor: Cursor | None = None
    limit: Limit = cast(Limit, 10)
    user_id: Id | None = None


class PageQuery(Query, frozen=True, kw_only=True):
    cursor: Cursor | None = None
    limit: Limit = cast(Limit, 20)


class CommentsQuery(PageQuery, frozen=True, kw_only=True):
    parent_id: Id | None = None


class ActivityQuery(PageQuery, frozen=True, kw_only=True):
    kind: Kinds | None = None


class IdsQuery(Query, frozen=True, kw_only=True):
    ids: Ids


class TicketQuery(Query, frozen=True, kw_only=True):
    ticket: Annotated[Opaque | None, msgspec.Meta(description="From POST /ws/ticket.")] = None


def read_query(raw: bytes, kind: type[Q], *, max_fields: int = 32) -> Q:
    """The parameters in `raw`.

    Raises:
        InvalidRequest: a known parameter is wrong, repeated or missing, or there are too many.
        InvalidCursor: it is the cursor that cannot be one of ours.
    """
    if not raw:
        pairs = []
    else:
        try:
            pairs = parse_qsl(
                raw.decode("ascii"), True, errors="surrogateescape", max_num_fields=max_fields
            )
        except ValueError as error:
            raise InvalidRequest("The query string cannot be read.") from error
    known = kind.__struct_fields__
    values: dict[str, str] = {}
    for name, value in pairs:
        if name in known:
            if name in values:
                raise _wrong(name, "repeated")
            if not _UTF8.fullmatch(value):
                raise _wrong(name, "invalid")
            values[name] = value
    try:
        return plain(msgspec.convert(values, kind, dec_hook=dec_hook))
    except msgspec.ValidationError as error:
        field = re.search(r"`\$\.(\w+)`|field `(\w+)`", str(error))
        name = (field[1] or field[2]) if field else ""
        raise _wrong(name, "missing" if "missing" in str(error) else "invalid") from None


def split_ids(text: str) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The ids in a list with commas, in order and once each, and the entries that are none."""
    entries = {each: parse_id(each) for each in text.split(",")}
    ids = tuple(number for number in entries.values() if number is not None)
    return ids, tuple(each for each, number in entries.items() if number is None)


def _wrong(name: str, code: str) -> InvalidRequest:
    kind = InvalidCursor if name == "cursor" else InvalidRequest
    return kind(f"The parameter {name} is {code}.", fields=(FieldError(name, code),))
