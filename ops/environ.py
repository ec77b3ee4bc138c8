"""Settings out of the environment: a dataclass is a section, a field is a name, its type is the form.

    KINORA_ + <section>_ + <field>, upper case        a section within a section adds its name

The lower folders own their sections as plain frozen dataclasses and know nothing of the environment; this
module reads any of them. Everything that is wrong is collected and told at once, because an operator who
fixes one name a restart has a bad day. A number is positive unless its field says otherwise by
`Annotated[int, msgspec.Meta(ge=...)]`; what a field means is the `#:` comment above it, so that there is
one text and it stands where the default stands.
"""

import difflib
import inspect
import math
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import msgspec

from ops.errors import CannotGoOn

PREFIX = "KINORA_"
#: `NAME_FILE` names a file that holds the secret `NAME`, as mounted secrets do.
FILE_SUFFIX = "_FILE"

# Kubernetes puts these beside every container of a namespace with a service called kinora or kinora-*.
_INJECTED_NAME = re.compile(
    r"KINORA(_[A-Z0-9_]+)?_(SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?"
    r"|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_INJECTED_VALUE = re.compile(r"(tcp|udp|sctp)://")

_TRUE = {"true", "1", "yes", "on"}
_FALSE = {"false", "0", "no", "off"}

T = TypeVar("T")


class Secret:
    """Text that is shown only to who asks for it by `reveal`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret(***)" if self._value else "Secret()"

    __str__ = __repr__


class SettingsError(CannotGoOn):
    """The environment holds names that are no settings, or values that are not of their form."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        #: One sentence each.
        self.problems = problems
        lines = "".join(f"\n  {problem}" for problem in problems)
        super().__init__(
            f"{len(problems)} of the settings cannot be used:{lines}\n"
            "`kinora config --docs` lists every setting with its form and meaning."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One name that the environment may hold."""

    name: str
    #: Field names from the outermost section to the field.
    path: tuple[str, ...]
    type: Any
    default: object
    #: What it means, one or more sentences.
    doc: str

    @property
    def form(self) -> str:
        """What a value must look like, to go on after "must be"."""
        return form_of(self.type, positive=_is_positive(self.default))


def settings_of(section: type, prefix: str = PREFIX) -> Iterator[Setting]:
    """Every setting of a section and of those within it, in the order of the source.

    Raises:
        TypeError: a field of the section has no default.
    """
    return _settings_of(section(), prefix)


def _settings_of(base: Any, prefix: str) -> Iterator[Setting]:
    for field, hint, doc in _described(type(base)):
        name, default = f"{prefix}{field.upper()}", getattr(base, field)
        if _is_section(hint):
            for inner in _settings_of(default, f"{name}_"):
                yield replace(inner, path=(field, *inner.path))
            continue
        # A name that reads as a sentence (`likes_a_minute`) may stand without one.
        words = name.removeprefix(PREFIX).replace("_", " ").capitalize()
        yield Setting(name=name, path=(field,), type=hint, default=default, doc=doc or f"{words}.")


def read(section: type[T], environ: Mapping[str, str]) -> T:
    """A section with what the environment says, and defaults for the rest.

    Raises:
        SettingsError: with everything that is wrong.
    """
    ours = {
        name: value
        for name, value in environ.items()
        if name.startswith(PREFIX) and not is_injected(name, value)
    }
    known = {setting.name: setting for setting in settings_of(section)}
    problems: list[str] = []
    values: dict[tuple[str, ...], object] = {}
    for name, text in sorted(ours.items()):
        setting = known.get(name)
        if setting is None:
            setting = known.get(name.removesuffix(FILE_SUFFIX))
            if setting is None or not _holds(setting.type, Secret):
                problems.append(_unknown(name, known))
                continue
            if setting.name in ours:
                problems.append(f"{name} and {setting.name} are both given; keep one.")
                continue
            try:
                values[setting.path] = Secret(Path(text).expanduser().read_text().strip())
            except (OSError, UnicodeDecodeError) as error:
                problems.append(f"{name}: its file cannot be read ({type(error).__name__}).")
            continue
        try:
            values[setting.path] = parse(text, setting.type, positive=_is_positive(setting.default))
        except ValueError:
            shown = "" if _holds(setting.type, Secret) else f"={text!r}"
            problems.append(f"{name}{shown} must be {setting.form}.")
    made = _build(section(), (), values, problems)
    if problems:
        raise SettingsError(tuple(problems))
    return cast(T, made)


def is_injected(name: str, value: str) -> bool:
    """Whether a variable was put there by Kubernetes and is not ours."""
    if _INJECTED_NAME.fullmatch(name):
        return True
    return name.endswith("_PORT") and _INJECTED_VALUE.match(value) is not None


def parse(text: str, kind: Any, *, positive: bool = False) -> object:
    """The value that `text` writes for a field of type `kind`.

    Raises:
        ValueError: it writes none.
    """
    kind, meta = _unwrapped(kind)
    if _is_optional(kind):
        if text.strip().lower() in ("", "none"):
            return None
        return parse(text, _some(kind), positive=positive)
    if kind is Secret:
        return Secret(text)
    if kind is str:
        if meta is not None and meta.pattern and not re.search(meta.pattern, text):
            raise ValueError(text)
        return text
    text = text.strip()
    if kind == tuple[str, ...]:
        return tuple(part for each in text.split(",") if (part := each.strip()))
    if get_origin(kind) is Literal:
        for each in get_args(kind):
            if str(each) == text:
                return cast(object, each)
        raise ValueError(text)
    if kind is bool:
        if text.lower() not in _TRUE | _FALSE:
            raise ValueError(text)
        return text.lower() in _TRUE
    if kind is Path:
        if not text:
            raise ValueError(text)
        return Path(text).expanduser()
    if kind in (int, float):
        return _number(text, kind, meta, positive)
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise ValueError(text) from error


def form_of(kind: Any, *, positive: bool = False) -> str:
    """What a value of type `kind` must look like."""
    kind, meta = _unwrapped(kind)
    if meta is not None and meta.description:
        return meta.description
    if _is_optional(kind):
        return f"{form_of(_some(kind), positive=positive)}, or none"
    if kind == tuple[str, ...]:
        return "values separated by commas"
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    if kind in (int, float):
        word = "a whole number" if kind is int else "a number"
        low, high = _range(meta)
        if low is None and high is None and positive:
            return f"{word} above 0"
        if low is not None and high is not None:
            return f"{word} from {low:g} to {high:g}"
        return f"{word}, {low:g} or more" if low is not None else word
    forms: dict[Any, str] = {bool: "true or false", Path: "a path", str: "text", Secret: "text"}
    return forms.get(kind) or f"JSON of {str(kind).replace('typing.', '')}"


def _build(
    base: Any,
    path: tuple[str, ...],
    values: Mapping[tuple[str, ...], object],
    problems: list[str],
) -> object:
    given: dict[str, object] = {}
    for field, hint, _ in _described(type(base)):
        here = (*path, field)
        if _is_section(hint):
            given[field] = _build(getattr(base, field), here, values, problems)
        elif here in values:
            given[field] = values[here]
    try:
        if isinstance(base, msgspec.Struct):
            return msgspec.structs.replace(base, **given)
        return replace(base, **given)
    except ValueError as error:
        name = PREFIX + "".join(f"{each.upper()}_" for each in path)
        problems.append(f"{name}*: {error}")
        return base


def _is_section(hint: Any) -> bool:
    return isinstance(hint, type) and (is_dataclass(hint) or issubclass(hint, msgspec.Struct))


def _described(section: Any) -> Iterator[tuple[str, Any, str]]:
    """Name, type and comment of every field."""
    hints = get_type_hints(section, include_extras=True)
    docs = _docs(section)
    described = fields(section) if is_dataclass(section) else msgspec.structs.fields(section)
    for field in described:
        yield field.name, hints[field.name], docs.get(field.name, "")


def _docs(section: type) -> dict[str, str]:
    """The `#:` comment of each field that has one."""
    docs: dict[str, str] = {}
    comment: list[str] = []
    for line in map(str.strip, inspect.getsource(section).splitlines()):
        if line.startswith("#:"):
            comment.append(line[2:].strip())
            continue
        if match := re.match(r"([a-z]\w*)\s*:", line):
            docs[match[1]] = " ".join(comment)
        comment = []
    return docs


def _unwrapped(kind: Any) -> tuple[Any, msgspec.Meta | None]:
    """A type without its `Annotated`, and the constraints that it carried."""
    metadata = getattr(kind, "__metadata__", ())
    meta = next((each for each in metadata if isinstance(each, msgspec.Meta)), None)
    return (kind.__origin__ if metadata else kind), meta


def _is_optional(kind: Any) -> bool:
    union = get_origin(kind) in (Union, types.UnionType)
    return union and types.NoneType in get_args(kind) and len(get_args(kind)) == 2


def _holds(kind: Any, wanted: type) -> bool:
    kind, _ = _unwrapped(kind)
    return kind is wanted or (_is_optional(kind) and wanted in get_args(kind))


def _some(kind: Any) -> Any:
    """X of `X | None`."""
    return next(each for each in get_args(kind) if each is not types.NoneType)


def _is_positive(default: object) -> bool:
    return isinstance(default, int | float) and not isinstance(default, bool) and default > 0


def _range(meta: msgspec.Meta | None) -> tuple[float | None, float | None]:
    return (None, None) if meta is None else (meta.ge, meta.le)


def _number(text: str, kind: Any, meta: msgspec.Meta | None, positive: bool) -> float:
    value: float = kind(text.replace("_", "") if kind is int else text)
    low, high = _range(meta)
    if not math.isfinite(value) or (low is not None and value < low):
        raise ValueError(text)
    if high is not None and value > high:
        raise ValueError(text)
    if low is None and (value < 0 or (positive and value == 0)):
        raise ValueError(text)
    return value


def _unknown(name: str, known: Mapping[str, Setting]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
    return f"{name}: there is no such setting" + (f"; did you mean {near[0]}?" if near else ".")
