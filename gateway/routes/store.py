"""The embedded product's own store: signed uploads in, signed media out. Not there in the fleet.

Uploads keep the promise of the signed policy byte by byte: nothing outside the signed name, size and type is kept,
and nothing can be read before it is whole. Media are immutable, so they are cached for ever under a strong ETag, and
the range of a request is the only thing that varies.
"""

import asyncio
import re
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import blake2b
from urllib.parse import parse_qsl, unquote

from sanic.response import HTTPResponse

from gateway.answer import Answer, Pairs, empty
from gateway.decoding import media_type
from gateway.multipart import Field, FileData, FileStart, FormReader, boundary_of
from gateway.ports import AllowedUpload, BlobGate, BlobReader, BlobWriter
from gateway.route import Call, Route, wrong_field
from gateway.serving import query_of
from gateway.streams import chunks_of, content_length
from sharding.errors import DeadlineExceeded, InvalidRequest, NotFound, TooLarge, UnsupportedMedia

_RANGE = re.compile(r"bytes=(\d{1,15})?-(\d{1,15})?")
_TYPES = {
    "mp4": "video/mp4",
    "m4s": "video/iso.segment",
    "m3u8": "application/vnd.apple.mpegurl",
    "webp": "image/webp",
    "jpg": "image/jpeg",
    "png": "image/png",
}
#: What may ever be read from outside: media and pictures, never quarantine.
_READABLE = ("v/", "a/")
_OPEN: Pairs = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"Content-Length, Content-Range, ETag"),
    (b"x-content-type-options", b"nosniff"),
)


async def store_form(call: Call) -> Answer | None:
    """Take a file with a signed form; the file comes last."""
    async with _in_time(call):
        return await _store_form(call)


async def store_put(call: Call) -> Answer | None:
    """Take exactly the bytes that a signed PUT announced."""
    request, deps = call.request, call.edge.deps
    try:
        query = dict(parse_qsl(query_of(request).decode("ascii", "replace"), max_num_fields=32))
    except ValueError:
        raise InvalidRequest("The query string cannot be read.") from None
    # Nothing that is signed is beyond ASCII, and what is cannot be compared.
    headers = {name.lower(): value for name, value in request.headers.items() if value.isascii()}
    allowed = deps.policies.verify_put(headers, unquote(call.path["name"]), query)
    _check_type(allowed, headers.get("content-type"))
    announced = content_length(request)
    if announced is not None and announced < allowed.min_bytes:
        raise InvalidRequest("The file is shorter than was signed.")
    writer = await _blobs(call).create(
        allowed.name, max_bytes=allowed.max_bytes, content_type=allowed.content_type
    )
    got = 0
    try:
        async with _in_time(call):
            async for chunk in chunks_of(request, allowed.max_bytes):
                got += len(chunk)
                await writer.write(chunk)
        await _commit(writer, allowed, got)
    finally:
        await writer.abort()
    return empty(200)


async def media(call: Call) -> Answer | None:
    """Serve what a signed path leads to."""
    deps, request = call.edge.deps, call.request
    name = unquote(call.path["name"])
    deps.links.verify(
        call.path["signature"], call.path["expiry"], name, now_ms=deps.clock.unix_ms()
    )
    if not name.startswith(_READABLE):
        raise NotFound
    tag = etag_of(name)
    cached: Pairs = (
        *_OPEN,
        (b"cache-control", b"public, max-age=31536000, immutable"),
        (b"etag", tag.encode()),
    )
    if tag in (request.headers.getone("if-none-match", None) or ""):
        return Answer(b"", status=304, fixed=cached)
    blob = await _blobs(call).open_read(name)
    if blob is None:
        raise NotFound
    try:
        return await _send(call, blob, name, tag, cached)
    finally:
        await blob.close()


def etag_of(name: str) -> str:
    """A strong tag: the bytes under a name never change."""
    digest = blake2b(name.encode("utf-8", "replace"), digest_size=12).digest()
    return f'"{urlsafe_b64encode(digest).decode()}"'


