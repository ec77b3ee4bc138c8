"""Uploads: announcing a file, completing it, watching it, and the videos that come of it.

The author's actor owns the caption and the removal, the video's actor owns the status. What the author's
actor knows of a status it was told; it is the first to know that an upload was announced or completed.
"""

import msgspec

from actors import answers
from actors.events import (
    CardChanged,
    EncodingProgressed,
    LoudAuthor,
    UploadOpened,
    UploadRemoved,
    UploadStored,
    VideoArrived,
    VideoTurned,
    Withdrawn,
)
from actors.media import source_name
from actors.messages import (
    CompleteUpload,
    CreateUpload,
    DeleteVideo,
    EditVideo,
    GetUpload,
    GetUploadLimits,
    ListUploads,
    NoticeStored,
)
from actors.records import VideoRecord
from actors.replies import Uploads, UploadTicket
from actors.rows import VideoRow
from actors.turn import Turn
from actors.user import sockets
from actors.user.likes import video_json, visible
from actors.user.limits import spend
from actors.user.state import Upload, User
from sharding.errors import (
    Forbidden,
    NotFound,
    NotUploaded,
    RateLimited,
    TooLarge,
    Unprocessable,
    UnsupportedMedia,
)

_DAY_MS = 86_400_000
#: Unfinished uploads that an actor holds in memory.
_HELD = 200


def get_upload_limits(user: User, message: GetUploadLimits, turn: Turn) -> bytes:
    """What may be uploaded now."""
    media = user.world.media
    return answers.to_json(
        answers.UploadLimits(
            max_bytes=media.max_bytes,
            min_duration_s=media.min_duration_s,
            max_duration_s=int(media.max_duration_s),
            max_pixels=media.max_pixels,
            content_types=user.world.content_types,
            remaining_today=max(0, user.world.limits.uploads_a_day - _today(user, turn)),
        )
    )


def create_upload(user: User, message: CreateUpload, turn: Turn) -> UploadTicket:
    """Announce a file.

    Raises:
        TooLarge, UnsupportedMedia, Unprocessable: it could never be accepted.
        RateLimited: the day's uploads are used up.
    """
    media = user.world.media
    if message.size_bytes > media.max_bytes:
        raise TooLarge(f"A clip has at most {media.max_bytes} bytes.")
    if message.size_bytes < 1:
        raise Unprocessable("An empty file is no clip.")
    if message.content_type not in user.world.content_types:
        raise UnsupportedMedia(f"A clip is one of {', '.join(user.world.content_types)}.")
    uploads = _uploads(user, turn)
    if _today(user, turn) >= user.world.limits.uploads_a_day:
        raise RateLimited("The uploads of a day are used up.", retry_after_s=3600.0)
    video_id = user.world.mint.mint()
    turn.write(
        VideoRow(
            video_id=video_id,
            author_id=user.id,
            caption=message.caption,
            created_ms=turn.now_ms,
            size_bytes=message.size_bytes,
            content_type=message.content_type,
            sha256=message.sha256,
            metadata=message.metadata,
        )
    )
    turn.tell(
        video_id,
        UploadOpened(author_id=user.id, size_bytes=message.size_bytes, sha256=message.sha256),
    )
    upload = Upload(
        size_bytes=message.size_bytes,
        content_type=message.content_type,
        sha256=message.sha256,
        status="awaiting_upload",
    )
    uploads[video_id] = upload
    while len(uploads) > _HELD:
        del uploads[min(uploads)]
    return _ticket(video_id, upload, message.method)


def complete_upload(user: User, message: CompleteUpload | NoticeStored, turn: Turn) -> bytes:
    """The file is there: hand it on. Only hastens what the sweeper would find.

    Raises:
        NotUploaded: nothing is in the store yet.
    """
    video_id = message.video_id
    upload, _ = _own(user, turn, video_id)
    if upload.status == "awaiting_upload":
        if message.stored_bytes is None:
            raise NotUploaded()
        turn.tell(video_id, UploadStored(size_bytes=message.stored_bytes))
        user.uploads = _uploads(user, turn) | {video_id: upload}
        upload.status = "uploaded"
    return answers.to_json(answers.UploadAccepted(video_id=str(video_id), status=upload.status))


