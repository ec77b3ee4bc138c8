"""Uploads: announcing a file, sending it through the gateway, asking how it goes.

The usual way is two steps: announce, then send the bytes straight to the store. A form that holds the file itself is
taken too where the store is our own: it is streamed into quarantine first and announced when its size is known, so
an upload that breaks off has never existed.
"""

import asyncio
from hashlib import blake2b

from actors.answers import (
    UploadAccepted,
    UploadError,
    UploadLimits,
    UploadList,
    UploadOpenedShape,
    UploadRendition,
    UploadShape,
    to_json,
)
from actors.media import source_name
from actors.messages import (
    CompleteUpload,
    CreateUpload,
    GetUpload,
    GetUploadLimits,
    ListUploads,
)
from actors.replies import UploadTicket
from gateway.answer import Answer
from gateway.bodies import MAX_METADATA_BYTES, NoBody, UploadBody
from gateway.decoding import json_text, media_type
from gateway.fields import Caption, ContentType
from gateway.multipart import Field, FileData, FileEnd, FileStart, FormReader, boundary_of
from gateway.ports import BlobGate, BlobWriter
from gateway.queries import PageQuery
from gateway.route import Call, Route, asks, wrong_field
from gateway.streams import chunks_of
from sharding.errors import (
    DeadlineExceeded,
    Forbidden,
    Gone,
    InvalidCursor,
    NotFound,
    NotUploaded,
    RateLimited,
    TooLarge,
    Unprocessable,
    UnsupportedMedia,
)

FORM = "multipart/form-data"


async def create(call: Call) -> Answer:
    """Announce a file, or take it."""
    if media_type(call.request.headers.getone("content-type", None)) == FORM:
        return await take_form(call)
    body = call.body(UploadBody)
    call.acting(body.user_id)
    metadata = None
    if body.metadata is not None:
        metadata = json_text(body.metadata, max_bytes=MAX_METADATA_BYTES, field="metadata")
    message = CreateUpload(
        caption=body.caption,
        size_bytes=body.size_bytes,
        content_type=body.content_type,
        sha256=body.sha256,
        metadata=metadata,
        method=body.upload_method,
    )
    ticket = await call.ask(message)
    opened = UploadOpenedShape(
        video_id=str(ticket.video_id),
        status=ticket.status,
        upload=call.edge.deps.policies.sign(ticket),
    )
    return call.json(to_json(opened))


async def take_form(call: Call) -> Answer:
    """Stream a form with the file into quarantine, then announce it.

    Raises:
        DeadlineExceeded: the form did not arrive in time.
    """
    blobs = call.edge.deps.blobs
    if blobs is None:
        raise UnsupportedMedia(
            "Announce the file with application/json, then send it to the store."
        )
    pending = f"quarantine/form-{call.edge.deps.ids.mint()}"
    reception = FormReception(call, blobs, pending)
    try:
        try:
            async with asyncio.timeout(call.edge.settings.upload_timeout_s):
                await reception.receive()
        except TimeoutError:
            raise DeadlineExceeded("The form did not arrive in time.", executed=False) from None
        finishing = call.edge.deps.tasks.spawn(
            _announce(call, reception), name=f"announce {call.request_id}"
        )
    except BaseException:
        await reception.abort()
        raise
    outcome = await asyncio.shield(finishing)
    if isinstance(outcome, Exception):
        raise outcome
    answer = call.json(outcome)
    answer.status = 202
    return answer


class FormReception:
    """An upload form on its way in: `caption`, then `file`."""

    __slots__ = (
        "_blobs",
        "_call",
        "_digest",
        "_pending",
        "_size",
        "caption",
        "content_type",
        "writer",
    )

    def __init__(self, call: Call, blobs: BlobGate, pending: str) -> None:
        self._call = call
        self._blobs = blobs
        self._pending = pending
        self._digest = blake2b(digest_size=16)
        self._size = 0
        self.writer: BlobWriter | None = None
        self.caption: str | None = None
        self.content_type = ""

    @property
    def size_bytes(self) -> int:
        """Of the file."""
        return self._size

    @property
    def digest(self) -> bytes:
        """Of caption and file: tells a repeat from another upload."""
        digest = self._digest.copy()
        digest.update(b"\0" + (self.caption or "").encode())
        return digest.digest()

    async def receive(self) -> None:
        """Read the whole form.

        Raises:
            InvalidRequest: it lacks the caption or the file, or holds something else.
            TooLarge: the file is longer than any upload may be.
        """
        settings = self._call.edge.settings
        request = self._call.request
        reader = FormReader(
            boundary_of(request.headers.getone("content-type", None)),
            max_fields=settings.max_form_fields,
            max_form_bytes=settings.max_form_bytes,
        )
        most = settings.max_upload_bytes + settings.max_form_bytes
        async for chunk in chunks_of(request, most):
            for event in reader.feed(chunk):
                match event:
                    case Field(name, value):
                        self._field(name, value)
                    case FileStart(name, content_type):
                        await self._start(name, content_type)
                    case FileData(data):
                        await self._write(data)
                    case FileEnd():
                        pass
        reader.close()
        if self.writer is None or not self._size:
            raise wrong_field("file", "missing")
        if self.caption is None:
            raise wrong_field("caption", "missing")

    async def abort(self) -> None:
        """Leave nothing of it."""
        if self.writer is not None:
            await self.writer.abort()

    def _field(self, name: str, value: str) -> None:
        if name != "caption":
            raise wrong_field(name[:64], "unknown")
        if self.caption is not None:
            raise wrong_field(name, "repeated")
        try:
            self.caption = str(Caption.parse(value))
        except ValueError as error:
            raise wrong_field(name, str(error)) from None

    async def _start(self, name: str, content_type: str) -> None:
        if name != "file":
            raise wrong_field(name[:64], "unknown")
        if self.writer is not None:
            raise wrong_field(name, "repeated")
        try:
            self.content_type = str(ContentType.parse(content_type))
        except ValueError:
            raise UnsupportedMedia from None
        self.writer = await self._blobs.create(
            self._pending,
            max_bytes=self._call.edge.settings.max_upload_bytes,
            content_type=self.content_type,
        )

    async def _write(self, data: bytes) -> None:
        assert self.writer is not None
        self._size += len(data)
        if self._size > self._call.edge.settings.max_upload_bytes:
            raise TooLarge("The file is longer than any upload may be.")
        self._digest.update(data)
        await self.writer.write(data)


