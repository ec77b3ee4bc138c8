"""The kinds of values that requests hold: texts of a length, ids, names, secrets.

Each is a type, so that a body says `caption: Caption` and both the check and the schema in `/openapi.json` follow.
Lengths count code points after NFC and trimming, as API.md promises. What no text may hold (NUL and its kin, half a
surrogate pair) is refused here, so that nothing behind the edge ever meets it.
"""

import re
import unicodedata
from typing import Any, ClassVar, TypeVar

import msgspec
from msgspec.structs import force_setattr

from sharding.ids import parse_id

S = TypeVar("S", bound=msgspec.Struct)

ID_PATTERN = "^[1-9][0-9]{0,18}$"
USERNAME_PATTERN = "^[a-z0-9_.]{3,24}$"

#: Names that would be mistaken for the service, or for a path of it.
RESERVED_NAMES = frozenset(
    """
    about abuse account accounts activity admin administrator api auth blog help jobs kinora
    legal login logout mail me media moderator null official postmaster privacy register
    report root security settings staff status store support system team terms undefined
    upload user users video videos webmaster www you
    """.split()  # noqa: SIM905 - a page of quotes and commas hides the names
)

_NAME = re.compile(USERNAME_PATTERN)
_PRINTABLE = re.compile("[!-~]+")
#: What no text holds, and what none of one line holds, as the inside of a character class.
_NEVER = "\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\ufffe\\uffff"
_BREAKS = "\\t\\n\\r\\u2028\\u2029"
_CONTROL = re.compile(f"[{_NEVER}\ud800-\udfff]")
_LINE_BREAKS = re.compile(f"[{_BREAKS}]")