def get_upload(user: User, message: GetUpload, turn: Turn) -> UploadTicket:
    """How an upload goes; to everybody but its author it is not there."""
    upload, rungs = _own(user, turn, message.video_id)
    return msgspec.structs.replace(_ticket(message.video_id, upload), rungs=rungs)


def list_uploads(user: User, message: ListUploads, turn: Turn) -> Uploads:
    """One's own unfinished and failed uploads, newest first."""
    before = None
    if message.cursor is not None:
        (before,) = user.world.cursors.open(user.id, "uploads", message.cursor, 1)
    known = _uploads(user, turn)
    records = turn.fetched(
        "page",
        lambda: user.world.videos.unfinished(user.id, before=before, limit=message.limit + 1),
    )
    more, records = len(records) > message.limit, records[: message.limit]
    token = None
    if more:
        token = user.world.cursors.sign(user.id, "uploads", (records[-1].video.video_id,))
    tickets = tuple(
        _ticket(each.video.video_id, known.get(each.video.video_id) or _of_record(each))
        for each in records
    )
    return Uploads(items=tickets, next_cursor=token)


def edit_video(user: User, message: EditVideo, turn: Turn) -> bytes:
    """Change a caption."""
    card = visible(user, turn, message.video_id)
    if card.author_id != user.id:
        raise Forbidden()
    record = _record(user, turn, message.video_id)
    user.likes_of(turn, (message.video_id,))
    user.known_following(turn)
    if record.video.caption != message.caption:
        spend(user, turn, "edits", user.world.limits.edits_a_minute)
        turn.write(msgspec.structs.replace(record.video, caption=message.caption))
        turn.broadcasts.append(CardChanged(video_id=message.video_id))
    liked = message.video_id in user.likes(turn).ids
    shown = card.captioned(message.caption)
    return video_json(user, turn, shown, liked)


def delete_video(user: User, message: DeleteVideo, turn: Turn) -> bytes:
    """Remove a video of one's own, in any status; again: nothing more happens.

    Raises:
        Forbidden: it is someone else's and visible.
        NotFound: it is nowhere to be seen.
    """
    record = turn.fetched(
        ("record", message.video_id), lambda: user.world.videos.videos((message.video_id,))
    )
    if not record:
        raise NotFound()
    video = record[0].video
    if video.author_id != user.id:
        visible(user, turn, message.video_id)
        raise Forbidden()
    _uploads(user, turn).pop(message.video_id, None)
    if not video.removed:
        remove(turn, video)
    return b"{}"


def remove(turn: Turn, video: VideoRow) -> None:
    """Withdraw a video of one's own; its actor does the rest."""
    turn.write(msgspec.structs.replace(video, removed=True))
    turn.tell(video.video_id, UploadRemoved())
    turn.broadcasts.append(Withdrawn(video_id=video.video_id))


def turned(user: User, event: VideoTurned, turn: Turn) -> None:
    """A video of the user has another status."""
    uploads = _uploads(user, turn)
    video_id = event.video_id
    if event.status == "ready":
        followers = turn.fetched(
            ("followers", video_id),
            lambda: user.world.people.follows(
                user.id,
                direction="followers",
                before=None,
                limit=user.world.feed.push_bound + 1,
            ),
        )
        uploads.pop(video_id, None)
        user.count(turn, videos=1)
        if len(followers) > user.world.feed.push_bound:
            turn.broadcasts.append(LoudAuthor(user_id=user.id))
        else:
            arrived = VideoArrived(
                video_id=video_id, author_id=user.id, published_ms=event.published_ms
            )
            # One event for each shard that holds followers, however many they are.
            if followers:
                turn.tell([row.follower_id for row in followers], arrived)
        sockets.announce(user, turn, "video.ready", {"video_id": str(video_id)})
    elif event.status == "deleted":
        uploads.pop(video_id, None)
        if event.published_ms:
            user.count(turn, videos=-1, likes_received=-event.likes_lost)
        sockets.announce(user, turn, "video.removed", {"video_id": str(video_id)})
    else:
        upload = uploads.get(video_id)
        if upload is not None:
            upload.status = event.status
            upload.error_code, upload.error_title = event.error_code, event.error_title
        if event.status == "failed":
            error = {"code": event.error_code, "title": event.error_title}
            sockets.announce(
                user, turn, "video.failed", {"video_id": str(video_id), "error": error}
            )


