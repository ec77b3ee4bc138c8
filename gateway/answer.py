"""Responses whose headers are bytes from the start.

Sanic builds a case-insensitive multidict for every response, then translates and encodes each name and value. Most of
ours are always the same, so they are encoded once; this is a good part of what lets GET /feed keep up with a bare
Sanic handler.
"""

from collections.abc import Iterator

from sanic.response import HTTPResponse

Pairs = tuple[tuple[bytes, bytes], ...]

JSON = (b"content-type", b"application/json")
PRIVATE = (b"cache-control", b"private, no-store")
_CONNECTION = {"keep-alive": b"keep-alive", "close": b"close"}


class Answer(HTTPResponse):
    """A finished response: `fixed` headers, a body, and what only the connection knows."""

    __slots__ = ("fixed",)

    def __init__(self, body: bytes, *, status: int = 200, fixed: Pairs = (JSON,)) -> None:
        # Not the base class's __init__: it builds what is replaced here.
        self.asgi = False
        self.body = body
        self.content_type = None
        self.stream = None
        self.status = status
        self.headers = {}  # type: ignore[assignment]  # Sanic only sets and pops plain items
        self._cookies = None
        self.fixed = fixed

    @property
    def processed_headers(self) -> Iterator[tuple[bytes, bytes]]:
        """All headers, encoded; `alt-svc`, which Sanic always sets, is left out."""
        headers = self.headers
        yield from self.fixed
        if (length := headers.get("content-length")) is not None:
            yield b"content-length", b"%d" % int(length)
        if (coding := headers.get("transfer-encoding")) is not None:
            yield b"transfer-encoding", coding.encode()
        yield b"connection", _CONNECTION[headers["connection"]]


def empty(status: int = 204) -> Answer:
    """An answer without a body."""
    return Answer(b"", status=status, fixed=())
