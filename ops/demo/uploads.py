"""Bringing clips to the product in every way that API.md offers, and waiting for what becomes of them.

An upload has three steps, and each may be cut off: announcing (repeated under its key), sending (repeated
whole, by a fresh signature where the old one is refused), completing (repeated). When the store has lost a
file that it took, "complete" says `not_uploaded`, and the file is sent again.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import aiohttp

from actors.ports.clock import Clock
from ops.demo.client import Answer, GaveUp, Person, Refused

Way = Literal["post", "put", "direct"]

CONTENT_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".webm": "video/webm",
    ".mkv": "video/x-matroska",
}
FINAL = ("ready", "failed", "blocked", "deleted")
#: How often a file is sent before its upload counts as failed.
MAX_SENDS = 4
#: How often somebody looks how their uploads go, in seconds.
LOOK_EVERY_S = 1.0


@dataclass(slots=True, kw_only=True)
class Upload:
    """One clip on its way, as its author's app knows it."""

    clip: Path
    author: Person
    way: Way
    caption: str
    video_id: str = ""
    status: str = "announced"
    #: Why it failed, or why it was never taken.
    code: str | None = None
    progress: float = 0.0
    renditions: tuple[str, ...] = ()
    #: What is wrong with how it went, apart from how it ended.
    complaints: list[str] = field(default_factory=list)
    #: What a restart of the server explains.
    notes: list[str] = field(default_factory=list)

    @property
    def final(self) -> bool:
        return self.status in (*FINAL, "refused")


async def bring(upload: Upload) -> None:
    """Upload one clip up to the point where the product has all of it; a refusal ends in the upload.

    Raises:
        GaveUp: no answer.
    """
    try:
        if upload.way == "direct":
            await _send_directly(upload)
        else:
            await _send_by_signature(upload)
    except Refused as refusal:
        upload.status, upload.code = "refused", refusal.answer.code


async def watch(
    uploads: Sequence[Upload], clock: Clock, *, until: float, tell: Callable[[], None]
) -> None:
    """Look after one author's uploads until each is final or the clock passes `until`."""
    while not all(upload.final for upload in uploads) and clock.monotonic() < until:
        for upload in uploads:
            if not upload.final:
                await _look(upload)
                tell()
        if not all(upload.final for upload in uploads):
            await clock.sleep(LOOK_EVERY_S)


async def _look(upload: Upload) -> None:
    try:
        seen = await upload.author.call("GET", f"/upload/video/{upload.video_id}")
    except Refused as refusal:
        upload.complaints.append(f"its status is refused: {refusal.answer.code}")
        upload.status, upload.code = "refused", refusal.answer.code
        return
    if seen["progress"] < upload.progress and seen["status"] == "processing":
        # Progress is kept in memory alone: a server that was killed begins again.
        told = upload.complaints if upload.author.wire.weather.calm else upload.notes
        told.append(f"progress fell from {upload.progress:.2f} to {seen['progress']:.2f}")
    upload.status, upload.progress = seen["status"], max(upload.progress, seen["progress"])
    upload.renditions = tuple(each["name"] for each in seen["renditions"])
    upload.code = seen["error"]["code"] if seen["error"] else None


async def _send_directly(upload: Upload) -> None:
    def form() -> aiohttp.FormData:
        data = aiohttp.FormData()
        data.add_field("caption", upload.caption)
        data.add_field(
            "file",
            upload.clip.open("rb"),
            filename=upload.clip.name,
            content_type=_content_type(upload.clip),
        )
        return data

    author = upload.author
    transfer_s = author.wire.patience.transfer_s
    taken = await author.call("POST", "/upload/video", form=form, answer_s=transfer_s)
    upload.video_id, upload.status = taken["video_id"], taken["status"]


async def _send_by_signature(upload: Upload) -> None:
    author = upload.author
    announced = await author.call("POST", "/upload/video", _announcement(upload))
    upload.video_id, upload.status = announced["video_id"], announced["status"]
    signed = announced["upload"]
    path = f"/upload/video/{upload.video_id}"
    for attempt in range(1, MAX_SENDS + 1):
        stored = await _send_to_store(upload, signed)
        if stored.ok:
            # Not noted as a refusal when it says that nothing is there: then the file is sent again.
            done = await author.ask("POST", f"{path}/complete")
            if done.ok:
                upload.status = done.body["status"]
                return
            if done.code != "not_uploaded" or attempt == MAX_SENDS:
                raise Refused("complete", done)
        now = await author.call("GET", path)
        upload.status = now["status"]
        if now["status"] != "awaiting_upload":
            return
        if attempt == MAX_SENDS or (not stored.ok and stored.status not in (403, 410)):
            author.wire.weather.refused[f"store: {stored.code}"] += 1
            raise Refused("store", stored)
        signed = now["upload"]
    raise GaveUp(f"{upload.clip.name}: sent {MAX_SENDS} times in vain")


async def _send_to_store(upload: Upload, signed: dict[str, Any]) -> Answer:
    wire = upload.author.wire

    def body() -> object:
        file = upload.clip.open("rb")
        if signed["method"] == "PUT":
            return file
        data = aiohttp.FormData()
        for name, value in signed["fields"].items():
            data.add_field(name, value)
        data.add_field(
            signed["file_field"],
            file,
            filename=upload.clip.name,
            content_type=_content_type(upload.clip),
        )
        return data

    return await wire.send(
        signed["method"],
        signed["url"],
        headers=signed.get("headers") or {},
        form=body,
        answer_s=wire.patience.transfer_s,
    )


def _announcement(upload: Upload) -> dict[str, object]:
    content = upload.clip.read_bytes()
    announcement: dict[str, object] = {
        "caption": upload.caption,
        "size_bytes": len(content),
        "content_type": _content_type(upload.clip),
        "upload_method": upload.way.upper(),
        "metadata": {"device": "demo", "take": 1},
    }
    if upload.way == "put":
        announcement["sha256"] = hashlib.sha256(content).hexdigest()
    return announcement


def _content_type(clip: Path) -> str:
    return CONTENT_TYPES[clip.suffix.lower()]