def progressed(user: User, event: EncodingProgressed, turn: Turn) -> None:
    """An encoding goes on. Kept with the state, so that it never falls, not even after a crash."""
    upload = _uploads(user, turn).get(event.video_id)
    if upload is None or event.progress <= upload.progress:
        return
    upload.progress = event.progress
    running = {video_id: each.progress for video_id, each in _uploads(user, turn).items()}
    turn.put("progress", msgspec.msgpack.encode(running))
    frame = answers.to_json(
        {
            "op": "event",
            "type": "upload.progress",
            "at": answers.at(turn.now_ms),
            "data": {"video_id": str(event.video_id), "progress": round(event.progress, 3)},
        }
    )
    sockets.push(user, turn, 0, frame)


def _uploads(user: User, turn: Turn) -> dict[int, Upload]:
    """One's own unfinished uploads."""
    if user.uploads is None:
        records = turn.fetched(
            "uploads", lambda: user.world.videos.unfinished(user.id, before=None, limit=_HELD)
        )
        if user.uploads is None:
            user.uploads = {each.video.video_id: _of_record(each) for each in records}
            for video_id, progress in user.progress.items():
                if video_id in user.uploads:
                    user.uploads[video_id].progress = progress
    return user.uploads


def _own(user: User, turn: Turn, video_id: int) -> tuple[Upload, tuple[str, ...]]:
    """An upload of the user, and the names of its rungs."""
    upload = _uploads(user, turn).get(video_id)
    if upload is not None:
        return upload, ()
    record = _record(user, turn, video_id)
    if record.video.author_id != user.id:
        raise NotFound()
    rungs: tuple[str, ...] = ()
    if record.media is not None and record.media.media is not None:
        rungs = tuple(rung.name for rung in record.media.media.rungs)
    return _of_record(record), rungs


def _record(user: User, turn: Turn, video_id: int) -> VideoRecord:
    records = turn.fetched(("record", video_id), lambda: user.world.videos.videos((video_id,)))
    if not records:
        raise NotFound()
    return records[0]


def _of_record(record: VideoRecord) -> Upload:
    video, media = record.video, record.media
    status = media.status if media is not None else "awaiting_upload"
    return Upload(
        size_bytes=video.size_bytes,
        content_type=video.content_type,
        sha256=video.sha256,
        status="deleted" if video.removed else status,
        progress=1.0 if status == "ready" else 0.0,
        error_code=media.error_code if media is not None else None,
        error_title=media.error_title if media is not None else None,
    )


def _ticket(video_id: int, upload: Upload, method: str = "POST") -> UploadTicket:
    return UploadTicket(
        video_id=video_id,
        status=upload.status,
        source=source_name(video_id),
        size_bytes=upload.size_bytes,
        content_type=upload.content_type,
        sha256=upload.sha256,
        method="PUT" if method == "PUT" else "POST",
        progress=1.0 if upload.status == "ready" else upload.progress,
        error_code=upload.error_code,
        error_title=upload.error_title,
    )


def _today(user: User, turn: Turn) -> int:
    """Uploads of the last day, counted from facts: refused ones never count."""
    since = turn.now_ms - _DAY_MS
    return turn.fetched("today", lambda: user.world.videos.uploads_since(user.id, since))
