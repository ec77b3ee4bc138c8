"""What can be wrong between rows, counts and blobs, and how it is found.

Everything is read through the ports of the domain, so the same check runs over both products. Rows are
the truth: a count that differs from them is wrong, a blob that no row names is litter, and a blob that a
row names and that is not there is a loss. On a product that is running, counts lag by seconds and files
are on their way; what is younger than `grace_ms` is therefore not looked at.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Literal, Protocol

import msgspec

from actors.media import media_prefix, source_name
from actors.ports.facts import PeopleFacts, VideoFacts
from actors.ports.jobs import StoredBlob
from actors.records import VideoRecord
from actors.rows import UserRow
from sharding.ids import parse_id

#: Rows that are read at a time.
PAGE = 500
#: Blobs that one check looks at; beyond it the rest is said to be unchecked.
MAX_BLOBS = 1_000_000
#: Age below which a blob or a video may still be on its way, in milliseconds.
GRACE_MS = 10 * 60_000

FaultKind = Literal[
    "count_differs",
    "media_missing",
    "media_wrong_size",
    "upload_missing",
    "avatar_missing",
    "follow_one_sided",
    "follow_of_nobody",
    "orphan_media",
    "orphan_upload",
    "orphan_avatar",
    "orphan_unknown",
    "unchecked",
]
#: How a fault is put right: count again, remove the blob, or not by us.
Cure = Literal["recount", "discard", "none"]

_CURES: dict[FaultKind, Cure] = {
    "count_differs": "recount",
    "orphan_media": "discard",
    "orphan_upload": "discard",
    "orphan_avatar": "discard",
}

_FINAL = ("ready", "failed", "blocked", "deleted")


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that does not fit."""

    kind: FaultKind
    #: The video or user it is about; 0 where there is none.
    entity_id: int
    detail: str
    #: The blob it is about, None where there is none.
    blob: str | None = None

    @property
    def cure(self) -> Cure:
        """How it is put right."""
        return _CURES.get(self.kind, "none")


class BlobShelf(Protocol):
    """The blob store as a check sees it."""

    async def stat(self, name: str) -> StoredBlob | None:
        """What is stored under `name`."""
        ...

    async def list(self, prefix: str, *, older_than_ms: int, limit: int) -> Sequence[StoredBlob]:
        """At most `limit` blobs under `prefix` that were stored before that moment, in any order."""
        ...

    async def discard(self, prefix: str) -> int:
        """Remove every object whose name starts with `prefix`; returns how many. Repeatable."""
        ...


async def find_faults(
    people: PeopleFacts,
    videos: VideoFacts,
    blobs: BlobShelf,
    *,
    now_ms: int,
    grace_ms: int = GRACE_MS,
) -> list[Fault]:
    """Everything that does not fit, in a stable order.

    Raises:
        StorageUnavailable: a store does not answer.
    """
    before_ms = now_ms - grace_ms
    found = [fault async for fault in _in_people(people, blobs)]
    found += [fault async for fault in _in_videos(videos, blobs, before_ms)]
    found += [fault async for fault in _in_follows(people)]
    found += [fault async for fault in _in_blobs(people, videos, blobs, before_ms)]
    return found


async def _in_people(people: PeopleFacts, blobs: BlobShelf) -> AsyncIterator[Fault]:
    async for user_ids in _everyone(people):
        for profile in await people.profiles(user_ids):
            if profile.user.deleted:
                continue
            user_id = profile.user.user_id
            for fault in _counts(user_id, profile.counts, await people.tally(user_id)):
                yield fault
            avatar = profile.user.avatar
            if avatar is not None and await blobs.stat(avatar) is None:
                yield Fault(
                    kind="avatar_missing", entity_id=user_id, detail="its file is gone", blob=avatar
                )


async def _in_videos(videos: VideoFacts, blobs: BlobShelf, before_ms: int) -> AsyncIterator[Fault]:
    async for records in _every_video(videos):
        for record in records:
            video_id = record.video.video_id
            if record.plays:
                for fault in _counts(video_id, record.counts, await videos.tally(video_id)):
                    yield fault
                async for fault in _in_media(record, blobs):
                    yield fault
            elif _under_way(record) and record.video.created_ms < before_ms:
                name = source_name(video_id)
                if await blobs.stat(name) is None:
                    yield Fault(
                        kind="upload_missing",
                        entity_id=video_id,
                        detail="its file was taken and is gone",
                        blob=name,
                    )


async def _in_media(record: VideoRecord, blobs: BlobShelf) -> AsyncIterator[Fault]:
    row = record.media
    if row is None or row.media is None:
        yield Fault(
            kind="media_missing",
            entity_id=record.video.video_id,
            detail="it is ready, and its row names no media",
        )
        return
    sizes: dict[str, int | None] = dict.fromkeys(
        (row.media.cover, row.media.preview, row.media.hls, row.media.mp4)
    )
    sizes |= {rung.file: rung.size_bytes for rung in row.media.rungs}
    for file, size in sizes.items():
        name = media_prefix(row.video_id, row.generation) + file
        blob = await blobs.stat(name)
        if blob is None:
            yield Fault(
                kind="media_missing", entity_id=row.video_id, detail=f"{file} is gone", blob=name
            )
        elif size is not None and blob.size_bytes != size:
            yield Fault(
                kind="media_wrong_size",
                entity_id=row.video_id,
                detail=f"{file} has {blob.size_bytes} bytes, not {size}",
                blob=name,
            )