def span_of(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and length that a Range header asks for; None for the whole, length 0 for nothing there.

    Several ranges at once, and what is no range of bytes, are ignored, as RFC 9110 allows.
    """
    found = _RANGE.fullmatch((header or "").strip())
    if not found or (found[1] is None and found[2] is None):
        return None
    if found[1] is None:
        length = min(int(found[2]), size)
        return size - length, length
    first, last = int(found[1]), min(int(found[2] or size - 1), size - 1)
    if found[2] is not None and int(found[2]) < first:
        return None
    return (first, last - first + 1) if first < size else (first, 0)


async def _send(call: Call, blob: BlobReader, name: str, tag: str, cached: Pairs) -> Answer | None:
    request, size = call.request, blob.size_bytes
    wanted = request.headers.getone("range", None)
    if (condition := request.headers.getone("if-range", None)) is not None and condition != tag:
        wanted = None
    span = span_of(wanted, size)
    if span is not None and span[1] == 0:
        unsatisfiable = ((b"content-range", b"bytes */%d" % size),)
        return Answer(b"", status=416, fixed=(*_OPEN, *unsatisfiable))
    first, length = span or (0, size)
    headers = {name.decode(): value.decode() for name, value in cached}
    headers |= {
        "accept-ranges": "bytes",
        "content-length": str(length),
        "x-request-id": call.request_id,
    }
    if span is not None:
        headers["content-range"] = f"bytes {first}-{first + length - 1}/{size}"
    response = HTTPResponse(
        status=206 if span is not None else 200,
        headers=headers,
        content_type=_TYPES.get(name.rpartition(".")[2], "application/octet-stream"),
    )
    await request.respond(response)
    if request.method == "HEAD":
        await response.send(b"", True)
        return None
    async for chunk in blob.chunks(first, length):
        await response.send(chunk)
    await response.send(b"", True)
    return None


async def _store_form(call: Call) -> Answer:
    request, settings = call.request, call.edge.settings
    reader = FormReader(
        boundary_of(request.headers.getone("content-type", None)),
        max_fields=settings.max_form_fields,
        max_form_bytes=settings.max_form_bytes,
    )
    fields: dict[str, str] = {}
    writer: BlobWriter | None = None
    allowed: AllowedUpload | None = None
    got = 0
    try:
        async for chunk in chunks_of(request, settings.max_upload_bytes + settings.max_form_bytes):
            for event in reader.feed(chunk):
                match event:
                    case Field(name, _) | FileStart(name, _) if writer is not None:
                        raise wrong_field(name[:64], "after_file")
                    case Field(name, value):
                        if name in fields:
                            raise wrong_field(name[:64], "repeated")
                        fields[name] = value
                    case FileStart():
                        allowed = call.edge.deps.policies.verify_post(fields)
                        writer = await _blobs(call).create(
                            allowed.name,
                            max_bytes=allowed.max_bytes,
                            content_type=allowed.content_type,
                        )
                    case FileData(data):
                        assert writer is not None
                        assert allowed is not None
                        got += len(data)
                        if got > allowed.max_bytes:
                            raise TooLarge("The file is longer than was signed.")
                        await writer.write(data)
        reader.close()
        if writer is None or allowed is None:
            raise wrong_field("file", "missing")
        await _commit(writer, allowed, got)
    finally:
        if writer is not None:
            await writer.abort()
    return empty()


async def _commit(writer: BlobWriter, allowed: AllowedUpload, got: int) -> None:
    if got < allowed.min_bytes:
        raise InvalidRequest("The file is shorter than was signed.")
    await writer.commit()


def _check_type(allowed: AllowedUpload, content_type: str | None) -> None:
    if media_type(content_type) != media_type(allowed.content_type):
        raise UnsupportedMedia("The content type is not the signed one.")


def _blobs(call: Call) -> BlobGate:
    blobs = call.edge.deps.blobs
    if blobs is None:
        raise NotFound
    return blobs


@asynccontextmanager
async def _in_time(call: Call) -> AsyncIterator[None]:
    """Bound how long a body may take to arrive."""
    try:
        async with asyncio.timeout(call.edge.settings.upload_timeout_s):
            yield
    except TimeoutError:
        raise DeadlineExceeded("The file did not arrive in time.", executed=False) from None


ROUTES = (
    Route(
        method="POST",
        path="/store/upload",
        summary="Take a file with a signed form",
        handle=store_form,
        status=204,
        public=True,
        streams=("multipart/form-data",),
        documented=False,
    ),
    Route(
        method="PUT",
        path="/store/upload/{name:path}",
        summary="Take a file with a signed address",
        handle=store_put,
        public=True,
        streams=("*/*",),
        documented=False,
    ),
    Route(
        method="GET",
        path="/media/{signature}/{expiry}/{name:path}",
        summary="Serve media",
        handle=media,
        public=True,
        counted=False,
        documented=False,
    ),
)
