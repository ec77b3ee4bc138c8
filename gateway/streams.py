"""Bodies that are read as they arrive, because they are too large for Sanic's own buffer."""

from collections.abc import AsyncIterator
from typing import Any

from sanic import Request

from sharding.errors import InvalidRequest, TooLarge


async def chunks_of(
    request: Request, max_bytes: int, *, patient: bool = True
) -> AsyncIterator[bytes]:
    """The body in pieces; `patient` bodies may take longer than a call, their reader bounds the time.

    Raises:
        TooLarge: it is announced, or turns out, to be longer than `max_bytes`.
    """
    announced = content_length(request)
    if announced is not None and announced > max_bytes:
        raise TooLarge
    got = 0
    assert request.stream is not None
    protocol: Any = request.transport.get_protocol()
    protocol.patient = patient
    try:
        async for chunk in request.stream:  # type: ignore[attr-defined]  # Http has __aiter__
            got += len(chunk)
            if got > max_bytes:
                raise TooLarge
            yield chunk
    finally:
        protocol.patient = False


async def read_capped(request: Request, max_bytes: int) -> bytes:
    """The whole body.

    Raises:
        TooLarge: see `chunks_of`.
    """
    return b"".join([chunk async for chunk in chunks_of(request, max_bytes, patient=False)])


def content_length(request: Request) -> int | None:
    """How long the body says it is; None when it comes in chunks.

    Raises:
        InvalidRequest: it is not a number.
    """
    text = request.headers.getone("content-length", None)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise InvalidRequest("Content-Length is not a number.")
    return int(text)
