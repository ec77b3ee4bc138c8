"""multipart/form-data, read as it arrives.

Sans-I/O: bytes go in, events come out, and no more than one delimiter's length of a file is held back. Fields are
small and come whole; a file comes in pieces. What an upload form may hold is bounded in fields and bytes, and a part
that is not well formed is refused at once, because a lenient reader and a strict one can be made to disagree about
what was signed. After RFC 7578, without its obsolete parts (`multipart/mixed` inside, transfer encodings).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sharding.errors import InvalidRequest, TooLarge, UnsupportedMedia

_BOUNDARY = re.compile(
    r"""^multipart/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70})(?:[\s;]|$))""",
    re.IGNORECASE,
)
_PARAMETER = re.compile(r';\s*(name|filename)="((?:[^"\\]|\\.)*)"', re.IGNORECASE)
#: Of one part.
_MAX_HEADER_BYTES = 4_096


@dataclass(frozen=True, slots=True)
class Field:
    """A field that is no file, whole."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class FileStart:
    """A file begins; its bytes follow."""

    name: str
    content_type: str


@dataclass(frozen=True, slots=True)
class FileData:
    """The next bytes of the file."""

    data: bytes


@dataclass(frozen=True, slots=True)
class FileEnd:
    """The file was whole."""


Event = Field | FileStart | FileData | FileEnd


def boundary_of(content_type: str | None) -> bytes:
    """The boundary that a Content-Type header names.

    Raises:
        UnsupportedMedia: it is no multipart/form-data, or names none.
    """
    found = _BOUNDARY.match(content_type or "")
    if not found:
        raise UnsupportedMedia("Send multipart/form-data with a boundary.")
    return (found[1] or found[2]).encode("latin-1", "replace")


class FormReader:
    """Takes apart one form."""

    __slots__ = ("_buffer", "_delimiter", "_fields", "_in_file", "_left", "_part", "_state")

    def __init__(self, boundary: bytes, *, max_fields: int, max_form_bytes: int) -> None:
        """`max_form_bytes` is for all that is not a file."""
        self._delimiter = b"\r\n--" + boundary
        # As if a line had ended before the form, so that the first delimiter looks like all others.
        self._buffer = bytearray(b"\r\n")
        self._fields = max_fields
        self._left = max_form_bytes
        self._part: tuple[str, bytearray] = "", bytearray()
        self._in_file = False
        self._state = "preamble"

    @property
    def done(self) -> bool:
        """Whether the closing delimiter was seen."""
        return self._state == "end"

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events that `data` completes.

        Raises:
            InvalidRequest: this is no form.
            TooLarge: it has too many fields, or too long ones.
        """
        self._buffer += data
        while True:
            before = len(self._buffer), self._state
            if self._state in ("preamble", "body"):
                yield from self._read_body()
            elif self._state == "delimiter":
                self._read_delimiter()
            elif self._state == "headers":
                yield from self._read_headers()
            else:
                self._buffer.clear()
                return
            if (len(self._buffer), self._state) == before:
                return

    def close(self) -> None:
        """Nothing follows.

        Raises:
            InvalidRequest: the form is not complete.
        """
        if not self.done:
            raise InvalidRequest("The form ends in the middle.")

    def _read_body(self) -> Iterator[Event]:
        buffer = self._buffer
        found = buffer.find(self._delimiter)
        # What could still be the beginning of a delimiter stays.
        end = found if found >= 0 else max(0, len(buffer) - len(self._delimiter) + 1)
        if end:
            chunk = bytes(buffer[:end])
            del buffer[:end]
            yield from self._take(chunk)
        if found >= 0:
            del buffer[: len(self._delimiter)]
            if self._state == "body":
                yield self._finish()
            self._state = "delimiter"

    def _take(self, chunk: bytes) -> Iterator[Event]:
        if self._state == "preamble":
            self._spend(len(chunk))
        elif self._in_file:
            yield FileData(chunk)
        else:
            self._spend(len(chunk))
            self._part[1].extend(chunk)

    def _finish(self) -> Event:
        if self._in_file:
            return FileEnd()
        name, value = self._part
        try:
            return Field(name, value.decode())
        except UnicodeDecodeError:
            raise InvalidRequest("A field of the form is not UTF-8.") from None

    def _read_delimiter(self) -> None:
        buffer = self._buffer
        if len(buffer) < 2:
            return
        if buffer[:2] == b"--":
            self._state = "end"
        elif buffer[:2] == b"\r\n":
            # The line end stays: it is where the empty line of a part without headers begins.
            self._state = "headers"
        else:
            raise InvalidRequest("A delimiter of the form is damaged.")

    def _read_headers(self) -> Iterator[Event]:
        buffer = self._buffer
        end = buffer.find(b"\r\n\r\n")
        if max(end, len(buffer) if end < 0 else 0) > _MAX_HEADER_BYTES:
            raise TooLarge("The headers of a part are too long.")
        if end < 0:
            return
        self._spend(end)
        self._fields -= 1
        if self._fields < 0:
            raise TooLarge("The form has too many fields.")
        head = bytes(buffer[2:end])
        del buffer[: end + 4]
        self._state = "body"
        yield from self._start(head)

    def _start(self, head: bytes) -> Iterator[Event]:
        headers: dict[str, str] = {}
        for line in head.decode("utf-8", "replace").split("\r\n") if head else ():
            name, colon, value = line.partition(":")
            if not colon or name.lower() in headers:
                raise InvalidRequest("The headers of a part are damaged.")
            headers[name.lower()] = value.strip()
        disposition = headers.get("content-disposition", "")
        parameters = {name.lower(): value for name, value in _PARAMETER.findall(disposition)}
        if not disposition.lower().startswith("form-data") or not parameters.get("name"):
            raise InvalidRequest("A part of the form has no name.")
        if "content-transfer-encoding" in headers:
            raise InvalidRequest("Transfer encodings within a form are not taken.")
        name = parameters["name"]
        self._in_file = "filename" in parameters
        self._part = name, bytearray()
        if self._in_file:
            yield FileStart(name, headers.get("content-type", "application/octet-stream"))

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise TooLarge("The fields of the form are too long.")

    def __repr__(self) -> str:
        return f"<FormReader {self._state} buffered={len(self._buffer)}>"