async def _announce(call: Call, reception: FormReception) -> bytes | Exception:
    """Make a received form an upload; goes on when the client hangs up."""
    writer = reception.writer
    assert writer is not None
    try:
        message = CreateUpload(
            caption=reception.caption or "",
            size_bytes=reception.size_bytes,
            content_type=reception.content_type,
        )
        ticket = await call.ask(message, digest=reception.digest)
        if ticket.status == "awaiting_upload":
            await writer.commit(source_name(ticket.video_id))
        complete = CompleteUpload(video_id=ticket.video_id, stored_bytes=reception.size_bytes)
        return await call.ask(complete, step="complete", digest=reception.digest)
    except Exception as error:
        return error
    finally:
        await writer.abort()


async def complete(call: Call) -> Answer:
    """Hasten what happens to an uploaded file."""
    video_id = call.id("video_id")
    blobs = call.edge.deps.blobs
    stored = await blobs.stat(source_name(video_id)) if blobs else None
    message = CompleteUpload(video_id=video_id, stored_bytes=stored.size_bytes if stored else None)
    return call.json(await call.ask(message))


async def status(call: Call) -> Answer:
    """How an upload goes."""
    ticket = await call.ask(GetUpload(video_id=call.id("video_id")))
    return call.json(to_json(upload_shape(call, ticket)))


async def unfinished(call: Call) -> Answer:
    """One's own unfinished and failed uploads."""
    query = call.query(PageQuery)
    page = await call.ask(ListUploads(cursor=query.cursor, limit=query.limit))
    items = tuple(upload_shape(call, ticket) for ticket in page.items)
    return call.json(to_json(UploadList(items=items, next_cursor=page.next_cursor)))


def upload_shape(call: Call, ticket: UploadTicket) -> UploadShape:
    """An upload as its author sees it, with a fresh way while the file is awaited."""
    shape = UploadShape(
        video_id=str(ticket.video_id),
        status=ticket.status,
        progress=ticket.progress,
        renditions=tuple(UploadRendition(name=rung, state="ready") for rung in ticket.rungs),
        error=UploadError(code=ticket.error_code, title=ticket.error_title or "")
        if ticket.error_code
        else None,
    )
    if ticket.status != "awaiting_upload":
        return shape
    return UploadShape(
        video_id=shape.video_id,
        status=shape.status,
        progress=shape.progress,
        renditions=shape.renditions,
        error=shape.error,
        upload=call.edge.deps.policies.sign(ticket),
    )


ROUTES = (
    Route(
        method="GET",
        path="/upload/limits",
        summary="What may be uploaded now",
        handle=asks(lambda call: GetUploadLimits()),
        answer=UploadLimits,
    ),
    Route(
        method="POST",
        path="/upload/video",
        summary="Announce a file, or send it as a form",
        handle=create,
        body=UploadBody,
        answer=UploadOpenedShape,
        status=201,
        keyed=True,
        streams=(FORM,),
        refuses=(Forbidden, TooLarge, UnsupportedMedia, Unprocessable, RateLimited),
    ),
    Route(
        method="GET",
        path="/upload/video",
        summary="One's own unfinished and failed uploads",
        handle=unfinished,
        query=PageQuery,
        answer=UploadList,
        refuses=(InvalidCursor, Gone),
    ),
    Route(
        method="GET",
        path="/upload/video/{video_id}",
        summary="How an upload goes",
        handle=status,
        answer=UploadShape,
        refuses=(NotFound,),
    ),
    Route(
        method="POST",
        path="/upload/video/{video_id}/complete",
        summary="Say that the file is in the store",
        handle=complete,
        body=NoBody,
        answer=UploadAccepted,
        status=202,
        keyed=True,
        refuses=(NotFound, NotUploaded),
    ),
)
