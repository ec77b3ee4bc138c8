"""The video's actor: the life of one video, and the counts of what is done to it.

    awaiting_upload → uploaded → processing → ready
                                     └──────→ failed        (deleted from anywhere, and final)

It grants attempts at encoding (their number is the generation in the media's path) and accepts one. An
outcome of another generation, or after a removal, is swept. A video enters a feed only when it plays.
"""

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

import msgspec

from actors import events as e
from actors.actor import Kind, Loader
from actors.media import EncodedMedia, MediaJob, media_prefix, source_name, source_prefix
from actors.messages import Message
from actors.records import VideoRecord, VideoTally
from actors.rows import CountsRow, VideoMediaRow, VideoStatus
from actors.turn import Turn
from actors.world import World
from sharding.errors import Internal

_FINAL = ("ready", "failed", "blocked", "deleted")


class VideoActor:
    """Fills `actors.actor.Actor`; hears events and is never asked."""

    __slots__ = ("counts", "heard", "id", "media", "sha256", "size_bytes", "suspect")

    KIND: ClassVar[Kind] = "video"

    def __init__(
        self,
        video_id: int,
        record: VideoRecord | None,
        parts: Mapping[str, bytes],
    ) -> None:
        self.id = video_id
        self.heard = 0
        self.media = record.media if record is not None else None
        self.size_bytes = record.video.size_bytes if record is not None else 0
        self.sha256 = record.video.sha256 if record is not None else None
        counts = parts.get("counts")
        if counts is not None:
            self.counts = msgspec.msgpack.decode(counts, type=CountsRow)
        else:
            self.counts = record.counts if record is not None else CountsRow(entity_id=video_id)
        #: Whether a change may have been counted wrongly and facts should be counted. Both counts were
        #: written by one turn; where they differ, the store has lost some turns.
        self.suspect = "suspect" in parts or (
            record is not None and counts is not None and self.counts != record.counts
        )

    def ask(self, message: Message[Any], turn: Turn, session: int) -> Any:
        """Videos are not asked; what is known of them is in the library."""
        raise Internal(context=f"a video was asked {message!r}")

    def hear(self, event: e.AnyEvent, turn: Turn) -> None:
        """Take note of what happened to the video."""
        match event:
            case e.UploadOpened():
                self._opened(event, turn)
            case e.UploadStored():
                self._stored(turn)
            case e.EncodingStarted():
                if self._wants(event.generation) and self._status != "processing":
                    self._turn(turn, "processing")
            case e.EncodingOverdue():
                if self._status in ("uploaded", "processing"):
                    # A queue that knows the job does nothing.
                    self._encode(turn)
            case e.EncodingEnded():
                self._ended(event, turn)
            case e.UploadRemoved():
                self._removed(turn)
            case e.VideoLiked():
                self._liked(event, turn)
            case e.VideoCommented():
                self._commented(event, turn)
            case e.CommentRemoved():
                self._count(turn, comments=-event.lost)
                # How many answers hung on it is what the remover saw, not what is true now.
                self.suspect = True
                turn.put("suspect", b"1")
            case e.VideoShared():
                self._count(turn, shares=1)
            case e.VideoViewed():
                self._count(turn, views=event.views)
            case _:
                raise Internal(context=f"a video heard {event!r}")
        self.heard += 1

    # Its life.

    @property
    def _status(self) -> VideoStatus:
        return self.media.status if self.media is not None else "awaiting_upload"

    def _wants(self, generation: int) -> bool:
        return (
            self.media is not None
            and self.media.generation == generation
            and self._status not in _FINAL
        )

    def _opened(self, event: e.UploadOpened, turn: Turn) -> None:
        if self.media is None:
            self.size_bytes, self.sha256 = event.size_bytes, event.sha256
            self.media = VideoMediaRow(
                video_id=self.id,
                author_id=event.author_id,
                status="awaiting_upload",
                generation=0,
                published_ms=0,
            )
            turn.write(self.media, self.counts)

    def _stored(self, turn: Turn) -> None:
        if self.media is None or self._status != "awaiting_upload":
            return
        self.media = msgspec.structs.replace(self.media, generation=1)
        self._turn(turn, "uploaded")
        self._encode(turn)

    def _encode(self, turn: Turn) -> None:
        """Have the present generation encoded, unless that was said before."""
        assert self.media is not None
        turn.errands.append(
            e.EncodeVideo(
                job=MediaJob(
                    video_id=self.id,
                    author_id=self.media.author_id,
                    generation=self.media.generation,
                    source=source_name(self.id),
                    size_bytes=self.size_bytes,
                    sha256=self.sha256,
                )
            )
        )

    def _ended(self, event: e.EncodingEnded, turn: Turn) -> None:
        if not self._wants(event.generation):
            accepted = self._status == "ready" and self.media is not None
            if not (accepted and self.media and self.media.generation == event.generation):
                prefix = media_prefix(self.id, event.generation)
                turn.errands.append(e.DiscardMedia(prefixes=(prefix,)))
            return
        assert self.media is not None
        outcome = event.outcome
        if isinstance(outcome, EncodedMedia):
            self.media = msgspec.structs.replace(
                self.media, media=outcome, published_ms=turn.now_ms
            )
            self._turn(turn, "ready")
            turn.broadcasts.append(e.Published(video_id=self.id))
        else:
            self.media = msgspec.structs.replace(
                self.media, error_code=outcome.code, error_title=outcome.title
            )
            self._turn(turn, "failed")
        turn.errands.append(e.DiscardMedia(prefixes=(source_prefix(self.id),)))

    def _removed(self, turn: Turn) -> None:
        if self.media is None or self._status == "deleted":
            return
        self._turn(turn, "deleted")
        turn.errands.append(e.CancelEncoding(video_id=self.id))
        turn.errands.append(e.DiscardMedia(prefixes=(f"v/{self.id}/", source_prefix(self.id))))
        turn.broadcasts.append(e.Withdrawn(video_id=self.id))

    def _turn(self, turn: Turn, status: VideoStatus) -> None:
        """Take another status, and tell the author."""
        assert self.media is not None
        was_ready = self.media.status == "ready"
        self.media = msgspec.structs.replace(self.media, status=status)
        turn.write(self.media)
        turn.tell(
            self.media.author_id,
            e.VideoTurned(
                video_id=self.id,
                status=status,
                published_ms=self.media.published_ms if status == "ready" or was_ready else 0,
                error_code=self.media.error_code,
                error_title=self.media.error_title,
                likes_lost=self.counts.likes if was_ready else 0,
            ),
        )

    # What is done to it.

    def _liked(self, event: e.VideoLiked, turn: Turn) -> None:
        self._count(turn, likes=1 if event.liked else -1)
        if self._status == "ready" and self.media is not None:
            turn.tell(
                self.media.author_id,
                e.LikeNoticed(
                    video_id=self.id,
                    user_id=event.user_id,
                    liked=event.liked,
                    likes=self.counts.likes,
                ),
            )

    def _commented(self, event: e.VideoCommented, turn: Turn) -> None:
        self._count(turn, comments=1)
        if self.media is None:
            return
        told = {self.media.author_id}
        if event.parent_user_id is not None:
            told.add(event.parent_user_id)
        for user_id in sorted(told - {event.user_id}):
            turn.tell(
                user_id,
                e.CommentNoticed(
                    video_id=self.id,
                    comment_id=event.comment_id,
                    user_id=event.user_id,
                    text=event.text,
                    parent_id=event.parent_id,
                ),
            )

    def _count(self, turn: Turn, **changes: int) -> None:
        counted = {name: max(0, getattr(self.counts, name) + by) for name, by in changes.items()}
        self._set_counts(turn, msgspec.structs.replace(self.counts, **counted))

    def _set_counts(self, turn: Turn, counts: CountsRow) -> None:
        self.counts = counts
        turn.put("counts", msgspec.msgpack.encode(counts))
        turn.write(counts)
        turn.broadcasts.append(
            e.Counted(
                video_id=self.id,
                likes=counts.likes,
                comments=counts.comments,
                shares=counts.shares,
                views=counts.views,
            )
        )

    # What the runtime wants to know.

    def tick(self, turn: Turn) -> None:
        """Nothing is held back."""

    def dump(self, part: str) -> bytes | None:
        """One part of the state as it is stored."""
        if part != "counts":
            raise ValueError(f"a video has no part {part!r}")
        return msgspec.msgpack.encode(self.counts)

    def count(self, tally: VideoTally, turn: Turn) -> int:
        """Set the counts to the sizes of the facts; views have none and stay."""
        right = msgspec.structs.replace(self.counts, **msgspec.structs.asdict(tally))
        off = sum(
            abs(int(getattr(right, name)) - int(getattr(self.counts, name)))
            for name in tally.__struct_fields__
        )
        if off:
            # A fact may have been counted whose event is still on its way: it must fit once more.
            self.suspect = True
            self._set_counts(turn, right)
            turn.put("suspect", b"1")
            return off
        # In any case: it may be the row that is wrong, and this actor that is right.
        turn.write(self.counts)
        if self.suspect:
            self.suspect = False
            turn.put("suspect", None)
        return off

    @property
    def restless(self) -> bool:
        """Never: every event has its whole effect at once."""
        return False

    @property
    def connections(self) -> Collection[str]:
        """None."""
        return ()

    def __repr__(self) -> str:
        return f"<VideoActor {self.id} {self._status} {self.counts}>"


def video_loader(world: World) -> Loader:
    """Makes videos' actors from their parts and their facts."""

    async def load(video_id: int, parts: Mapping[str, bytes]) -> VideoActor:
        records = await world.videos.videos((video_id,))
        return VideoActor(video_id, records[0] if records else None, parts)

    return load