class Text(str):
    """Words of people: normalised, trimmed, of a bounded length."""

    __slots__ = ()
    MIN: ClassVar[int] = 0
    MAX: ClassVar[int] = 0
    LINES: ClassVar[bool] = True

    @classmethod
    def parse(cls, value: object) -> "Text":
        """The text as it is kept.

        Raises:
            ValueError: its message is the code of what is wrong.
        """
        if not isinstance(value, str):
            raise ValueError("type")
        # Normalising is dear for what is far too long anyway.
        if len(value) > 8 * cls.MAX + 64:
            raise ValueError("too_long")
        if _CONTROL.search(value) or (not cls.LINES and _LINE_BREAKS.search(value)):
            raise ValueError("control_character")
        text = unicodedata.normalize("NFC", value).strip()
        if len(text) > cls.MAX:
            raise ValueError("too_long")
        if len(text) < cls.MIN:
            raise ValueError("too_short")
        return cls(text)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Its JSON schema. Lengths are told for the normalised text; the server has the last word."""
        never = _NEVER if cls.LINES else _NEVER + _BREAKS
        words = f"[^{never}]*" + (f"[^{never}\\s][^{never}]*" if cls.MIN else "")
        return {
            "type": "string",
            "minLength": cls.MIN,
            "maxLength": cls.MAX,
            "pattern": f"^{words}$",
        }


class Caption(Text):
    MAX = 300


class CommentText(Text):
    MIN = 1
    MAX = 500


class DisplayName(Text):
    MIN = 1
    MAX = 50
    LINES = False


class Bio(Text):
    MAX = 160


class ReportText(Text):
    MAX = 500


class ShortWord(Text):
    """A reason or a channel: one line, never shown to others."""

    MIN = 1
    MAX = 32
    LINES = False


class ContentType(Text):
    MIN = 3
    MAX = 100
    LINES = False


class Secret(Text):
    """A password as it is typed: not trimmed, not normalised, never shown."""

    MIN = 1
    MAX = 128

    @classmethod
    def parse(cls, value: object) -> "Secret":
        if not isinstance(value, str):
            raise ValueError("type")
        if len(value) > cls.MAX:
            raise ValueError("too_long")
        if len(value) < cls.MIN:
            raise ValueError("too_short")
        if "\x00" in value:
            raise ValueError("control_character")
        return cls(value)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        return {
            "type": "string",
            "format": "password",
            "minLength": cls.MIN,
            "maxLength": cls.MAX,
            "pattern": "^[^\\x00]*$",
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"


class NewPassword(Secret):
    MIN = 10


class Opaque(Text):
    """A token of ours that clients only hand back."""

    MIN = 1
    MAX = 512

    @classmethod
    def parse(cls, value: object) -> "Opaque":
        if not isinstance(value, str):
            raise ValueError("type")
        if len(value) > cls.MAX:
            raise ValueError("too_long")
        if not _PRINTABLE.fullmatch(value):
            raise ValueError("invalid")
        return cls(value)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        return {
            "type": "string",
            "minLength": cls.MIN,
            "maxLength": cls.MAX,
            "pattern": "^[!-~]+$",
        }


class Username(Text):
    """A name to register under."""

    MIN = 3
    MAX = 24

    @classmethod
    def parse(cls, value: object) -> "Username":
        if not isinstance(value, str):
            raise ValueError("type")
        if not _NAME.fullmatch(value):
            raise ValueError("username")
        if value in RESERVED_NAMES:
            raise ValueError("reserved")
        return cls(value)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        return {"type": "string", "pattern": USERNAME_PATTERN}


class LoginName(Text):
    """A name to sign in with; one that nobody can have is wrong like any other."""

    MIN = 1
    MAX = 64
    LINES = False


class Sha256(Text):
    """Hexadecimal, lower case."""

    MAX = 64

    @classmethod
    def parse(cls, value: object) -> "Sha256":
        if not isinstance(value, str):
            raise ValueError("type")
        if not re.fullmatch("[0-9a-f]{64}", value):
            raise ValueError("sha256")
        return cls(value)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        return {"type": "string", "pattern": "^[0-9a-f]{64}$"}


class Id(int):
    """An id; on the wire it is a string of digits."""

    __slots__ = ()

    @classmethod
    def parse(cls, value: object) -> "Id":
        """The number that `value` writes.

        Raises:
            ValueError: its message is the code of what is wrong.
        """
        if not isinstance(value, str):
            raise ValueError("type")
        number = parse_id(value)
        if number is None:
            raise ValueError("id")
        return cls(number)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        """Its JSON schema."""
        return {"type": "string", "pattern": ID_PATTERN}


class Whole(Id):
    """A whole number that every client can hold exactly; `1.0` is one, as JSON Schema has it."""

    __slots__ = ()
    LEAST: ClassVar[int] = 0
    MOST: ClassVar[int] = 2**53 - 1

    @classmethod
    def parse(cls, value: object) -> "Whole":
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int:
            raise ValueError("type")
        if not cls.LEAST <= value <= cls.MOST:
            raise ValueError("out_of_range")
        return cls(value)

    @classmethod
    def schema(cls) -> dict[str, Any]:
        return {"type": "integer", "minimum": cls.LEAST, "maximum": cls.MOST}


class Size(Whole):
    """A number of bytes that are there."""

    __slots__ = ()
    LEAST = 1


def plain(struct: S) -> S:
    """The same values as plain `str` and `int`, which is what encoders take; passwords stay masked."""
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if isinstance(value, Secret):
            continue
        if isinstance(value, Text):
            force_setattr(struct, name, str(value))
        elif isinstance(value, Id):
            force_setattr(struct, name, int(value))
    return struct


def dec_hook(kind: type, value: object) -> object:
    """How msgspec reads these types."""
    if issubclass(kind, Text | Id):
        return kind.parse(value)
    # How these hooks say "not mine" to msgspec.
    raise NotImplementedError(kind)


def schema_hook(kind: type) -> dict[str, Any]:
    """How msgspec describes them."""
    if issubclass(kind, Text | Id):
        return kind.schema()
    # How these hooks say "not mine" to msgspec.
    raise NotImplementedError(kind)