async def _in_follows(people: PeopleFacts) -> AsyncIterator[Fault]:
    everyone: set[int] = set()
    as_followers: set[tuple[int, int]] = set()
    as_followed: set[tuple[int, int]] = set()
    async for user_ids in _everyone(people):
        everyone.update(user_ids)
        for user_id in user_ids:
            as_followers |= await _follows(people, user_id, "following")
            as_followed |= await _follows(people, user_id, "followers")
    for pair in sorted(as_followers ^ as_followed):
        side = "the follower" if pair in as_followers else "the followed"
        yield Fault(
            kind="follow_one_sided" if set(pair) <= everyone else "follow_of_nobody",
            entity_id=pair[0],
            detail=f"{pair[0]} follows {pair[1]} in the list of {side} only",
        )


async def _in_blobs(
    people: PeopleFacts, videos: VideoFacts, blobs: BlobShelf, before_ms: int
) -> AsyncIterator[Fault]:
    listed = await blobs.list("", older_than_ms=before_ms, limit=MAX_BLOBS)
    if len(listed) == MAX_BLOBS:
        yield Fault(kind="unchecked", entity_id=0, detail=f"there are more than {MAX_BLOBS} blobs")
    names = sorted(blob.name for blob in listed)
    for start in range(0, len(names), PAGE):
        page = [(name, *_entity_of(name)) for name in names[start : start + PAGE]]
        ids = {
            kind: sorted({entity for _, each, entity in page if each == kind})
            for kind in ("video", "user")
        }
        records = {each.video.video_id: each for each in await videos.videos(ids["video"])}
        users = {each.user.user_id: each.user for each in await people.profiles(ids["user"])}
        for name, _, entity in page:
            fault = _fault_of_blob(name, entity, records.get(entity), users.get(entity))
            if fault is not None:
                yield fault


def _fault_of_blob(
    name: str, entity: int, record: VideoRecord | None, user: UserRow | None
) -> Fault | None:
    """What is wrong with a blob that exists, None where a row wants it."""
    steps = name.split("/")
    kind: FaultKind
    if steps[0] == "quarantine" and entity:
        if record is not None and not record.video.removed and _status(record) not in _FINAL:
            return None
        kind, detail = "orphan_upload", _why_orphan(record)
    elif steps[0] == "v" and entity and len(steps) > 3:
        if record is not None and not record.video.removed:
            media = record.media
            if media is None or media.status not in _FINAL:
                return None
            if media.status == "ready" and steps[2] == str(media.generation):
                return None
        kind, detail = "orphan_media", _why_orphan(record)
    elif steps[0] == "a" and entity:
        if user is not None and not user.deleted and user.avatar == name:
            return None
        kind, detail = "orphan_avatar", "nobody shows it"
    else:
        kind, detail = "orphan_unknown", "it is not named like anything of ours"
    return Fault(kind=kind, entity_id=entity, detail=detail, blob=name)


def _why_orphan(record: VideoRecord | None) -> str:
    if record is None:
        return "there is no such video"
    return "the video was removed" if record.video.removed else f"the video is {_status(record)}"


def _status(record: VideoRecord) -> str:
    return record.media.status if record.media is not None else "awaiting_upload"


def _under_way(record: VideoRecord) -> bool:
    return not record.video.removed and _status(record) in ("uploaded", "processing")


def _entity_of(name: str) -> tuple[str, int]:
    """Whose blob this is, by its name; 0 where the name does not say."""
    first, _, rest = name.partition("/")
    kind = {"v": "video", "quarantine": "video", "a": "user"}.get(first, "")
    return kind, (parse_id(rest.partition("/")[0]) or 0) if kind else 0


def _counts(entity_id: int, kept: msgspec.Struct, counted: msgspec.Struct) -> list[Fault]:
    faults = []
    for field in counted.__struct_fields__:
        has, should = getattr(kept, field), getattr(counted, field)
        if has != should:
            faults.append(
                Fault(
                    kind="count_differs",
                    entity_id=entity_id,
                    detail=f"{field}: {has} kept, {should} counted",
                )
            )
    return faults


async def _everyone(people: PeopleFacts) -> AsyncIterator[Sequence[int]]:
    after = 0
    while user_ids := await people.everyone(after, PAGE):
        yield user_ids
        after = user_ids[-1]


async def _every_video(videos: VideoFacts) -> AsyncIterator[Sequence[VideoRecord]]:
    after = 0
    while records := await videos.every_video(after, PAGE):
        yield records
        after = records[-1].video.video_id


async def _follows(people: PeopleFacts, user_id: int, direction: str) -> set[tuple[int, int]]:
    pairs: set[tuple[int, int]] = set()
    before: tuple[int, int] | None = None
    while rows := await people.follows(user_id, direction=direction, before=before, limit=PAGE):
        pairs |= {(row.follower_id, row.followee_id) for row in rows}
        last = rows[-1]
        other = last.followee_id if direction == "following" else last.follower_id
        before = (last.at_ms, other)
    return pairs
